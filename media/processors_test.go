package media

import (
	"runtime"
	"testing"
	"time"
)

// A worker that blocks a processor of its own must not keep the collector, other goroutines
// or its own commands waiting. Not parallel: GOMAXPROCS is the process's.
func TestOwnProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	e, err := New(Options{Workers: 2, OwnProcessors: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := runtime.GOMAXPROCS(0); got != before+2 {
		t.Errorf("GOMAXPROCS is %d with two workers, before %d", got, before)
	}
	a, b := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
	pa, pb := newPeer(t), newPeer(t)
	pa.call(a, "0")
	pb.call(b, "0")
	if err := Bridge(a, b); err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		pa.send(sound(n))
		if got := pb.next(); got.payload[0] != sound(n)[0] {
			t.Fatalf("packet %d came as %d", n, got.payload[0])
		}
		begin := time.Now()
		if n%5 == 0 {
			runtime.GC()
		}
		a.Stats() // a command, answered while the worker blocks
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("the collector and a command took %v", d)
		}
		if n%10 == 9 {
			time.Sleep(20 * time.Millisecond) // lets the worker park
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("GOMAXPROCS is %d after Close, before %d", got, before)
	}
}
