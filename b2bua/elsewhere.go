package b2bua

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
	"tandem/clock"
)

const (
	// signLimit is how long a target may say nothing to an INVITE while there is another one:
	// whoever lives says 100 within 200 ms (RFC 3261 §17.2.1).
	signLimit = 5 * time.Second
	maxTried  = 8 // targets of one name that one leg tries
)

// search is where a leg has looked for somebody to take its INVITE (RFC 3263 §4.3).
type search struct {
	tried []transport.Target
	timer clock.Timer  // until the one that has it must have said something
	given map[int]bool // INVITEs that were given up and may still be answered
}

var errNoOther = errors.New("no other target")

// searches tells whether the leg's next hop is a name that may stand for several targets, and
// gives it. Contacts have their flow, and a trunk its own hosts.
func (l *Leg) searches() (sip.Uri, bool) {
	hop := l.uri
	if len(l.branch.route) > 0 {
		hop = l.branch.route[0]
	}
	_, err := netip.ParseAddr(strings.Trim(hop.Host, "[]"))
	return hop, err != nil && l.branch.flow.IsZero() && l.branch.trunk == nil
}

// at is the target that the leg's INVITE went to.
func (l *Leg) at() transport.Target {
	return transport.Target{Proto: l.flow.Proto(), Addr: l.flow.Remote()}
}

// awaitSign gives up on a target that says nothing, where there is another one.
func (l *Leg) awaitSign() {
	if _, ok := l.searches(); !ok {
		return
	}
	n := l.inviteTx
	l.search.timer = l.after(signLimit, func() {
		if n == l.inviteTx && l.state == legCalling && l.inviting {
			l.tryOther(0, nil)
		}
	})
}

// signOfLife notes that the target answers.
func (l *Leg) signOfLife(code int) {
	if l.search.timer == nil {
		return
	}
	l.search.timer.Stop()
	if code != 503 {
		l.call().server.o.Transport.Works(l.at())
	}
}

// elsewhere tries the next target after a time-out, a transport error or a 503; false where
// the leg has but one. When there is no other after all, the leg fails with f.
func (l *Leg) elsewhere(retryAfter time.Duration, f *Failure) bool {
	if _, ok := l.searches(); !ok || l.state != legCalling {
		return false
	}
	l.inviting = true
	l.tryOther(retryAfter, f)
	return true
}

// tryOther looks for a target that has not been tried. With f, the INVITE is over and the leg
// fails with f when there is none; without, it still stands and goes on waiting.
func (l *Leg) tryOther(retryAfter time.Duration, f *Failure) {
	c, n := l.call(), l.inviteTx
	hop, _ := l.searches()
	if f != nil {
		c.server.o.Transport.Avoid(l.at(), retryAfter)
	}
	if !slices.Contains(l.search.tried, l.at()) {
		l.search.tried = append(l.search.tried, l.at())
	}
	tried := slices.Clone(l.search.tried)
	c.aside(func() {
		flow, err := c.server.another(c.server.ctx, hop, tried)
		l.post(func(*Call) { l.found(flow, err, n, f) })
	})
}

func (l *Leg) found(flow transport.Flow, err error, n int, f *Failure) {
	switch {
	case n != l.inviteTx || f == nil && (l.state != legCalling || !l.inviting):
	case l.state == legEnded:
		l.inviting = false
	case err == nil && !l.trespasses(flow):
		if f == nil {
			l.giveUp()
		}
		l.call().note(l.name(), "sip", "no answer from "+l.remote+": the next target is tried")
		l.sendTo(flow)
	case f != nil:
		l.inviting = false
		l.failed(f)
	}
}

// giveUp cancels an INVITE that nobody answered; a 2xx that comes all the same is ended.
func (l *Leg) giveUp() {
	l.call().server.o.Transport.Avoid(l.at(), 0)
	if l.search.given == nil {
		l.search.given = map[int]bool{}
	}
	l.search.given[l.inviteTx] = true
	_ = l.client.Cancel()
}

// sendTo sends the INVITE to another target: the same in all but its branch (RFC 3263 §4.3),
// and its addresses of ours where the way there is another.
func (l *Leg) sendTo(flow transport.Flow) {
	if !l.direct && flow.Advertised().Addr() != l.flow.Advertised().Addr() {
		l.keepLines(nil)
		l.media.Close()
		l.media = nil
	}
	seq := l.ours.CSeq().SeqNo
	l.flow, l.inviteFlow, l.remote = flow, flow, flow.Remote().String()
	if !l.direct {
		if err := l.openMedia(); err != nil {
			l.inviting = false
			l.failed(mediaFailure(err))
			return
		}
		l.inviteLines()
		l.offer = l.media.Offer()
	}
	l.ours = l.invite()
	l.ours.CSeq().SeqNo = seq
	l.inviteTx++
	tx, err := l.call().server.tx.SendWatched(flow, l.ours, &inviteClient{l, l.inviteTx}, l.track.Load().inviting(flow))
	if err != nil {
		l.tryOther(0, &Failure{Code: 503, Reason: err.Error(), State: StateFailed})
		return
	}
	l.client = tx
	l.awaitSign()
}

// late takes a response to an INVITE that was given up: a 2xx makes a dialog that nobody wants.
func (l *Leg) late(res *sip.Response) {
	if res.StatusCode < 200 || res.StatusCode >= 300 {
		return
	}
	if d := l.early(res); d != nil && d != l.dialog {
		l.disown(d, res, res.CSeq().SeqNo)
	}
}

// another connects to the first of a URI's targets that was not tried.
func (s *Server) another(ctx context.Context, u sip.Uri, tried []transport.Target) (transport.Flow, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	targets, err := s.o.Transport.Resolve(ctx, u)
	if err != nil || len(tried) >= maxTried {
		return transport.Flow{}, errNoOther
	}
	for _, t := range targets {
		if slices.ContainsFunc(tried, func(x transport.Target) bool { return x.Proto == t.Proto && x.Addr == t.Addr }) {
			continue
		}
		f, err := s.o.Transport.Connect(ctx, t)
		if err == nil {
			return f, nil
		}
		s.o.Transport.Avoid(t, 0)
	}
	return transport.Flow{}, errNoOther
}
