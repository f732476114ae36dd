package dtmf

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// wire is one packet of a test: milliseconds of its arrival, its place and its report.
type wire struct {
	ms     int
	seq    uint16
	stamp  uint32
	marker bool
	e      Event
}

func (w wire) packet() Packet {
	b := w.e.Payload()
	return Packet{Sequence: w.seq, Timestamp: w.stamp, SSRC: 1, Marker: w.marker, Payload: b[:], ClockRate: 8000, At: time.Duration(w.ms) * time.Millisecond}
}

// press is the packets of a digit by the book: one every 20 ms, the last three times.
func press(digit byte, seq uint16, stamp uint32, reports int) []wire {
	code, _ := Code(digit)
	var list []wire
	for i := range reports + ends - 1 {
		n := min(i+1, reports)
		list = append(list, wire{
			ms: int(seq)*20 + i*20, seq: seq + uint16(i), stamp: stamp, marker: i == 0,
			e: Event{Code: code, End: n == reports, Duration: uint16(n * 160)},
		})
	}
	return list
}

// receive returns what was pressed and what was released.
func receive(packets ...[]wire) (pressed, released string, keys []Key) {
	var r Receiver
	for _, list := range packets {
		for _, w := range list {
			keys = r.Receive(keys, w.packet())
		}
	}
	keys = r.Expire(keys, time.Hour)
	for _, k := range keys {
		if k.Released {
			released += string(k.Digit)
		} else {
			pressed += string(k.Digit)
		}
	}
	return pressed, released, keys
}

func TestReceive(t *testing.T) {
	t.Parallel()
	without := func(list []wire, drop ...int) []wire {
		var out []wire
		for i, w := range list {
			keep := true
			for _, d := range drop {
				keep = keep && i != d
			}
			if keep {
				out = append(out, w)
			}
		}
		return out
	}
	each := func(list []wire, change func(i int, w *wire)) []wire {
		out := append([]wire(nil), list...)
		for i := range out {
			change(i, &out[i])
		}
		return out
	}
	five, again, six := press('5', 0, 1000, 5), press('5', 20, 3000, 5), press('6', 40, 5000, 5)
	near := press('6', 7, 1960, 5) // follows the last report of five at once
	for _, c := range []struct {
		name    string
		packets [][]wire
		want    string
	}{
		{"one", [][]wire{five}, "5"},
		{"two alike", [][]wire{five, again}, "55"},
		{"three", [][]wire{five, again, six}, "556"},
		{"every packet twice", [][]wire{each(append(five, five...), func(i int, w *wire) { *w = five[i/2] })}, "5"},
		{"the whole run again", [][]wire{five, five, again, five}, "55"},
		{"first packet lost", [][]wire{five[1:], again[1:]}, "55"},
		{"all but the last lost", [][]wire{five[6:], again[6:]}, "55"},
		{"all but the first lost", [][]wire{five[:1], again[:1]}, "55"},
		{"ends lost", [][]wire{five[:4], again[:4], six}, "556"},
		{"ends and next first lost", [][]wire{five[:4], again[1:]}, "55"},
		{"ends and next two lost", [][]wire{five[:1], again[2:]}, "55"},
		{"every other lost", [][]wire{without(five, 0, 2, 4, 6), without(again, 1, 3, 5)}, "55"},
		{"no marker at all", [][]wire{each(five, func(i int, w *wire) { w.marker = false }), each(again, func(i int, w *wire) { w.marker = false })}, "55"},
		{"marker on all", [][]wire{each(five, func(i int, w *wire) { w.marker = true }), each(again, func(i int, w *wire) { w.marker = true })}, "55"},
		{"no end reports", [][]wire{each(five, func(i int, w *wire) { w.e.End = false }), each(again, func(i int, w *wire) { w.e.End = false })}, "55"},
		{"duration zero", [][]wire{each(five, func(i int, w *wire) { w.e.Duration = 0 }), each(again, func(i int, w *wire) { w.e.Duration = 0 })}, "55"},
		{"duration falls", [][]wire{each(five, func(i int, w *wire) { w.e.Duration = 2000 - uint16(i)*160 }), again}, "55"},
		{"no pause between", [][]wire{five, near}, "56"},
		{"no pause, ends lost", [][]wire{five[:4], near[2:]}, "56"},
		{"end after the next began", [][]wire{five[:5], near[:1], five[5:], near[1:]}, "56"},
		{"reordered within", [][]wire{{five[1], five[0], five[4], five[2], five[3], five[6], five[5]}}, "5"},
		{"very late packet", [][]wire{five, again, six, five[3:4], again[:1]}, "556"},
		{"sequence wraps", [][]wire{press('1', 65533, 10, 5), press('2', 10, 9000, 5)}, "12"},
		{"timestamp wraps", [][]wire{press('1', 0, 1<<32-300, 5), press('2', 20, 4000, 5)}, "12"},
		{"timestamp jumps back", [][]wire{press('1', 0, 1<<31, 5), press('2', 20, 5, 5), press('2', 40, 2000, 5)}, "122"},
		{"own timestamp each", [][]wire{
			each(five, func(i int, w *wire) { w.stamp += uint32(i) * 160; w.marker = false }),
			each(again, func(i int, w *wire) { w.stamp += uint32(i) * 160 }),
		}, "55"},
		{"own timestamp each, one lost", [][]wire{without(each(five, func(i int, w *wire) { w.stamp += uint32(i) * 160 }), 2)}, "5"},
		{"timestamp stands still", [][]wire{five, each(again, func(i int, w *wire) { w.stamp = 1000 })}, "55"},
		{"not a digit", [][]wire{each(five, func(i int, w *wire) { w.e.Code = 32 }), six}, "6"},
		{"another code, same timestamp", [][]wire{five[:3], each(five[3:5], func(i int, w *wire) { w.e.Code = 9 })}, "5"},
	} {
		pressed, released, keys := receive(c.packets...)
		if pressed != c.want || released != c.want {
			t.Errorf("%s: pressed %q, released %q, want %q: %v", c.name, pressed, released, c.want, keys)
		}
	}
}

func TestReceiveDuration(t *testing.T) {
	t.Parallel()
	long := func() (list []wire) { // 20 s at 8 kHz: 160,000 units in three segments
		for n := 1; n <= 1000; n++ {
			units := n * 160
			segment := (units - 1) / 0xFFFF
			list = append(list, wire{ms: n * 20, seq: uint16(n), stamp: 500 + uint32(segment)*0xFFFF, marker: n == 1,
				e: Event{Code: 1, End: n == 1000, Duration: uint16(units - segment*0xFFFF)}})
		}
		return list
	}()
	drifting := press('1', 0, 1000, 5)
	for i := range drifting {
		drifting[i].stamp += uint32(i) * 160
	}
	for name, c := range map[string]struct {
		packets []wire
		want    time.Duration
	}{
		"short":              {press('1', 0, 1000, 5), 100 * time.Millisecond},
		"ends lost":          {press('1', 0, 1000, 5)[:3], 60 * time.Millisecond},
		"segments":           {long, 20 * time.Second},
		"own timestamp each": {drifting, 100 * time.Millisecond},
	} {
		pressed, _, keys := receive(c.packets)
		if len(keys) != 2 || pressed != "1" || keys[1].Duration != c.want {
			t.Errorf("%s: %v, want %v", name, keys, c.want)
		}
	}
}

func TestReceiveAnotherSource(t *testing.T) {
	t.Parallel()
	var r Receiver
	first := press('7', 9, 1000, 5)[0].packet()
	keys := r.Receive(nil, first)
	first.SSRC = 2
	keys = r.Receive(keys, first)
	want := []Key{{Digit: '7'}, {Digit: '7', Released: true, Duration: 20 * time.Millisecond}, {Digit: '7'}}
	if len(keys) != 3 || keys[0] != want[0] || keys[1] != want[1] || keys[2] != want[2] {
		t.Errorf("%v, want %v", keys, want)
	}
}

func TestReceiveSeveralReportsInAPacket(t *testing.T) {
	t.Parallel()
	var b []byte
	for _, e := range []Event{{Code: 1, End: true, Duration: 800}, {Code: 1, End: true, Duration: 800}, {Code: 2, Duration: 160}} {
		p := e.Payload()
		b = append(b, p[:]...)
	}
	p := Packet{Sequence: 1, Timestamp: 100, Payload: b, ClockRate: 8000}
	var r Receiver
	keys := r.Receive(nil, p)
	p.Sequence++
	keys = r.Receive(keys, p)
	var pressed string
	for _, k := range keys {
		if !k.Released {
			pressed += string(k.Digit)
		}
	}
	if pressed != "112" || !r.Down() {
		t.Errorf("pressed %q: %v", pressed, keys)
	}
}

func TestExpire(t *testing.T) {
	t.Parallel()
	var r Receiver
	r.Receive(nil, press('3', 0, 0, 5)[0].packet())
	if keys := r.Expire(nil, lostAfter-1); len(keys) != 0 {
		t.Errorf("too early: %v", keys)
	}
	if keys := r.Expire(nil, lostAfter); len(keys) != 1 || !keys[0].Released {
		t.Errorf("expired: %v", keys)
	}
	if keys := r.Expire(nil, time.Hour); len(keys) != 0 || r.Down() {
		t.Errorf("again: %v", keys)
	}
	if keys := r.Receive(nil, press('3', 0, 0, 5)[3].packet()); len(keys) != 0 {
		t.Errorf("rest of the released event: %v", keys)
	}
}

// TestTenThousandDigits sends digits through 3% loss, reordering and duplication.
func TestTenThousandDigits(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(4, 2))
	digits := make([]byte, 10_000)
	for i := range digits {
		digits[i] = keys[rnd.IntN(4)] // few different ones: doubles are the hard case
	}
	s, err := NewSender(string(digits), SendOptions{Tone: 100 * time.Millisecond, Gap: 40 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var sent []wire
	for frame, seq := 0, uint16(65000); ; frame++ {
		out, send, done := s.Next(uint32(frame) * 160)
		if done {
			break
		}
		seq++ // audio packets fill the gaps
		if !send || rnd.IntN(100) < 3 {
			continue
		}
		e, _ := ParseEvent(out.Payload[:])
		w := wire{ms: frame * 20, seq: seq, stamp: out.Timestamp, marker: out.Marker, e: e}
		sent = append(sent, w)
		if rnd.IntN(100) < 3 {
			sent = append(sent, w)
		}
	}
	for i := 0; i+3 < len(sent); i++ {
		if rnd.IntN(100) < 3 {
			k := i + 1 + rnd.IntN(3)
			sent[i], sent[k] = sent[k], sent[i]
		}
	}
	pressed, released, _ := receive(sent)
	if pressed != string(digits) || released != string(digits) {
		t.Errorf("%d digits sent, %d pressed, %d released", len(digits), len(pressed), len(released))
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 9, 1, 5, 0, 0, 160, 0, 2, 0, 0, 0, 9, 0, 5, 0x80, 1, 64})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Receiver
		var keys []Key
		down := 0
		for at := time.Duration(0); len(b) >= 7+PayloadSize; at += 10 * time.Millisecond {
			n := PayloadSize * (1 + int(b[6]>>6))
			if len(b) < 7+n {
				break
			}
			keys = r.Receive(keys[:0], Packet{
				Sequence: binary.BigEndian.Uint16(b), Timestamp: binary.BigEndian.Uint32(b[2:]), Marker: b[6]&1 != 0,
				SSRC: uint32(b[6] >> 1 & 1), Payload: b[7 : 7+n], ClockRate: 8000, At: at,
			})
			keys = r.Expire(keys, at)
			b = b[7+n:]
			for _, k := range keys {
				if k.Released {
					down--
				} else {
					down++
				}
				if down < 0 || down > 1 || k.Duration < 0 {
					t.Fatalf("%d keys down after %+v", down, k)
				}
			}
			if r.Down() != (down == 1) {
				t.Fatalf("Down is %v with %d keys down", r.Down(), down)
			}
		}
	})
}

func TestReceiveDoesNotAllocate(t *testing.T) {
	var r Receiver
	list := press('5', 0, 1000, 5)
	buf := make([]Key, 0, 16)
	p := list[0].packet()
	if n := testing.AllocsPerRun(100, func() {
		p.Timestamp += 1600
		p.Sequence += 7
		buf = r.Receive(buf[:0], p)
		buf = r.Expire(buf, p.At)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func BenchmarkReceive(b *testing.B) {
	var r Receiver
	buf := make([]Key, 0, 16)
	p := press('5', 0, 1000, 5)[0].packet()
	for b.Loop() {
		p.Sequence++
		buf = r.Receive(buf[:0], p)
	}
}
