package transaction_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// wire is a layer on a memory network whose peer takes everything and says nothing.
func wire(b *testing.B, h transaction.Handler) (*transaction.Layer, transport.Flow) {
	b.Helper()
	tl, err := transport.New(transport.Options{Network: transport.NewMemory(), Log: quiet(), Listen: []transport.Endpoint{endpoint(b, "udp://127.0.0.1:5060")}})
	if err != nil {
		b.Fatal(err)
	}
	l := transaction.New(transaction.Options{Transport: tl, Handler: h, Log: quiet()})
	tl.Serve(l)
	b.Cleanup(func() { tl.Close() })
	f, err := tl.Connect(b.Context(), transport.Target{Proto: transport.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:5070")})
	if err != nil {
		b.Fatal(err)
	}
	return l, f
}

type answering struct{ code int }

func (a answering) HandleRequest(s *transaction.Server) {
	_ = s.Respond(transaction.NewResponse(s.Request(), a.code, "OK", "we"))
}
func (answering) HandleAck(*sip.Request, transport.Flow)            {}
func (answering) HandleStray(*sip.Response, transport.Flow)         {}
func (answering) HandleBad(*transport.Incoming)                     {}
func (answering) HandleFlowClosed(transport.Flow, error)            {}
func (answering) HandleResponse(*transaction.Client, *sip.Response) {}
func (answering) HandleEnd(*transaction.Client, error)              {}

// BenchmarkServer is a request answered: CPU, and the memory that stays until timer J.
func BenchmarkServer(b *testing.B) {
	for _, method := range []string{"OPTIONS", "INVITE"} {
		b.Run(method, func(b *testing.B) {
			l, f := wire(b, answering{200})
			text := theirs(method, "z9hG4bKbranch")
			before := heap()
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				msg, err := sip.ParseMessage([]byte(strings.NewReplacer("bKbranch", fmt.Sprintf("bK%d", i), "their-call", fmt.Sprint(i)).Replace(text)))
				if err != nil {
					b.Fatal(err)
				}
				l.HandleMessage(&transport.Incoming{Msg: msg, Flow: f})
			}
			b.StopTimer()
			servers, _ := l.Counts()
			b.ReportMetric(float64(heap()-before)/float64(max(servers, 1)), "B/kept")
		})
	}
}

// BenchmarkClient is a request sent and answered.
func BenchmarkClient(b *testing.B) {
	l, f := wire(b, answering{})
	before := heap()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		tx, err := l.Send(f, ourRequest(sip.OPTIONS), answering{})
		if err != nil {
			b.Fatal(err)
		}
		l.HandleMessage(&transport.Incoming{Msg: transaction.NewResponse(tx.Request(), 200, "OK", "x"), Flow: f})
	}
	b.StopTimer()
	_, clients := l.Counts()
	b.ReportMetric(float64(heap()-before)/float64(max(clients, 1)), "B/kept")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkTimer is what a transaction's timer costs with 200,000 others pending, most of them
// being stopped or moved before they fire: the alternative would be a wheel of our own.
func BenchmarkTimer(b *testing.B) {
	pending := make([]*time.Timer, 200_000)
	before := heap()
	for i := range pending {
		pending[i] = time.AfterFunc(time.Hour+time.Duration(i)*time.Millisecond, func() {})
	}
	perTimer := float64(heap()-before) / float64(len(pending))
	defer func() {
		for _, t := range pending {
			t.Stop()
		}
	}()
	b.Run("make and stop", func(b *testing.B) {
		b.ReportMetric(perTimer, "B/timer")
		for b.Loop() {
			time.AfterFunc(32*time.Second, func() {}).Stop()
		}
	})
	b.Run("reset", func(b *testing.B) {
		t := time.AfterFunc(time.Hour, func() {})
		defer t.Stop()
		i := 0
		for b.Loop() {
			i++
			t.Reset(time.Duration(500+i%1000) * time.Millisecond)
		}
	})
}

func BenchmarkTimersFiring(b *testing.B) {
	done := make(chan struct{}, 1024)
	b.ReportAllocs()
	for i := range b.N {
		time.AfterFunc(time.Duration(i%1000)*time.Microsecond, func() { done <- struct{}{} })
		if i >= 512 {
			<-done
		}
	}
}

// BenchmarkExchange is an OPTIONS and its answer between two stacks over real UDP, 32 at once.
func BenchmarkExchange(b *testing.B) {
	stack := func(h transaction.Handler) (*transport.Layer, *transaction.Layer) {
		tl, err := transport.New(transport.Options{Log: quiet(), Listen: []transport.Endpoint{endpoint(b, "udp://127.0.0.1:0")}})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { tl.Close() })
		l := transaction.New(transaction.Options{Transport: tl, Handler: h, Log: quiet()})
		tl.Serve(l)
		return tl, l
	}
	far, _ := stack(answering{200})
	near, l := stack(answering{})
	f, err := near.Connect(b.Context(), transport.Target{Proto: transport.UDP, Addr: far.Endpoints()[0].Addr})
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 32)
	b.ReportAllocs()
	b.ResetTimer()
	sent := 0
	for got := 0; got < b.N; got++ {
		for ; sent < b.N && sent-got < 32; sent++ {
			req := ourRequest(sip.OPTIONS)
			req.CSeq().SeqNo = uint32(sent)
			if _, err := l.Send(f, req, ender(func(err error) { ended <- err })); err != nil {
				b.Fatal(err)
			}
		}
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transactions/s")
}
