package b2bua

import (
	"context"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/media"
)

// ErrMoved is what a method returns when the leg it was called on, or the call's own, has
// been handed to another call. It is an ErrHangup as well: for this call the leg is gone.
var ErrMoved error = movedError{}

type movedError struct{}

func (movedError) Error() string        { return "moved" }
func (movedError) Is(target error) bool { return target == ErrHangup }

// give hands a leg to the call of transfer t. Whoever waits for the leg here is told that
// it has moved; what reaches this call for it from now on is forwarded.
func (c *Call) give(l *Leg, t *transfer) {
	c.surrender(l)
	c.note("", "transfer", l.name()+" goes on in call "+t.c.id)
	if !t.c.box.adopt(l, t.c, &handed{t, l, c.kin()}) {
		c.take(l)
		l.by = BySystem
		l.hangup(0)
	}
}

// adopt makes c the owner of l and tells it so by e, which comes before anything else about
// the leg; false when c has ended.
func (m *mailbox) adopt(l *Leg, c *Call, e event) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	l.owner.Store(c)
	m.queue = append(m.queue, e)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// surrender takes a leg out of the call's state. What the record tells of it stays.
func (c *Call) surrender(l *Leg) {
	l.stopPlaying()
	l.heldMusic = false
	c.leaveSupervisor(l)
	c.interrupt(l, ErrMoved)
	i := slices.Index(c.legs, l)
	if i < 0 {
		return // it had not been taken
	}
	rest := l.remains()
	c.legs[i] = rest
	if l == c.caller {
		c.caller, c.moved = rest, true
		c.callerEnded()
	}
}

// remains is what stays of a leg in the record of a call that has given it away.
func (l *Leg) remains() *Leg {
	c := l.call()
	l.keepLines(nil)
	rest := &Leg{home: l.home, seq: l.seq, role: l.role, callID: l.callID, target: l.target, uri: l.uri, branch: l.branch, trunk: l.trunk,
		remote: l.remote, userAgent: l.userAgent, server: l.server, ours: l.ours, answerer: l.answerer, direct: l.direct,
		state: legEnded, released: true, by: l.by, rec: l.rec, byeLater: -1}
	rest.owner.Store(c)
	rest.track.Store(l.track.Load())
	rest.rec.ended, rest.rec.reason = c.clock.Now(), "moved"
	if l.media != nil {
		now := l.media.Stats()
		rest.rec.relayed = true
		rest.rec.dtmf = l.dtmfMode(now.Digits)
		rest.rec.codec, rest.rec.stats = now.Codec, since(l.rec.before, now)
		l.rec.before = now
	}
	return rest
}

// since is what has been counted after before.
func since(before, now media.Stats) media.Stats {
	now.RxPackets -= before.RxPackets
	now.TxPackets -= before.TxPackets
	now.Lost -= min(now.Lost, before.Lost) // a late packet takes a loss back
	now.OutOfOrder -= before.OutOfOrder
	return now
}

// take makes a leg that the call owns one of its legs.
func (c *Call) take(l *Leg) {
	if slices.Contains(c.legs, l) {
		return
	}
	l.seq, l.role = c.nextSeq(), "b"
	l.digits, l.ear, l.by = nil, nil, ""
	c.legs = append(c.legs, l)
	l.tell(c)
}

// handed is a leg that another call gives to transfer t.
type handed struct {
	t   *transfer
	leg *Leg
	kin kin
}

func (e *handed) apply(c *Call) {
	c.awaiting--
	c.meet(e.kin)
	if e.leg.state == legEnded { // its BYE was on the way
		c.take(e.leg)
		e.t.failed(failure(480, ""))
		return
	}
	e.t.complete(e.leg)
}

// goOn makes a call of its own for two legs whose call ends because the one who brought
// them together leaves: p takes the caller's place. Nobody's script runs for it.
func (c *Call) goOn(p, n *Leg, limit time.Duration) *Call {
	s := c.server
	from, to := p.address(), n.address()
	y := &Call{
		server: s, started: c.clock.Now(), id: newID(), invite: n.firstInvite(), identity: p.party(),
		from: from, to: to, depth: c.depth, box: newMailbox(), done: make(chan struct{}), ops: map[*op]struct{}{},
		unattended: true, source: Source{IP: p.flow.Remote().Addr(), Port: int(p.flow.Remote().Port()), Transport: string(p.flow.Proto())},
	}
	y.clock = guardedClock{s.o.Clock, y}
	y.timeline = newTimeline(y, s.o.Clock)
	y.log = s.o.Log.With("call", y.id, "sip_call_id", p.callID)
	y.shared.number, y.shared.linked = to.User, c.LinkedID()
	y.taken.Store(true)
	y.state.Store(StateAnswered)
	y.times.answer = y.started
	c.note("", "transfer", p.name()+" and "+n.name()+" go on in call "+y.id)
	c.surrender(n)
	c.surrender(p) // last: where it is the caller, all other legs end with it
	for _, l := range []*Leg{p, n} {
		l.owner.Store(y)
		y.take(l)
	}
	p.role, y.caller, y.first = "a", p, p
	y.note("", "transfer", "goes on from call "+c.id)
	closing := s.list(y)
	s.o.Journal.Open(y.openRecord())
	go y.loop()
	go y.serve(s.ctx, handler(func(ctx context.Context, y *Call) error {
		_, err := y.Bridge(ctx, n, DialOptions{Max: limit})
		return err
	}))
	if closing {
		y.box.post(do(func(y *Call) { y.end(BySystem, failure(503, "")) }))
	}
	return y
}

// handler makes a Handler of a function.
type handler func(ctx context.Context, c *Call) error

func (f handler) ServeCall(ctx context.Context, c *Call) error { return f(ctx, c) }

// list adds a call that goes on from another, whatever the limits; closing tells that the
// server is ending all calls.
func (s *Server) list(c *Call) (closing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[c.id] = c
	s.running[c] = struct{}{}
	return s.closing
}

// firstInvite is the INVITE that began the leg's dialog.
func (l *Leg) firstInvite() *sip.Request {
	if l.inbound() {
		return l.server.Request()
	}
	return l.ours
}

// address is the party at the far end.
func (l *Leg) address() Address {
	if l.inbound() {
		from := l.server.Request().From()
		return addressOf(&from.Address, from.DisplayName)
	}
	return addressOf(&l.branch.to, "")
}

// LinkedID joins the records of calls that belong together.
func (c *Call) LinkedID() string {
	c.shared.Lock()
	defer c.shared.Unlock()
	return c.shared.linked
}

// kin is what joins the records of one call with those of another.
type kin struct {
	linked  string
	started time.Time
}

func (c *Call) kin() kin { return kin{c.LinkedID(), c.started} }

// meet joins the records of two calls that a leg goes between: the older one gives its name.
func (c *Call) meet(other kin) {
	if other.started.Before(c.started) || other.started.Equal(c.started) && other.linked < c.LinkedID() {
		c.relink(other.linked)
	}
}

// relink joins the records of this call, and of those that were joined with it, with those
// of another.
func (c *Call) relink(id string) {
	old := c.LinkedID()
	if old == id {
		return
	}
	c.link(id)
	for _, other := range c.server.linked(old) {
		other.box.post(do(func(other *Call) { other.link(id) }))
	}
}

func (c *Call) link(id string) {
	c.shared.Lock()
	c.shared.linked = id
	c.shared.Unlock()
	c.updateRecord()
}

func (s *Server) linked(id string) []*Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Call
	for c := range s.running {
		if c.LinkedID() == id {
			out = append(out, c)
		}
	}
	return out
}
