package media

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestWheelRunsEachTimerOnceInItsTime(t *testing.T) {
	t.Parallel()
	epoch := time.Now()
	w := newWheel(epoch)
	r := rand.New(rand.NewPCG(1, 2))
	due := map[*timer]time.Duration{}
	for range 2000 {
		tm := &timer{}
		due[tm] = time.Duration(r.Int64N(int64(5 * time.Second))) // nearly five turns
		w.set(tm, epoch.Add(due[tm]))
	}
	for tm := range due {
		if r.IntN(4) == 0 {
			w.clear(tm)
			delete(due, tm)
		}
	}
	for now := epoch; len(due) > 0; {
		next := w.next()
		if next.IsZero() {
			t.Fatalf("no next deadline with %d timers left", len(due))
		}
		if !next.After(now) {
			t.Fatalf("next deadline %v is not after %v", next.Sub(epoch), now.Sub(epoch))
		}
		now = next
		if r.IntN(10) == 0 { // the worker was busy
			now = now.Add(time.Duration(r.Int64N(int64(1500 * time.Millisecond))))
		}
		w.advance(now, func(tm *timer) {
			at, ok := due[tm]
			if !ok {
				t.Fatal("a timer ran twice, or after it was cleared")
			}
			if epoch.Add(at).After(now) {
				t.Fatalf("a timer of %v ran at %v", at, now.Sub(epoch))
			}
			delete(due, tm)
		})
		for _, at := range due {
			if late := now.Sub(epoch) - at; late > time.Millisecond {
				t.Fatalf("at %v a timer of %v has not run", now.Sub(epoch), at)
			}
		}
	}
	if next := w.next(); !next.IsZero() {
		t.Errorf("next deadline %v of an empty wheel", next.Sub(epoch))
	}
}

func TestWheelTimersMayChangeEachOther(t *testing.T) {
	t.Parallel()
	epoch := time.Now()
	w := newWheel(epoch)
	var a, b, c timer
	at := func(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }
	for _, tm := range []*timer{&a, &b, &c} {
		w.set(tm, at(3))
	}
	var ran []*timer
	w.advance(at(3), func(tm *timer) {
		ran = append(ran, tm)
		switch tm {
		case &a:
			w.clear(&b)
			w.set(&a, at(1)) // has passed: the next advance
		}
	})
	w.advance(at(4), func(tm *timer) { ran = append(ran, tm) })
	if want := []*timer{&a, &c, &a}; !slices.Equal(ran, want) {
		t.Errorf("%d timers ran, want a, c, a", len(ran))
	}
}
