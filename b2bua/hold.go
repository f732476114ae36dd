package b2bua

import (
	"context"

	"tandem/media"
	"tandem/media/sdp"
)

// SetHoldMusic chooses what the other side hears while one is on hold; with nil, the hold
// is passed on to it.
func (c *Call) SetHoldMusic(ctx context.Context, srcs []media.Source) error {
	return c.command(ctx, func(o *op) {
		c.holdMusic = srcs
		c.finish(o, nil, nil)
	})
}

// directionChanged looks at what the last offer and answer of the leg say about who may
// send, and carries a hold or its end over to the other leg.
func (l *Leg) directionChanged() {
	if l.media == nil {
		return
	}
	c := l.call()
	held := l.media.Held()
	if held == l.held {
		return
	}
	l.held = held
	what, kind := "resumed", "resume"
	if held {
		what, kind = "on hold", "hold"
	}
	c.happened(Happening{Kind: kind, Leg: l})
	c.note(l.name(), "sip", what)
	other := c.partner(l)
	switch {
	case other == nil:
	case held && len(c.holdMusic) > 0:
		other.startPlaying(c.holdMusic, -1, func(error) {})
		other.heldMusic = true
	case other.heldMusic:
		other.heldMusic = false
		other.stopPlaying()
	default:
		other.carry(l.media.Direction())
	}
}

// carry lets the leg know which way the other one may still send.
func (l *Leg) carry(partner sdp.Direction) {
	l.carried = partner.Reverse()
	l.media.SetDirection(l.carried)
	l.reoffer(nil)
}

// settleHold gives a leg that is newly connected what its partner's hold demands.
func (c *Call) settleHold(l, partner *Leg) {
	want := sdp.SendRecv
	if partner.held && len(c.holdMusic) > 0 {
		l.startPlaying(c.holdMusic, -1, func(error) {})
		l.heldMusic = true
	} else if partner.held {
		want = partner.media.Direction()
	}
	if l.carried != want.Reverse() {
		l.carry(want)
	}
}

// partner is the leg that l is joined with, if any.
func (c *Call) partner(l *Leg) *Leg {
	switch {
	case c.joined == nil:
		return nil
	case l == c.joined.leg:
		return c.caller
	case l == c.caller:
		return c.joined.leg
	}
	return nil
}
