package b2bua

import (
	"context"
	"errors"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
)

// Two calls become one when a party of one of them takes the place of a party of the other
// (RFC 3891): an attended transfer, or an INVITE with Replaces. The call that wants it asks
// the one that has the leg to be replaced, which hands over the leg at the other end of it;
// or takes the asker's, where that keeps a caller with the script that serves it. Neither
// waits for the other, and each answers exactly once.

// replaceWanted asks for the leg that talks to the one to be replaced.
type replaceWanted struct {
	leg       *Leg      // to be replaced
	t         *transfer // who asks
	as        auth.Identity
	kin       kin
	stays     bool // the asker's party stays in the asker's call
	earlyOnly bool
	answered  bool
}

func (e *replaceWanted) about() *Leg { return e.leg }

// partyWanted asks back: the leg that t wants connected is to go to the transfer to.
type partyWanted struct {
	t, to *transfer
	kin   kin

	answered bool
}

// declined tells that the other call does not take part.
type declined struct {
	t *transfer
	f *Failure
}

// ask wants the party that talks to r connected with the one that is moved.
func (t *transfer) ask(r *Leg, earlyOnly bool, as auth.Identity) {
	c := t.c
	c.awaiting++
	scripted := t.place == nil // there is a script that would go on with the caller
	e := &replaceWanted{leg: r, t: t, as: as, kin: c.kin(), stays: scripted && t.moved == c.caller, earlyOnly: earlyOnly}
	if !r.deliver(e) {
		c.box.post(&declined{t, failure(481, "")})
	}
}

func (e *replaceWanted) apply(c *Call) {
	defer func() { // in a panic, too: the asker lives until it has its answer
		if !e.answered {
			c.answerTo(e.t, &declined{e.t, failure(500, "")})
		}
	}()
	r := e.leg
	if f := c.mayReplace(e); f != nil {
		e.answered = true
		c.answerTo(e.t, &declined{e.t, f})
		return
	}
	if r.state != legAnswered {
		c.wantParty(e, &transfer{moved: c.caller, place: func(n *Leg) { c.pickUp(r, n) }})
		return
	}
	q := c.partner(r)
	if q == nil {
		c.wantParty(e, &transfer{moved: r, place: func(n *Leg) { c.succeed(r, n) }})
		return
	}
	if q == c.caller && !e.stays {
		c.wantParty(e, &transfer{by: r, moved: q})
		return
	}
	c.note(r.name(), "transfer", "replaced: "+q.name()+" is wanted by call "+e.t.c.id)
	by := ByCallee
	if r == c.caller {
		by = ByCaller
	}
	c.released(by)
	c.meet(e.kin)
	c.unjoin(by)
	c.give(q, e.t)
	e.answered = true
	r.by = by
	r.hangup(0)
}

// wantParty begins a transfer here that is to get the asker's party.
func (c *Call) wantParty(e *replaceWanted, t *transfer) {
	c.begin(t)
	c.awaiting++
	c.note(e.leg.name(), "transfer", "to be replaced by the party of call "+e.t.c.id)
	e.answered = true
	c.answerTo(e.t, &partyWanted{t: e.t, to: t, kin: c.kin()})
}

// answerTo posts to the call of another transfer, which lives until it has its answer.
func (c *Call) answerTo(t *transfer, e event) {
	if !t.c.box.post(e) {
		c.log.Error("a call ended before it had its answer", "other", t.c.id)
	}
}

// mayReplace tells why a leg is not replaced (RFC 3891 §3).
func (c *Call) mayReplace(e *replaceWanted) *Failure {
	r := e.leg
	who := r.party()
	same := who.User != "" && who.User == e.as.User || who.Trunk != "" && who.Trunk == e.as.Trunk
	switch {
	case r.state == legEnded:
		return failure(603, "") // it has been, but is no more
	case !same && !e.as.Trusted:
		return failure(403, "")
	case c.transfer != nil:
		return failure(491, "")
	case r.state != legAnswered && (r.inbound() || r.dialling == nil):
		return failure(481, "") // only an early dialog that we began can be replaced
	case r.state != legAnswered:
		return nil
	case e.earlyOnly:
		return failure(486, "")
	case c.partner(r) == nil && !c.heritable(r):
		return failure(480, "Nobody to Take Over")
	}
	return nil
}

func (e *partyWanted) apply(c *Call) {
	c.awaiting--
	defer func() {
		if !e.answered {
			c.answerTo(e.to, &declined{e.to, failure(500, "")})
		}
	}()
	t := e.t
	if !t.over && t.moved.state != legAnswered { // the caller with Replaces, who has been waiting
		if err := c.answer(nil); err != nil || t.moved.state != legAnswered {
			t.failed(failure(488, ""))
		}
	}
	if t.over {
		e.answered = true
		c.answerTo(e.to, &declined{e.to, failure(487, "")})
		return
	}
	t.stop()
	t.tell(200, "OK", nil)
	by := BySystem
	if t.by != nil && t.by == c.caller {
		by = ByCaller
	} else if t.by != nil {
		by = ByCallee
	}
	c.released(by)
	c.meet(e.kin)
	c.unjoin(by)
	if t.moved == c.caller { // whose end is that of all others: who leaves does so by itself
		t.leave()
	}
	c.give(t.moved, e.to)
	e.answered = true
	t.leave()
}

func (e *declined) apply(c *Call) {
	c.awaiting--
	t := e.t
	if again := t.again; again != nil && !t.over && e.f.Code == 481 {
		t.again = nil
		again()
		return
	}
	t.failed(e.f)
}

// pickUp lets n answer in the place of a leg that rings.
func (c *Call) pickUp(ringing, n *Leg) {
	d := ringing.dialling
	if d == nil || d.over || ringing.state == legAnswered || ringing.state == legEnded {
		n.by = BySystem
		n.hangup(0)
		return
	}
	c.note(ringing.name(), "transfer", "picked up by "+n.name())
	d.remove(ringing)
	ringing.dialling, ringing.by = nil, BySystem
	ringing.cancel(completedElsewhere)
	n.dialling, n.target = d, ringing.target
	d.answered(n)
}

// replacing reads the Replaces of an INVITE; nil, nil where there is none.
func replacing(req *sip.Request) (*dialog.Replaces, *problem) {
	all := headersOf(req, "Replaces")
	if len(all) == 0 {
		return nil, nil
	}
	if len(all) > 1 || len(headersOf(req, "Join")) > 0 {
		return nil, refuse(400, "One Replaces Wanted") // RFC 3891 §3
	}
	r, err := dialog.ParseReplaces(all[0])
	if err != nil {
		return nil, refuse(400, "Bad Replaces")
	}
	return &r, nil
}

// takeOver serves a call whose INVITE came with Replaces: its caller takes the place of
// another leg, or the call ends with the reason why not.
func (s *Server) takeOver(r dialog.Replaces) handler {
	return func(ctx context.Context, c *Call) error {
		n, err := await[*Leg](ctx, c, nil, func(o *op) { c.wantPlace(o, r) })
		f := (*Failure)(nil)
		switch {
		case errors.As(err, &f):
			return c.Reject(ctx, f.Code, f.Reason, nil)
		case err != nil:
			return nil // it goes on in the other call, or has given up
		}
		_, err = c.Bridge(ctx, n, DialOptions{})
		return err
	}
}

func (c *Call) wantPlace(o *op, r dialog.Replaces) {
	c.taken.Store(true)
	// RFC 3891 §3: what cannot be accepted must leave the other dialog as it is.
	if _, f := c.caller.describe(); f != nil {
		c.finish(o, nil, f)
		return
	}
	leg := c.server.legOf(r.ID)
	if leg == nil {
		c.finish(o, nil, failure(481, ""))
		return
	}
	t := &transfer{moved: c.caller, place: func(n *Leg) { c.finish(o, n, nil) }}
	t.done = func(err error) {
		if err != nil {
			c.finish(o, nil, err)
		}
	}
	c.begin(t)
	c.note("a", "transfer", "INVITE with Replaces")
	t.ask(leg, r.EarlyOnly, c.identity)
}
