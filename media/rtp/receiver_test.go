package rtp

import (
	"math/rand/v2"
	"testing"
	"time"
)

// feed gives the receiver 20 ms packets with these sequence numbers, on time.
func feed(r *Receiver, ssrc uint32, seqs ...uint16) []Verdict {
	var out []Verdict
	for _, s := range seqs {
		h := Header{Sequence: s, Timestamp: uint32(s) * 160, SSRC: ssrc}
		out = append(out, r.Receive(h, time.Duration(s)*20*time.Millisecond, 8000))
	}
	return out
}

func TestReceiverCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		seqs []uint16
		want Totals
		last Verdict
	}{
		{"one", []uint16{5}, Totals{Packets: 1, Expected: 1}, Restarted},
		{"run", []uint16{5, 6, 7}, Totals{Packets: 3, Expected: 3}, InOrder},
		{"gap", []uint16{5, 8}, Totals{Packets: 2, Expected: 4, Lost: 2}, InOrder},
		{"gap filled late", []uint16{5, 7, 6}, Totals{Packets: 3, Expected: 3, OutOfOrder: 1}, Late},
		{"duplicate of the newest", []uint16{5, 6, 6}, Totals{Packets: 3, Expected: 2, Duplicates: 1}, Duplicate},
		{"duplicate of an older one", []uint16{5, 6, 7, 5}, Totals{Packets: 4, Expected: 3, Duplicates: 1}, Duplicate},
		{"late twice", []uint16{5, 7, 6, 6}, Totals{Packets: 4, Expected: 3, OutOfOrder: 1, Duplicates: 1}, Duplicate},
		{"wraps", []uint16{65534, 65535, 0, 1}, Totals{Packets: 4, Expected: 4}, InOrder},
		{"wraps with a loss", []uint16{65534, 1}, Totals{Packets: 2, Expected: 4, Lost: 2}, InOrder},
		{"late over the wrap", []uint16{65535, 1, 0}, Totals{Packets: 3, Expected: 3, OutOfOrder: 1}, Late},
		{"second comes first", []uint16{6, 5, 7}, Totals{Packets: 3, Expected: 3, OutOfOrder: 1}, InOrder},
		{"first is zero, before it comes later", []uint16{0, 65535}, Totals{Packets: 2, Expected: 2, OutOfOrder: 1}, Late},
		{"stray far away", []uint16{5, 30000, 6}, Totals{Packets: 3, Expected: 2, Suspects: 1}, InOrder},
		{"jump that goes on", []uint16{5, 6, 30000, 30001, 30002}, Totals{Packets: 5, Expected: 4}, InOrder},
		{"late beyond the bitmap", []uint16{100, 200, 110}, Totals{Packets: 3, Expected: 101, Lost: 98, OutOfOrder: 1}, Late},
	} {
		var r Receiver
		v := feed(&r, 1, c.seqs...)
		if got := r.Totals(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if v[len(v)-1] != c.last {
			t.Errorf("%s: verdicts %v, last should be %d", c.name, v, c.last)
		}
	}
}

func TestReceiverKeepsTotalsOverSources(t *testing.T) {
	t.Parallel()
	var r Receiver
	feed(&r, 1, 10, 12)
	if v := feed(&r, 2, 60000, 60001); v[0] != Restarted {
		t.Errorf("new SSRC: %v", v)
	}
	if got, want := r.Totals(), (Totals{Packets: 4, Expected: 5, Lost: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestReceiverUnderLossAndReordering(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var sent []uint16
	lost := 0
	for i := range 100_000 {
		if i > 0 && i < 99_999 && rnd.IntN(100) < 3 {
			lost++
			continue
		}
		sent = append(sent, uint16(40_000+i))
	}
	late := 0
	for i := 10; i < len(sent)-10; i += 50 { // neighbours change places
		sent[i], sent[i+1] = sent[i+1], sent[i]
		late++
	}
	var r Receiver
	feed(&r, 1, sent...)
	want := Totals{Packets: uint64(len(sent)), Expected: 100_000, Lost: uint64(lost), OutOfOrder: uint64(late)}
	if got := r.Totals(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestJitter(t *testing.T) {
	t.Parallel()
	run := func(shake time.Duration, start uint32) time.Duration {
		var r Receiver
		for i := range 2000 {
			at := time.Duration(i) * 20 * time.Millisecond
			if i%2 == 1 {
				at += shake
			}
			r.Receive(Header{Sequence: uint16(i), Timestamp: start + uint32(i)*160}, at, 8000)
		}
		return r.Jitter()
	}
	if j := run(0, 0); j != 0 {
		t.Errorf("steady stream: %v", j)
	}
	// Every transit differs from the one before by 10 ms, so the estimate tends to that.
	for _, start := range []uint32{0, 1<<32 - 1000, 1<<31 - 1000} {
		if j := run(10*time.Millisecond, start); j < 9*time.Millisecond || j > 11*time.Millisecond {
			t.Errorf("10 ms of shaking from timestamp %d: %v", start, j)
		}
	}
}

func TestJitterIgnoresJumps(t *testing.T) {
	t.Parallel()
	var r Receiver
	ts := uint32(0)
	for i := range 200 {
		if i == 100 {
			ts += 1 << 30
		}
		r.Receive(Header{Sequence: uint16(i), Timestamp: ts}, time.Duration(i)*20*time.Millisecond, 8000)
		ts += 160
	}
	if j := r.Jitter(); j != 0 {
		t.Errorf("jitter %v after a timestamp jump", j)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	var r Receiver
	if _, ok := r.Report(); ok {
		t.Error("a report on nothing")
	}
	feed(&r, 9, 0, 1, 2, 3)
	r.Report()
	feed(&r, 9, 5, 7) // 4 expected, 2 lost
	rep, ok := r.Report()
	if want := (Report{SSRC: 9, FractionLost: 128, Lost: 2, Highest: 7}); !ok || rep != want {
		t.Errorf("%+v, want %+v", rep, want)
	}
	if rep, _ = r.Report(); rep.FractionLost != 0 || rep.Lost != 2 {
		t.Errorf("empty interval: %+v", rep)
	}
}

func FuzzReceiver(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 0, 4, 0, 3, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Receiver
		for i := 0; i+1 < len(b); i += 2 {
			seq := uint16(b[i])<<8 | uint16(b[i+1])
			r.Receive(Header{Sequence: seq, Timestamp: uint32(seq) << 7}, time.Duration(i), 8000)
			if i%16 == 0 {
				r.Report()
			}
		}
		got := r.Totals()
		if got.Packets != uint64(len(b)/2) || got.Lost > got.Expected || r.Jitter() < 0 {
			t.Fatalf("%+v, jitter %v", got, r.Jitter())
		}
	})
}

func BenchmarkPacket(b *testing.B) {
	raw := make([]byte, HeaderSize+160)
	Header{PayloadType: 8, SSRC: 1}.Put(raw)
	var r Receiver
	step := func(i int) {
		h, err := Parse(raw)
		if err != nil {
			b.Fatal(err)
		}
		h.Sequence, h.Timestamp = uint16(i), uint32(i)*160
		r.Receive(h, time.Duration(i)*20*time.Millisecond, 8000)
		h.Rewrite(raw)
	}
	if n := testing.AllocsPerRun(100, func() { step(1) }); n != 0 {
		b.Fatalf("%v allocations a packet", n)
	}
	for i := 0; b.Loop(); i++ {
		step(i)
	}
}

func TestPacketPathDoesNotAllocate(t *testing.T) {
	raw := make([]byte, HeaderSize+160)
	Header{PayloadType: 8, SSRC: 1}.Put(raw)
	var r Receiver
	if n := testing.AllocsPerRun(100, func() {
		h, _ := Parse(raw)
		r.Receive(h, time.Second, 8000)
		h.Rewrite(raw)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
