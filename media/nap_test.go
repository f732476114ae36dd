//go:build linux

package media

import (
	"bytes"
	"testing"
	"time"
)

func TestNapsOnlyWhenItPays(t *testing.T) {
	t.Parallel()
	var p epollPoller
	at := time.Now()
	wait := func(d time.Duration, n int) bool {
		at = at.Add(d)
		p.pace(at, n)
		return p.napping
	}
	for range 100 {
		if wait(2*time.Millisecond, 5) {
			t.Fatal("naps though packets come slowly")
		}
	}
	for i := range napAfter {
		if wait(500*time.Microsecond, 1) != (i == napAfter-1) {
			t.Fatalf("after %d short waits: napping %v", i+1, p.napping)
		}
	}
	for range 100 {
		if !wait(napTime, napLeast) {
			t.Fatal("a nap that brings enough is the last")
		}
	}
	if wait(napTime, napLeast-1) {
		t.Error("naps on for next to nothing")
	}
}

// TestRelaysWhileNapping: what comes during a nap is relayed after it, in order, and commands
// are served; when next to nothing comes the worker waits for packets again.
func TestRelaysWhileNapping(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1, Backend: Epoll()})
	a, b := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
	pa, pb := newPeer(t), newPeer(t)
	pa.call(a, "0")
	pb.call(b, "0")
	if err := Bridge(a, b); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		a.do(func(m *stream) { m.worker.poll.(*epollPoller).napping = true })
		for k := range 10 {
			pa.send(sound(i + k))
		}
		for k := range 10 {
			if got := pb.next(); !bytes.Equal(got.payload, sound(i+k)) {
				t.Fatalf("packet %d of round %d is another", k, i)
			}
		}
	}
}
