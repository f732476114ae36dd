package notifier

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// sayAll makes the phone hear at once how everything stands; mu is held.
func (n *Notifier) sayAll(s *subscription) {
	s.full, s.changed = true, nil
	s.sent = time.Time{}
	n.say(s)
}

// say lets a subscription have its next NOTIFY: one at a time, each of them no sooner than
// spacing after the last. What changes meanwhile is told together. mu is held.
func (n *Notifier) say(s *subscription) {
	s.dirty = true
	if s.gone || s.busy || s.queued {
		return
	}
	if s.rest != nil {
		s.rest.Stop()
		s.rest = nil
	}
	if wait := s.sent.Add(spacing).Sub(n.o.Clock.Now()); !s.sent.IsZero() && wait > 0 {
		s.rest = n.o.Clock.AfterFunc(wait, func() { n.rested(s) })
		return
	}
	s.queued = true
	n.ready = append(n.ready, s)
	if !n.running {
		n.running = true
		n.sending.Go(n.run)
	}
}

func (n *Notifier) rested(s *subscription) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.rest = nil
	if s.dirty {
		n.say(s)
	}
}

// run sends for all who are ready, on a goroutine that ends when nobody is: a change in a
// call that many lamps show must not hold up the call.
func (n *Notifier) run() {
	for {
		s, f := n.next()
		if s == nil {
			return
		}
		n.o.Guard(f, func() { n.send(s) })
	}
}

func (n *Notifier) next() (*subscription, transport.Flow) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.ready) == 0 {
		n.ready, n.running = nil, false
		return nil, transport.Flow{}
	}
	s := n.ready[0]
	n.ready[0] = nil
	n.ready = n.ready[1:]
	return s, s.flow
}

func (n *Notifier) send(s *subscription) {
	f, req := n.prepare(s)
	if req == nil {
		return
	}
	if _, err := n.o.Sender.Send(f, req, &sent{n, s}); err != nil {
		n.mu.Lock()
		n.drop(s)
		n.mu.Unlock()
	}
}

// prepare makes the NOTIFY that is due, nil if there is none any more.
func (n *Notifier) prepare(s *subscription) (transport.Flow, *sip.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.queued = false
	if s.gone || s.busy || !s.dirty {
		return transport.Flow{}, nil
	}
	now := n.o.Clock.Now()
	req := s.d.Request(sip.NOTIFY)
	event := s.topic.event
	if s.eventID != "" {
		event += ";id=" + s.eventID
	}
	// RFC 6665 §4.1.3
	state := "active;expires=" + strconv.Itoa(int(max(s.expires.Sub(now), 0).Round(time.Second)/time.Second))
	if s.over != "" {
		state = "terminated;reason=" + s.over
	}
	req.AppendHeader(sip.NewHeader("Event", event))
	req.AppendHeader(sip.NewHeader("Subscription-State", state))
	req.AppendHeader(&sip.ContactHeader{Address: n.o.Address(s.flow, "")})
	req.AppendHeader(sip.NewHeader("Content-Type", contentType(s.topic.event)))
	req.SetBody(n.body(s))
	s.busy, s.dirty, s.full, s.changed, s.sent = true, false, false, nil, now
	if s.over != "" {
		n.drop(s) // whatever is answered to the last one
	}
	return s.flow, req
}

// body is what there is to say; mu is held.
func (n *Notifier) body(s *subscription) []byte {
	entity := n.o.Address(s.flow, s.topic.entity)
	if s.topic.event == MessageSummary {
		return summary(entity.String(), n.messages[s.topic.entity])
	}
	list := s.changed
	if s.full {
		list = n.lamps[s.topic.entity]
		list = list[:min(len(list), maxListed)]
	}
	s.version++
	return dialogInfo(entity.String(), s.version-1, s.full, list)
}

// sent hears what becomes of a NOTIFY.
type sent struct {
	n *Notifier
	s *subscription
}

// HandleResponse and HandleEnd run on the goroutine that reads.
func (h *sent) HandleResponse(_ *transaction.Client, res *sip.Response) {
	if res.StatusCode >= 200 {
		h.n.answered(h.s, res)
	}
}

func (h *sent) HandleEnd(_ *transaction.Client, err error) {
	if err != nil {
		h.n.mu.Lock()
		defer h.n.mu.Unlock()
		h.n.drop(h.s) // RFC 6665 §4.2.2: who cannot be told has no subscription
	}
}

// answered goes on after the answer to a NOTIFY. RFC 6665 §4.2.2: whoever refuses one wants no
// more, unless it says when it will listen again.
func (n *Notifier) answered(s *subscription, res *sip.Response) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.busy = false
	if s.gone {
		return
	}
	if res.IsSuccess() {
		s.refused = 0
		s.d.Update(res)
		if s.dirty {
			n.say(s)
		}
		return
	}
	after, err := strconv.ParseUint(digits(header(res, "Retry-After", "")), 10, 31)
	wait := time.Duration(after) * time.Second
	s.refused++
	if err != nil || res.StatusCode == 481 || wait > longestRest || s.refused > maxRefused {
		n.drop(s)
		return
	}
	s.full, s.changed, s.dirty = true, nil, true
	if s.rest != nil {
		s.rest.Stop()
	}
	s.sent = n.o.Clock.Now().Add(wait - spacing)
	n.say(s)
}

// digits is the number that a Retry-After begins with (RFC 3261 §20.33).
func digits(v string) string {
	v = strings.TrimSpace(v)
	if i := strings.IndexFunc(v, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		v = v[:i]
	}
	return v
}
