package notifier

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// Refusal is the answer to a SUBSCRIBE that is not taken: a status and, unless its name is
// empty, a header that goes with it.
type Refusal struct {
	Code        int
	Name, Value string
}

// maxEventID bounds what is kept of an Event header.
const maxEventID = 128

// Subscribe makes the subscription that a SUBSCRIBE outside of any dialog asks for, answers it
// and tells the phone how things stand (RFC 6665 §4.2.1). owner is who may have so many of
// them; entity is the user or slot that it is about. A refusal is left to the caller to send.
func (n *Notifier) Subscribe(tx *transaction.Server, owner, entity string) *Refusal {
	req := tx.Request()
	event, id, no := eventOf(req)
	if no == nil {
		no = checkAccept(req, event)
	}
	if no != nil {
		return no
	}
	lasts, no := expiresOf(req)
	if no != nil {
		return no
	}
	tag := dialog.NewTag()
	d, err := dialog.NewUAS(req, tag)
	if err != nil {
		return &Refusal{Code: 400}
	}
	d.Confirm()
	now := n.o.Clock.Now()
	target := d.RemoteTarget()
	s := &subscription{d: d, flow: tx.Flow(), owner: owner, topic: topic{event, entity}, eventID: id, contact: target.String(),
		refreshed: now, expires: now.Add(lasts), busy: true}
	if no := n.admit(s); no != nil {
		return no
	}
	n.accept(tx, s, tag, lasts)
	return nil
}

// admit enters a new subscription.
func (n *Notifier) admit(s *subscription) *Refusal {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return &Refusal{503, "Retry-After", "10"}
	}
	n.supersede(s)
	if len(n.subs) >= n.o.Max {
		return &Refusal{503, "Retry-After", "60"}
	}
	n.add(s)
	return nil
}

// supersede makes room for a subscription: a phone that has restarted asks anew for what it
// had and knows no more of that. Of too many the oldest goes.
func (n *Notifier) supersede(s *subscription) {
	var oldest *subscription
	kept := 0
	for _, other := range append([]*subscription(nil), n.owners[s.owner]...) {
		if other.topic == s.topic && other.eventID == s.eventID && other.flow == s.flow && other.contact == s.contact {
			n.drop(other)
			continue
		}
		if other.over != "" {
			continue
		}
		kept++
		if oldest == nil || other.refreshed.Before(oldest.refreshed) {
			oldest = other
		}
	}
	if kept >= n.o.MaxPerOwner {
		n.end(oldest, "rejected")
	}
}

// accept answers a SUBSCRIBE and lets the NOTIFY follow (RFC 6665 §4.2.1.2: at once, also where
// nothing has changed).
func (n *Notifier) accept(tx *transaction.Server, s *subscription, tag string, lasts time.Duration) {
	res := transaction.NewResponse(tx.Request(), 200, "OK", tag)
	res.AppendHeader(&sip.ContactHeader{Address: n.o.Address(tx.Flow(), "")})
	res.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(int(lasts/time.Second))))
	err := tx.Respond(res)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		n.drop(s)
		return
	}
	if tag != "" {
		s.busy = false // the 200 has gone before the first NOTIFY
	}
	if lasts == 0 { // RFC 6665 §4.4.3: one look at how things are, or the end
		n.end(s, "timeout")
		return
	}
	n.sayAll(s)
}

// Refresh takes a SUBSCRIBE within a dialog (RFC 6665 §4.2.1.2): the subscription lasts longer
// then, or with an expiry of 0 ends, and the phone hears how things stand.
func (n *Notifier) Refresh(tx *transaction.Server) *Refusal {
	req := tx.Request()
	event, id, no := eventOf(req)
	if no != nil {
		return no
	}
	lasts, no := expiresOf(req)
	if no != nil {
		return no
	}
	s, no := n.refresh(req, tx.Flow(), topic{event: event}, id, lasts)
	if no != nil {
		return no
	}
	n.accept(tx, s, "", lasts)
	return nil
}

func (n *Notifier) refresh(req *sip.Request, f transport.Flow, t topic, id string, lasts time.Duration) (*subscription, *Refusal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.subs[dialog.RequestID(req)]
	switch {
	case s == nil || s.over != "" || s.topic.event != t.event || s.eventID != id:
		return nil, &Refusal{Code: 481}
	case errors.Is(s.d.Receive(req), dialog.ErrOutOfOrder):
		return nil, &Refusal{Code: 500}
	}
	now := n.o.Clock.Now()
	s.d.Retarget(req.Contact())
	s.refreshed, s.expires = now, now.Add(lasts)
	n.move(s, f)
	if lasts > 0 {
		s.timer.Reset(lasts)
	}
	return s, nil
}

// eventOf reads the Event header (RFC 6665 §8.2.1).
func eventOf(req *sip.Request) (event, id string, no *Refusal) {
	value := header(req, "Event", "o")
	kind, params, _ := strings.Cut(value, ";")
	switch event = strings.ToLower(strings.TrimSpace(kind)); event {
	case MessageSummary, DialogInfo:
	default:
		return "", "", &Refusal{489, "Allow-Events", AllowEvents} // RFC 6665 §4.2.1.1
	}
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), "id") {
			id = strings.TrimSpace(v)
		}
	}
	if len(id) > maxEventID {
		return "", "", &Refusal{Code: 400}
	}
	return event, id, nil
}

// checkAccept refuses a phone that could not read what it asks for (RFC 3261 §20.1).
func checkAccept(req *sip.Request, event string) *Refusal {
	list := header(req, "Accept", "")
	if strings.TrimSpace(list) == "" {
		return nil
	}
	for entry := range strings.SplitSeq(list, ",") {
		kind, _, _ := strings.Cut(entry, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case contentType(event), "application/*", "*/*":
			return nil
		}
	}
	return &Refusal{406, "Accept", contentType(event)}
}

func contentType(event string) string {
	if event == MessageSummary {
		return "application/simple-message-summary"
	}
	return "application/dialog-info+xml"
}

// expiresOf is the time that is granted (RFC 6665 §4.2.1.1): never more than was asked for.
func expiresOf(req *sip.Request) (time.Duration, *Refusal) {
	value := strings.TrimSpace(header(req, "Expires", ""))
	if value == "" {
		return defaultExpires, nil
	}
	seconds, err := strconv.ParseUint(value, 10, 32)
	if errors.Is(err, strconv.ErrRange) {
		seconds = math.MaxUint32
	} else if err != nil {
		return defaultExpires, nil // RFC 3261 §20.19: as if it were 3600
	}
	asked := time.Duration(seconds) * time.Second
	if asked > 0 && asked < minExpires {
		return 0, &Refusal{423, "Min-Expires", strconv.Itoa(int(minExpires / time.Second))}
	}
	return min(asked, defaultExpires), nil
}

// header joins the values of a header, by its name or its compact form.
func header(m sip.Message, name, short string) string {
	all := m.GetHeaders(name)
	if len(all) == 0 && short != "" {
		all = m.GetHeaders(short)
	}
	var values []string
	for _, h := range all {
		values = append(values, h.Value())
	}
	return strings.Join(values, ",")
}
