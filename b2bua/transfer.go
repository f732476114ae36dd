package b2bua

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tandem/b2bua/auth"
	"tandem/media"
	"tandem/media/sdp"
)

// farewellTime is how long a party whose transfer is done may take to say BYE itself.
const farewellTime = 2 * time.Second

// transfer is one attempt to connect a leg of the call with somebody else. Until that
// somebody is there, the leg that leaves may do so, and nobody else is hung up for it.
type transfer struct {
	c     *Call
	by    *Leg         // whose place the new party takes; nil: nobody's
	moved *Leg         // who is connected with the new party
	sub   *referral    // tells the one who asked how it goes; may be nil
	done  func(error)  // tells an operator; may be nil
	place func(n *Leg) // gives the new party its place; nil: by's
	again func()       // another way, where the other call will not have it; may be nil

	dial     *op
	ringing  *media.Playback
	early    *Leg // whose early media the moved party hears
	parted   bool // the moved party does not hear by any more
	deadline time.Time
	over     bool
}

// Transfer connects the party of a leg, "a" or "b", with target and hangs the other one up.
// It returns when the new party has answered: until then, and if it does not (a *Failure),
// all stays as it is. ErrState: that leg is not up, or a transfer is under way.
func (c *Call) Transfer(ctx context.Context, target, leg string) error {
	groups, err := c.prepare([]string{target}, DialOptions{})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTarget, err)
	}
	if leg != "a" && leg != "b" {
		return fmt.Errorf("%w: leg %q is neither a nor b", ErrTarget, leg)
	}
	return c.command(ctx, func(o *op) {
		o.lasts = true
		t := &transfer{moved: c.caller, done: func(err error) { c.finish(o, nil, err) }}
		if c.joined != nil {
			t.by = c.joined.leg
		}
		if leg == "b" {
			t.moved, t.by = t.by, c.caller
		}
		if c.transfer != nil || t.moved == nil || t.moved.state != legAnswered {
			c.finish(o, nil, ErrState)
			return
		}
		c.begin(t)
		c.note(t.moved.name(), "transfer", "an operator transfers it to "+target)
		t.call(groups, nil, c.identity)
	})
}

// ErrTarget says that a transfer or an origination names no target or leg that there could be.
var ErrTarget = errors.New("cannot be dialled")

// begin makes t the transfer under way. While it lasts the bridge does not end with by.
func (c *Call) begin(t *transfer) {
	t.c, c.transfer = c, t
	j := c.joined
	if j == nil {
		return
	}
	if j.max > 0 {
		t.deadline = j.since.Add(j.max)
	}
	if j.leg == t.by {
		j.op.leg = nil
	}
}

// transferring reports whether a leg belongs to a transfer, which then decides about it.
func (c *Call) transferring(l *Leg) bool {
	t := c.transfer
	return t != nil && (l == t.moved || t.dial != nil && l.dialling != nil && l.dialling.o == t.dial)
}

// call rings the new party.
func (t *transfer) call(groups [][]branch, h Headers, as auth.Identity) {
	c := t.c
	t.part()
	opts := DialOptions{Headers: h}
	if t.moved != c.caller {
		opts.From = t.moved.address().User
	}
	before := c.lastFailure
	t.dial = c.background(func(v any, err error) {
		c.lastFailure = before
		f := failure(500, "")
		if l, ok := v.(*Leg); ok && !t.over {
			t.complete(l)
		} else if !t.over {
			errors.As(err, &f)
			t.failed(f)
		}
	})
	c.startDialling(&dialling{c: c, o: t.dial, opts: opts, waiting: groups, as: &as, onProgress: t.progress})
}

// part frees the moved party of the one it talked to, and of its hold.
func (t *transfer) part() {
	p, by := t.moved, t.by
	if by == nil {
		return
	}
	t.parted = true
	p.free()
	if p.media != nil && by.media != nil {
		media.Unbridge(p.media, by.media)
		t.c.leaveSupervisor(by)
	}
	if p.carried != sdp.SendRecv {
		p.carry(sdp.SendRecv)
	}
}

// free stops what a leg hears, and brings its media back to us.
func (l *Leg) free() {
	l.stopPlaying()
	l.heldMusic = false
	if err := l.reclaim(); err != nil {
		l.call().log.Error("media not taken back", "leg", l.name(), "err", err)
	}
}

// progress lets the moved party hear the new one ring.
func (t *transfer) progress(l *Leg, code int, hasMedia bool) {
	t.sub.tell(code, Phrase(code))
	p := t.moved
	if !t.parted || p.media == nil || p.state != legAnswered {
		return
	}
	if t.early != nil && t.early.state == legEnded {
		t.early = nil
	}
	switch {
	case t.early != nil:
	case hasMedia:
		t.stopRinging()
		t.early = l
		if err := media.Bridge(p.media, l.media); err != nil {
			t.c.log.Error("early media not joined", "err", err)
		}
	case t.ringing == nil && code >= 180:
		if tone, err := media.ParseTone("ring"); err == nil {
			t.ringing = p.media.Play([]media.Source{tone}, media.PlayOptions{Loop: -1})
		}
	}
}

func (t *transfer) stopRinging() {
	if t.ringing != nil {
		t.ringing.Stop()
		t.ringing = nil
	}
}

// stop ends the attempt, whatever came of it.
func (t *transfer) stop() {
	c := t.c
	t.over = true
	if c.transfer == t {
		c.transfer = nil
	}
	t.stopRinging()
	if t.dial != nil {
		c.finish(t.dial, nil, nil)
	}
	if j := c.joined; j != nil && j.leg == t.by {
		j.op.leg = t.by
	}
}

// tell reports the end to the one who asked for the transfer.
func (t *transfer) tell(code int, reason string, err error) {
	t.sub.final(code, reason)
	if t.done != nil {
		t.done(err)
	}
}

// complete gives the new party its place. It has answered, and belongs to the call.
func (t *transfer) complete(n *Leg) {
	c, p := t.c, t.moved
	if t.over {
		c.take(n)
		n.by = BySystem
		n.hangup(0)
		return
	}
	t.stop()
	if t.place == nil {
		c.note("", "transfer", p.name()+" is connected with "+n.address().URI)
	}
	j := c.joined
	t.tell(200, "OK", nil)
	switch {
	case t.place != nil:
		c.take(n)
		t.place(n)
	case j != nil && j.leg == t.by && p == c.caller:
		c.take(n)
		j.leg, j.op.leg = n, n
		c.connect(p, n)
		c.seatAll()
	default:
		t.branchOff(n)
	}
	t.leave()
}

// branchOff lets the two go on in a call of their own: this one's caller leaves, or is moved.
func (t *transfer) branchOff(n *Leg) {
	c := t.c
	by := ByCaller
	if t.moved == c.caller {
		by = BySystem
	}
	var limit time.Duration
	if !t.deadline.IsZero() {
		limit = max(t.deadline.Sub(c.clock.Now()), time.Millisecond)
	}
	c.released(by)
	c.unjoin(by)
	c.goOn(t.moved, n, limit)
}

// unjoin ends the bridge while its legs go on elsewhere.
func (c *Call) unjoin(by Side) {
	j := c.joined
	if j == nil {
		return
	}
	c.joined = nil
	if j.timer != nil {
		j.timer.Stop()
	}
	j.op.stop = nil
	c.finish(j.op, c.talked(j, by), nil)
}

// leave ends the leg of the one whose place has been taken. A phone that asked for the
// transfer is told that it is done, and says BYE itself (RFC 5589 §6.1) or gets ours.
func (t *transfer) leave() {
	l := t.by
	if l == nil || l.state == legEnded {
		return
	}
	c := l.call()
	l.by = ByCallee
	if l == c.caller {
		l.by = ByCaller
		c.released(ByCaller)
	}
	if t.sub == nil || l.state != legAnswered {
		l.hangup(0)
		return
	}
	l.leaving = l.after(farewellTime, func() {
		if l.leaving == nil {
			return
		}
		l.leaving = nil
		if l.unacked {
			l.byeLater = 0
			return
		}
		l.sendBye(0)
	})
	l.ended(200, "OK")
}

// failed leaves the two as they were, if the one who asked is still there.
func (t *transfer) failed(f *Failure) {
	if t.over {
		return
	}
	t.stop()
	c, p, by := t.c, t.moved, t.by
	c.note("", "transfer", "failed: "+f.Error())
	t.tell(f.Code, f.Reason, f)
	switch {
	case by == nil || p.state == legEnded:
	case by.state == legAnswered && t.parted:
		c.connect(p, by)
	case by.state == legAnswered:
	case c.joined != nil && c.joined.leg == by:
		c.finish(c.joined.op, c.talked(c.joined, by.by), nil)
	case c.gone():
		p.by = BySystem
		p.hangup(0)
	}
}

// left: a leg of the call has ended. Without the moved party there is nothing to do.
func (t *transfer) left(l *Leg) {
	if l != t.moved {
		return
	}
	t.stop()
	t.c.note("", "transfer", "failed: "+l.name()+" has left")
	t.tell(487, Phrase(487), ErrHangup)
}

// identity is who a call to ourselves made by this attempt comes from.
func (d *dialling) identity() auth.Identity {
	if d.as != nil {
		return *d.as
	}
	return d.c.answerable()
}

// party is who the far end of the leg is, as far as we know.
func (l *Leg) party() auth.Identity {
	if l.inbound() {
		return l.identity
	}
	if l.trunk != nil {
		return auth.Identity{Trunk: l.trunk.Name()}
	}
	s := l.call().server
	id := auth.Identity{Trusted: !l.flow.IsLoop() && s.acl.Load().Decide(l.flow.Remote().Addr()) == auth.Trusted}
	if user, ok := strings.CutPrefix(l.branch.target, "user:"); ok {
		id.User = user
	}
	return id
}
