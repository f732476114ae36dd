package registrar

import (
	"math/rand/v2"
	"time"

	"tandem/clock"
)

// tick is how often the wheel turns by one slot.
const tick = 250 * time.Millisecond

// wheel spreads the contacts behind NATs over the time between two pings, so that a hundred
// thousand of them are a few hundred at a time. Its lock is the registrar's.
type wheel struct {
	slots [][]*binding
	at    int
	count int
	timer clock.Timer
}

func (w *wheel) init(every time.Duration) {
	if every > 0 {
		w.slots = make([][]*binding, max(1, int(every/tick)))
	}
}

func (w *wheel) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// add gives b a slot at random, a full turn away at most.
func (w *wheel) add(b *binding) {
	if len(w.slots) == 0 {
		return
	}
	b.slot = rand.IntN(len(w.slots))
	b.spot = len(w.slots[b.slot])
	w.slots[b.slot] = append(w.slots[b.slot], b)
	w.count++
}

func (w *wheel) remove(b *binding) {
	if b.slot < 0 {
		return
	}
	list := w.slots[b.slot]
	last := list[len(list)-1]
	list[b.spot], last.spot = last, b.spot
	list[len(list)-1] = nil
	w.slots[b.slot] = list[:len(list)-1]
	b.slot = -1
	w.count--
}

// spin starts the wheel if it stands; mu is held.
func (r *Registrar) spin() {
	if r.wheel.count == 0 || r.closed || r.wheel.timer != nil {
		return
	}
	r.wheel.timer = r.o.Clock.AfterFunc(tick, r.turn)
}

// turn pings the contacts of the next slot.
func (r *Registrar) turn() {
	r.mu.Lock()
	w, now := &r.wheel, r.o.Clock.Now()
	w.at = (w.at + 1) % len(w.slots)
	due := make([]Contact, 0, len(w.slots[w.at]))
	for _, b := range w.slots[w.at] {
		if now.Before(b.Expires) {
			due = append(due, b.Contact)
		}
	}
	r.mu.Unlock()
	for _, c := range due {
		r.o.Ping(c)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.count == 0 || r.closed {
		w.timer = nil
		return
	}
	w.timer.Reset(tick)
}
