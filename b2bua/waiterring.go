package b2bua

import (
	"slices"
)

// keptLegs is how many legs of a caller who waits are kept for the record: agents may be rung
// in vain for hours.
const keptLegs = 64

// offer is the queue's word that an agent is this caller's to ring.
func (w *waiter) offer(a *agent) {
	c := w.call
	q := &c.server.queues
	if w.over || w.served {
		q.dropped(w, a)
		return
	}
	verdict, known := w.screened[a.target]
	switch {
	case w.o.Screen != nil && !known:
		w.ask(func() {
			var v screening
			v.refused, v.longest = w.o.Screen(a.target)
			c.box.post(do(func(*Call) {
				w.screened[a.target] = v
				w.offer(a)
			}))
		})
	case verdict.refused != nil:
		c.note("", "sip", "agent "+a.target+" is not for this caller: "+verdict.refused.Error())
		q.refused(w, a)
	default:
		w.ring(a)
	}
}

// ring calls an agent.
func (w *waiter) ring(a *agent) {
	c := w.call
	q := &c.server.queues
	opts := w.o.Dial
	opts.Timeout, opts.OnAnswer = w.o.Ring, nil
	groups, err := c.prepare([]string{a.target}, opts)
	if err != nil {
		q.missed(w, a)
		return
	}
	w.forgetLegs()
	before := c.lastFailure
	r := &ring{}
	r.op = c.background(func(v any, err error) {
		c.lastFailure = before
		delete(w.rings, a)
		l, ok := v.(*Leg)
		switch {
		case ok && l.state == legAnswered:
			l.work = &work{q, a, w}
			w.answered(&answer{a, l})
		case ok || err != errNotWanted && !w.over:
			q.missed(w, a)
		default:
			q.dropped(w, a)
		}
	})
	r.d = &dialling{c: c, o: r.op, opts: opts, waiting: groups}
	w.rings[a] = r
	c.startDialling(r.d)
}

// forgetLegs leaves out of the record the oldest legs that nobody answered.
func (w *waiter) forgetLegs() {
	c := w.call
	if len(c.legs) < keptLegs {
		return
	}
	last := len(c.legs) - 1 // whose number is the highest
	for i := 1; i < last; i++ {
		if l := c.legs[i]; l.released && l.rec.answered.IsZero() {
			c.legs = slices.Delete(c.legs, i, i+1)
			return
		}
	}
}

// answered: the first agent who does has the caller, or is asked first.
func (w *waiter) answered(x *answer) {
	if w.over || w.served {
		x.hangUp()
		return
	}
	w.answers = append(w.answers, x)
	w.askNext()
}

// askNext lets OnAnswer have the next agent, while the caller goes on waiting.
func (w *waiter) askNext() {
	if w.asked != nil || w.over || len(w.answers) == 0 {
		return
	}
	x := w.answers[0]
	w.answers = w.answers[1:]
	if x.leg.state != legAnswered {
		w.askNext()
		return
	}
	if w.o.Dial.OnAnswer == nil {
		w.join(x)
		return
	}
	w.asked = x
	w.ask(func() {
		accepted := w.o.Dial.OnAnswer(x.leg)
		w.call.box.post(do(func(*Call) { w.decided(x, accepted) }))
	})
}

// decided is what OnAnswer has said.
func (w *waiter) decided(x *answer, accepted bool) {
	if w.over || w.asked != x {
		return
	}
	w.asked = nil
	if accepted && x.leg.state == legAnswered {
		w.join(x)
		return
	}
	x.leg.by = ByScript
	x.leg.hangup(0)
	if w.late && len(w.answers) == 0 {
		w.leave(departure{"timeout", BySystem, ""})
		return
	}
	w.askNext()
}

// join connects the caller with the agent; the talk ends the op.
func (w *waiter) join(x *answer) {
	c := w.call
	w.served = true
	w.res.Agent = x.agent.target
	w.res.Wait = c.clock.Now().Sub(w.since)
	w.rest()
	w.res.Position = c.server.queues.talks(w, x.agent)
	w.dismiss(completedElsewhere)
	opts := w.o.Dial
	if d := w.screened[x.agent.target].longest; d > 0 && (opts.Max == 0 || d < opts.Max) {
		opts.Max = d
	}
	w.op.heritable, w.op.inherit, w.op.stop = false, nil, nil
	c.join(w.op, x.leg, opts)
	c.server.queues.kick()
}

// work is an agent's call for a queue, as long as the leg lasts: in whatever call.
type work struct {
	queues *queues
	agent  *agent
	w      *waiter
}

// over: the leg has ended; by is who ended it.
func (k *work) over(by Side) { k.queues.finished(k.w, k.agent, by) }
