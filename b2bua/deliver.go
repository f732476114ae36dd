package b2bua

import (
	"time"

	"tandem/clock"
)

// concerning is an event about one leg. Where the leg has moved to another call before the
// event was applied, it follows it there.
type concerning interface {
	event
	about() *Leg
}

func (e *request) about() *Leg        { return e.leg }
func (e *ackReceived) about() *Leg    { return e.leg }
func (e *ackMissing) about() *Leg     { return e.leg }
func (e *inviteResponse) about() *Leg { return e.leg }
func (e *inviteEnded) about() *Leg    { return e.leg }
func (e *resentAnswer) about() *Leg   { return e.leg }
func (e *mediaHappened) about() *Leg  { return e.leg }

// legDo is do for what concerns one leg.
type legDo struct {
	leg *Leg
	f   func(c *Call)
}

func (e *legDo) apply(c *Call) { e.f(c) }
func (e *legDo) about() *Leg   { return e.leg }

// deliver hands an event to the call that the leg belongs to; false when that has ended.
func (l *Leg) deliver(e concerning) bool { return l.deliverAs(e, false) == posted }

func (l *Leg) deliverAs(e concerning, network bool) admission {
	for {
		c := l.call()
		if a := c.box.add(e, network); a != gone || l.call() == c {
			return a
		}
	}
}

// post runs f on the goroutine of the call that the leg belongs to by then.
func (l *Leg) post(f func(c *Call)) bool { return l.deliver(&legDo{l, f}) }

// after is post, d from now.
func (l *Leg) after(d time.Duration, f func()) clock.Timer {
	return l.call().clock.AfterFunc(d, func() { l.post(func(*Call) { f() }) })
}

// forward sends an event after a leg that has moved.
func forward(e concerning) {
	if e.about().deliver(e) {
		return
	}
	if r, ok := e.(*request); ok {
		refuse(481, "").respond(r.tx, "")
	}
}

// inbound reports whether the far end has called us; its place in the call may be another
// after a transfer.
func (l *Leg) inbound() bool { return l.server != nil }
