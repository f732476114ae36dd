package transport

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// spoofed is the i-th of many addresses that nobody has.
func spoofed(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1024+i%60_000))
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestSpoofedSourcesLeaveNothing: datagrams from 30,000 addresses are read and answered, and
// the layer is what it was before. It runs alone: it looks at the whole heap.
func TestSpoofedSourcesLeaveNothing(t *testing.T) {
	n := routedNetwork{NewMemory()}
	var seen atomic.Int64
	b := &answerer{on: func(m *Incoming) {
		defer seen.Add(1)
		req, ok := m.Msg.(*sip.Request)
		if !ok {
			return
		}
		_ = m.Flow.Advertised()
		f, err := m.Flow.link.layer().Response(req, m.Flow)
		if err != nil || f.Send(sip.NewResponseFromRequest(req, 401, "Unauthorized", nil)) != nil {
			t.Error("not answered")
		}
	}}
	l := serve(t, Options{Network: n}, b, "udp://0.0.0.0:5060")
	round := func(from, count int) {
		for i := from; i < from+count; i++ {
			for seen.Load() < int64(i-1000) { // the socket's buffer is bounded
				runtime.Gosched()
			}
			n.Send(spoofed(i), mustAddrPort("127.0.0.1:5060"), []byte(options(fmt.Sprintf("z9hG4bK%d", i))))
		}
		for end := time.Now().Add(30 * time.Second); seen.Load() < int64(from+count); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d of %d handled", seen.Load(), from+count)
			}
		}
	}
	round(0, 5_000) // caches fill, pools warm up
	before := heap()
	round(5_000, 30_000)
	after := heap()
	// A hundred bytes kept of each source would be 3 MB.
	t.Logf("heap %d KiB before, %d KiB after 30,000 sources", before>>10, after>>10)
	if after > before+2<<20 {
		t.Errorf("the heap grew by %d KiB", (after-before)>>10)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.conns)+len(l.aliases)+len(l.sources)+len(l.open)+len(l.dialled) != 0 || len(l.routes.by) > maxRoutes {
		t.Errorf("left: %d connections, %d routes", len(l.conns), len(l.routes.by))
	}
}

// answerer is a Handler that keeps nothing.
type answerer struct{ on func(*Incoming) }

func (a *answerer) HandleMessage(m *Incoming)        { a.on(m) }
func (a *answerer) HandleFlowClosed(_ Flow, _ error) {}
