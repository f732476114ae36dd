package b2bua

import (
	"errors"
	"strings"
	"time"

	"tandem/clock"
	"tandem/media"
)

// waiter is a caller in a queue. Its call's goroutine owns it; what the queue decides comes
// to it by post, and what becomes of that goes back to the queue (see queues).
type waiter struct {
	call  *Call
	queue *queue
	o     QueueOptions
	op    *op
	res   QueueResult
	since time.Time

	rings    map[*agent]*ring
	screened map[string]screening // by target
	answers  []*answer            // agents who have answered and wait for OnAnswer
	asked    *answer              // whom OnAnswer has now
	asking   bool                 // the goroutine that waits is at work for us
	tasks    []func()             // for it, next

	served bool // joined with an agent
	over   bool // has left
	late   bool // its time is over, while an agent is asked

	release func() // listens for keys no more
	limit   clock.Timer
	next    clock.Timer // announcement
	turn    int         // tells one thing that is played from those before it
	heard   time.Duration
	began   time.Time // the music, at heard

	seat *place // guarded by queues.mu
}

// ring is an agent being called.
type ring struct {
	op *op
	d  *dialling
}

// answer is an agent who has picked up.
type answer struct {
	agent *agent
	leg   *Leg
}

// screening is what Screen has said of a target.
type screening struct {
	refused *Failure
	longest time.Duration
}

var errNotWanted = errors.New("not wanted any more")

// begin takes a place in the line.
func (w *waiter) begin(name string, out *op) {
	c := w.call
	w.op, w.since = out, c.clock.Now()
	q := &c.server.queues
	l := c.first.now()
	err := l.ready()
	if err == nil && l.media == nil {
		err = ErrState
	}
	var no *departure
	if err == nil {
		no, err = q.enter(name, w)
	}
	switch {
	case err != nil:
		c.finish(out, nil, err)
		return
	case no != nil:
		c.finish(out, *no, nil)
		return
	}
	c.note("", "media", "waits in queue "+name)
	out.stop = w.stop
	out.heritable, out.inherit = true, func(n *Leg) { w.settle(n) }
	c.departs = func(to string) { w.leave(departure{"retrieved", ByCallee, to}) }
	if w.o.MaxWait > 0 {
		w.limit = c.after(w.o.MaxWait, w.tooLong)
	}
	if l.free(); !w.exit(l) {
		w.settle(l)
		if w.o.Announce != nil {
			w.announce()
		}
		q.kick()
	}
}

// exit leaves by a key that was pressed before.
func (w *waiter) exit(l *Leg) bool {
	if len(l.digits) == 0 || !w.exits(l.digits[0]) {
		return false
	}
	w.leave(departure{"exit", ByCaller, string(l.take())})
	return true
}

func (w *waiter) exits(d byte) bool { return strings.IndexByte(w.o.Exit, d) >= 0 }

// settle lets a leg, the caller's or its heir, wait.
func (w *waiter) settle(l *Leg) {
	l.free()
	w.release = l.listen(func(d byte) bool {
		if !w.exits(d) {
			return false
		}
		w.leave(departure{"exit", ByCaller, string(d)})
		return true
	})
	w.music()
}

// leave ends the wait; the script goes on.
func (w *waiter) leave(d departure) { w.call.finish(w.op, d, nil) }

// tooLong: the caller does not wait any longer, unless an agent is about to take the call.
func (w *waiter) tooLong() {
	if w.late = true; w.asked == nil && !w.served {
		w.leave(departure{"timeout", BySystem, ""})
	}
}

// stop gives the place back, whatever ended the wait; it runs once.
func (w *waiter) stop() {
	c := w.call
	w.over = true
	w.res.Wait = c.clock.Now().Sub(w.since)
	if c.gone() {
		w.res.By = c.leaver()
	}
	why := "hangup"
	if d, ok := w.op.value.(departure); ok {
		why = d.why
	} else if errors.Is(w.op.err, ErrMoved) {
		why = "moved"
	}
	w.rest()
	c.first.now().stopPlaying()
	w.res.Position = c.server.queues.leave(w, why)
	w.dismiss("")
	c.note("", "media", "left queue "+w.res.Queue+": "+why)
	c.server.queues.kick()
}

// rest ends what goes on while the caller waits.
func (w *waiter) rest() {
	w.turn++
	for _, t := range []clock.Timer{w.limit, w.next} {
		if t != nil {
			t.Stop()
		}
	}
	if w.release != nil {
		w.release()
	}
	w.call.departs = nil
}

// dismiss tells agents who ring, or have answered in vain, that they are not needed.
func (w *waiter) dismiss(reason string) {
	for _, r := range w.rings {
		live := r.d.live
		r.d.live = nil
		r.d.drop(reason, live...)
		w.call.finish(r.op, nil, errNotWanted)
	}
	for _, a := range w.answers {
		a.hangUp()
	}
	w.answers = nil
	if w.asked != nil && !w.served {
		w.asked.hangUp()
	}
}

func (a *answer) hangUp() {
	if a.leg.state != legEnded {
		a.leg.by = BySystem
		a.leg.hangup(0)
	}
}

// ask has the goroutine that waits for the op do something: one thing at a time, so that what
// is posted to it never blocks.
func (w *waiter) ask(f func()) {
	if w.asking {
		w.tasks = append(w.tasks, f)
		return
	}
	w.asking = true
	w.op.ask <- func() {
		defer w.call.box.post(do(func(*Call) { w.told() }))
		f()
	}
}

func (w *waiter) told() {
	w.asking = false
	if len(w.tasks) > 0 && !w.over {
		f := w.tasks[0]
		w.tasks = w.tasks[1:]
		w.ask(f)
	}
}

// music plays on from where it was, as far as that is known.
func (w *waiter) music() {
	l := w.call.first.now()
	w.turn++
	if len(w.o.Music) == 0 || l.media == nil {
		return
	}
	opts := media.PlayOptions{Loop: -1}
	if d, ends := media.Length(w.o.Music); ends && d > 0 {
		opts.Seek = w.heard % d
	}
	w.began = w.call.clock.Now()
	l.startPlayback(w.o.Music, opts, func(error) {})
}

// announce has the caller told the position, and goes on doing so.
func (w *waiter) announce() {
	c := w.call
	position, wait := c.server.queues.position(w)
	w.turn++
	mine := w.turn
	c.aside(func() {
		srcs := w.o.Announce(position, wait)
		c.box.post(do(func(*Call) {
			if w.turn == mine && !w.over && !w.served {
				w.tell(srcs)
			}
		}))
	})
	w.next = c.after(w.o.Every, func() {
		if !w.over && !w.served {
			w.announce()
		}
	})
}

// tell interrupts the music.
func (w *waiter) tell(srcs []media.Source) {
	l := w.call.first.now()
	if len(srcs) == 0 || l.media == nil {
		return
	}
	if !w.began.IsZero() {
		w.heard += w.call.clock.Now().Sub(w.began)
	}
	w.turn++
	mine := w.turn
	l.startPlaying(srcs, 0, func(error) {
		if w.turn == mine && !w.over && !w.served {
			w.music()
		}
	})
}
