package media

import (
	"math/bits"
	"time"
)

// wheelSlots is how many milliseconds one turn of the wheel takes, a power of two.
const wheelSlots = 1024

// timer is one deadline of a stream. It is part of the stream, so setting it does not
// allocate.
type timer struct {
	stream     *stream
	run        func(*stream)
	at         int64 // ms since the wheel's epoch
	next, prev *timer
}

func (t *timer) armed() bool { return t.next != nil }

// wheel keeps a worker's timers in slots of 1 ms. A timer further away than one turn stays
// in its slot until its turn comes. Not safe for concurrent use.
type wheel struct {
	epoch time.Time
	tick  int64             // the last slot that has been run
	slots [wheelSlots]timer // heads of circular lists
	used  [wheelSlots / 64]uint64
	fires timer // head of the list being run
}

func newWheel(epoch time.Time) *wheel {
	w := &wheel{epoch: epoch}
	for i := range w.slots {
		w.slots[i].next, w.slots[i].prev = &w.slots[i], &w.slots[i]
	}
	w.fires.next, w.fires.prev = &w.fires, &w.fires
	return w
}

// set makes t run at the first millisecond that is not before at; it replaces an earlier
// setting. What has passed already runs at the next advance.
func (w *wheel) set(t *timer, at time.Time) {
	w.clear(t)
	d := at.Sub(w.epoch)
	t.at = max(int64((d+time.Millisecond-1)/time.Millisecond), w.tick+1)
	w.insert(t)
}

// resume takes over a timer from another wheel of the same epoch.
func (w *wheel) resume(t *timer) {
	w.clear(t)
	t.at = max(t.at, w.tick+1)
	w.insert(t)
}

func (w *wheel) insert(t *timer) {
	slot := t.at % wheelSlots
	w.slots[slot].push(t)
	w.used[slot/64] |= 1 << (slot % 64)
}

func (head *timer) push(t *timer) {
	t.prev, t.next = head.prev, head
	head.prev.next = t
	head.prev = t
}

// clear takes t out; nothing happens if it is not set.
func (w *wheel) clear(t *timer) {
	if t.next != nil {
		t.prev.next, t.next.prev = t.next, t.prev
		t.next, t.prev = nil, nil
	}
}

// next is when the worker must look again, the zero time if no timer is set. It may be too
// early, for a timer of a later turn, but never too late.
func (w *wheel) next() time.Time {
	from := (w.tick + 1) % wheelSlots
	for i := range int64(len(w.used) + 1) {
		word := (from/64 + i) % int64(len(w.used))
		set := w.used[word]
		switch i {
		case 0:
			set &= ^uint64(0) << (from % 64)
		case int64(len(w.used)):
			set &= 1<<(from%64) - 1
		}
		for ; set != 0; set &= set - 1 {
			slot := word*64 + int64(bits.TrailingZeros64(set))
			if w.slots[slot].next == &w.slots[slot] {
				w.used[word] &^= 1 << (slot % 64)
				continue
			}
			away := (slot - from + wheelSlots) % wheelSlots
			return w.epoch.Add(time.Duration(w.tick+1+away) * time.Millisecond)
		}
	}
	return time.Time{}
}

// advance runs all timers that are due at now, the earlier slots first.
func (w *wheel) advance(now time.Time, run func(*timer)) {
	to := int64(now.Sub(w.epoch) / time.Millisecond)
	if to <= w.tick {
		return
	}
	from := max(w.tick+1, to-wheelSlots+1)
	for tick := from; tick <= to; tick++ {
		slot := tick % wheelSlots
		if w.used[slot/64] == 0 { // the rest of this word is empty too
			tick += 63 - slot%64
			continue
		}
		if w.used[slot/64]>>(slot%64)&1 == 1 {
			w.used[slot/64] &^= 1 << (slot % 64)
			w.collect(slot, to)
		}
	}
	w.tick = to
	for w.fires.next != &w.fires {
		t := w.fires.next
		w.clear(t)
		run(t)
	}
}

// collect moves the slot's timers that are due to the list to be run.
func (w *wheel) collect(slot, to int64) {
	head := &w.slots[slot]
	last := head.prev // what stays is put behind it
	for t := head.next; t != head; {
		following, end := t.next, t == last
		w.clear(t)
		if t.at <= to {
			w.fires.push(t)
		} else {
			w.insert(t)
		}
		if end {
			return
		}
		t = following
	}
}
