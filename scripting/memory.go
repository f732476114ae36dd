package scripting

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

const (
	guardEvery = 5 * time.Millisecond
	// collectEvery bounds how often the guard makes the collector tell garbage from use.
	collectEvery = 250 * time.Millisecond
	// garbageFactor: with this many times the memory allowed allocated, the guard does not
	// wait for the collector to come by itself.
	garbageFactor = 4
)

// memoryGuard ends the script that makes the heap grow. gopher-lua cannot tell what a state
// holds; but a bomb runs without waiting, and few scripts do so for over 10 ms: while there
// are such, the guard looks at the whole heap, and lays growth at the longest-running one.
type memoryGuard struct {
	limit int64

	mu      sync.Mutex
	running map[*state]*watched
	awake   bool
}

// watched is a state that runs, and how much of the heap is not its doing: all of it when
// we began to watch, or less when the first collection since shows that much was garbage.
type watched struct {
	baseline int64
	cycles   uint64
	settled  bool // a collection has been since
}

// exceeds tells whether the heap has grown by more than limit, which only a collection shows.
func (w *watched) exceeds(now heap, limit int64) bool {
	if now.cycles == w.cycles {
		return now.objects-w.baseline > 2*garbageFactor*limit
	}
	if !w.settled {
		w.settled = true
		w.baseline = min(w.baseline, now.live)
	}
	w.cycles = now.cycles
	return now.live-w.baseline > limit
}

// heap is a reading of the process's memory.
type heap struct {
	objects int64 // bytes of objects, dead ones not yet collected included
	live    int64 // what the last collection found alive
	cycles  uint64
}

func newMemoryGuard(limit int64) *memoryGuard {
	return &memoryGuard{limit: limit, running: map[*state]*watched{}}
}

// watch looks after s until it waits or ends.
func (g *memoryGuard) watch(s *state) {
	now := readHeap(newSamples())
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running[s] = &watched{baseline: now.objects, cycles: now.cycles}
	if !g.awake {
		g.awake = true
		go g.loop()
	}
}

// forget stops looking after s.
func (g *memoryGuard) forget(s *state) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.running, s)
}

// loop runs while there is anything to watch.
func (g *memoryGuard) loop() {
	samples := newSamples()
	var collected time.Time
	var collecting atomic.Bool
	for {
		time.Sleep(guardEvery)
		worst, w := g.longest()
		if worst == nil {
			if g.sleep() {
				return
			}
			continue
		}
		now := readHeap(samples)
		if now.objects-w.baseline > garbageFactor*g.limit && now.cycles == w.cycles && time.Since(collected) > collectEvery && collecting.CompareAndSwap(false, true) {
			collected = time.Now()
			// Beside the loop: a collection waits for whoever copies a long string, which may have
			// grown many times by then.
			go func() {
				runtime.GC()
				collecting.Store(false)
			}()
		}
		if w.exceeds(now, g.limit) {
			worst.cancel(fmt.Errorf("the script used over %d MB of memory", g.limit>>20))
			g.forget(worst)
		}
	}
}

// sleep tells whether there is nothing left to watch; the next watch starts the loop anew.
func (g *memoryGuard) sleep() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.awake = len(g.running) > 0
	return !g.awake
}

// longest returns the state that has run the longest, dropping those that wait by now.
func (g *memoryGuard) longest() (*state, *watched) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var worst *state
	var most time.Duration
	for s := range g.running {
		ran := s.meter.runningFor()
		if ran < suspicious {
			delete(g.running, s)
			continue
		}
		if ran > most {
			worst, most = s, ran
		}
	}
	return worst, g.running[worst]
}

func newSamples() []metrics.Sample {
	return []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
}

func readHeap(samples []metrics.Sample) heap {
	metrics.Read(samples)
	return heap{
		objects: int64(samples[0].Value.Uint64()),
		live:    int64(samples[1].Value.Uint64()),
		cycles:  samples[2].Value.Uint64(),
	}
}
