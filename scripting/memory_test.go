package scripting

import (
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// peakHeap watches the heap while f runs and returns by how much it grew at most.
func peakHeap(f func()) int64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	base := int64(sample[0].Value.Uint64())
	var peak atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				metrics.Read(s)
				peak.Store(max(peak.Load(), int64(s[0].Value.Uint64())-base))
			}
		}
	})
	f()
	close(stop)
	wg.Wait()
	return peak.Load()
}

// Scripts that eat memory are ended; good ones beside them are not, and neither is one that
// makes much garbage but keeps little. Not parallel: it goes by the whole process's heap.
func TestMemoryBombs(t *testing.T) {
	e := emptyEngine(t, func(o *Options) { o.Memory = 32 << 20; o.CallCPU = 20 * time.Second })
	bombs := map[string]string{
		"array":    "local t = {} while true do t[#t + 1] = { 1 } end",
		"strings":  "local t, i = {}, 0 while true do i = i + 1 t['k' .. i] = ('x'):rep(1000) end",
		"doubling": "local s = 'x' while true do s = s .. s end",
		"sparse":   "local t = {} while true do local u = {} u[1000000] = 1 t[#t + 1] = u end",
		"huge key": "local t = {} local i = 0 while true do i = i + 1 t[60000000 + i] = i end",
		"closures": "local f while true do local g = f f = function() return g end end",
		"threads":  "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
		"pcall":    "local t = {} while true do pcall(function() while true do t[#t + 1] = ('x'):rep(1e5) end end) end",
	}
	for name, text := range bombs {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			peak := peakHeap(func() {
				_, err := eval(t, e, text)
				if err == nil || !strings.Contains(err.Message, "of memory") {
					t.Errorf("got %v; want an error about memory", err)
				}
			})
			took := time.Since(began)
			t.Logf("ended after %v, heap grew by %d MB at most", took, peak>>20)
			if took > tooLong || peak > 600<<20 {
				t.Errorf("took %v, heap grew by %d MB", took, peak>>20)
			}
		})
	}
	t.Run("garbage only", func(t *testing.T) {
		got, err := eval(t, e, "local n = 0 for i = 1, 300000 do local s = ('x'):rep(3000) n = n + #s end return n")
		if err != nil || got != "900000000" {
			t.Errorf("got %s, %v", got, err)
		}
	})
}

func TestGoodBesideBad(t *testing.T) {
	e := emptyEngine(t, func(o *Options) { o.Memory = 32 << 20; o.CallCPU = 3 * time.Second })
	var wg sync.WaitGroup
	bad := make(chan *ScriptError, 2)
	wg.Go(func() { _, err := eval(t, e, "local t = {} while true do t[#t + 1] = ('x'):rep(1000) end"); bad <- err })
	wg.Go(func() { _, err := eval(t, e, "while true do end"); bad <- err })
	for range 50 {
		wg.Go(func() {
			for range 20 {
				got, err := eval(t, e, "local t = {} for i = 1, 100 do t[i] = i end return #t")
				if err != nil || got != "100" {
					t.Errorf("a good script got %s, %v", got, err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	for range 2 {
		if err := <-bad; err == nil {
			t.Error("a bad script came to its end")
		}
	}
}
