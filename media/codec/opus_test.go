package codec

import (
	"math"
	"testing"
)

func opusPair(t testing.TB) (Encoder, Decoder) {
	t.Helper()
	c, ok := Lookup("OPUS")
	if !ok || c.FrameSamples(20) != 320 || c.FrameTicks(20) != 960 {
		t.Fatalf("%+v, %v", c, ok)
	}
	enc, err := c.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	dec, err := c.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return enc, dec
}

// voice is a sound like a vowel: harmonics of a pitch that moves, swelling and fading.
func voice(rate, n int) []int16 {
	pcm := make([]int16, n)
	phase := 0.0
	for i := range pcm {
		t := float64(i) / float64(rate)
		phase += 2 * math.Pi * (140 + 20*math.Sin(2*math.Pi*0.7*t)) / float64(rate)
		v := 0.0
		for h, a := range []float64{1, 0.8, 0.9, 0.5, 0.3, 0.25, 0.12, 0.1} {
			v += a * math.Sin(float64(h+1)*phase)
		}
		pcm[i] = int16(4000 * v * (0.6 + 0.4*math.Sin(2*math.Pi*2*t)))
	}
	return pcm
}

// best is the greatest correlation of got with want, shifted by up to so many samples.
func best(want, got []int16, shift int) (score float64, at int) {
	for d := range shift {
		var dot, a, b float64
		for i := 0; i+d < len(got) && i < len(want); i++ {
			x, y := float64(want[i]), float64(got[i+d])
			dot, a, b = dot+x*y, a+x*x, b+y*y
		}
		if s := dot / math.Sqrt(a*b+1); s > score {
			score, at = s, d
		}
	}
	return score, at
}

func TestOpusQuality(t *testing.T) {
	t.Parallel()
	const floor = 0.98 // correlation; this voice reaches 0.995
	enc, dec := opusPair(t)
	pcm := voice(16000, 3*16000)
	b := make([]byte, len(pcm)/4)
	if n := enc.Encode(b, pcm); n != 150*OpusFrameBytes {
		t.Fatalf("encoded %d bytes", n)
	}
	var heard []int16
	frame := make([]int16, 5760)
	for at := 0; at < len(b); at += OpusFrameBytes {
		n := dec.Decode(frame, b[at:at+OpusFrameBytes])
		if n != 320 {
			t.Fatalf("packet %d decoded to %d samples", at/OpusFrameBytes, n)
		}
		heard = append(heard, frame[:n]...)
	}
	score, at := best(pcm[8000:40000], heard[8000:], 400)
	t.Logf("correlation %.4f, delay %d samples", score, at)
	if score < floor {
		t.Errorf("correlation %.4f, the floor is %.2f", score, floor)
	}
}

func TestOpusFillsUpTheLastPacket(t *testing.T) {
	t.Parallel()
	enc, dec := opusPair(t)
	b := make([]byte, 400)
	if n := enc.Encode(b, make([]int16, 330)); n != 2*OpusFrameBytes {
		t.Errorf("330 samples made %d bytes", n)
	}
	if n := enc.Encode(b[:100], make([]int16, 640)); n != OpusFrameBytes {
		t.Errorf("room for one packet took %d bytes", n)
	}
	pcm := make([]int16, 100)
	if n := dec.Decode(pcm, b[:OpusFrameBytes]); n != 100 {
		t.Errorf("decoded %d samples into 100", n)
	}
	for _, broken := range [][]byte{nil, {0xFF}, {3, 0}, make([]byte, 1500)} {
		dec.Decode(make([]int16, 5760), broken) // whatever it gives, it must not panic
	}
}

func TestOpusConceals(t *testing.T) {
	t.Parallel()
	enc, dec := opusPair(t)
	pcm := voice(16000, 16000)
	b := make([]byte, len(pcm)/4)
	enc.Encode(b, pcm)
	frame := make([]int16, 5760)
	for at := 0; at < 25*OpusFrameBytes; at += OpusFrameBytes {
		dec.Decode(frame, b[at:at+OpusFrameBytes])
	}
	c, ok := dec.(interface{ Conceal([]int16) int })
	if !ok {
		t.Fatal("the decoder does not conceal")
	}
	if n := c.Conceal(frame[:320]); n != 320 || Level(frame[:320]) < Level(pcm[8000:8320])-12 {
		t.Errorf("%d samples at %.0f dB, the voice has %.0f", n, Level(frame[:320]), Level(pcm[8000:8320]))
	}
}

func TestOpusDoesNotAllocate(t *testing.T) {
	enc, dec := opusPair(t)
	pcm, b, out := voice(16000, 16000), make([]byte, OpusFrameBytes), make([]int16, 5760)
	at := 0
	if n := testing.AllocsPerRun(200, func() {
		enc.Encode(b, pcm[at:at+320])
		dec.Decode(out, b)
		at = (at + 320) % 15000
	}); n > 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkOpus(b *testing.B) {
	enc, dec := opusPair(b)
	pcm, p, out := voice(16000, 16000), make([]byte, OpusFrameBytes), make([]int16, 5760)
	b.Run("encode", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			enc.Encode(p, pcm[i%49*320:][:320])
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			dec.Decode(out, p)
		}
	})
}

// TestPackOpus joins packets and asks that they decode to what they did one by one.
func TestPackOpus(t *testing.T) {
	t.Parallel()
	pcm := voice(16000, 16000)
	for frames := 1; frames <= 3; frames++ {
		enc, one := opusPair(t)
		_, all := opusPair(t)
		b := make([]byte, len(pcm)/4)
		enc.Encode(b, pcm)
		for ; len(b) >= frames*OpusFrameBytes; b = b[frames*OpusFrameBytes:] {
			var want, got [2880]int16
			n := 0
			for i := range frames {
				n += one.Decode(want[n:], b[i*OpusFrameBytes:][:OpusFrameBytes])
			}
			packet := append([]byte(nil), b[:frames*OpusFrameBytes]...)
			packet = packet[:PackOpus(packet)]
			if ticks := OpusTicks(packet); ticks != 960*frames {
				t.Fatalf("%d frames are %d ticks", frames, ticks)
			}
			if m := all.Decode(got[:], packet); m != n || got != want {
				t.Fatalf("%d frames in one packet of %d bytes: %d samples, want the same %d", frames, len(packet), m, n)
			}
		}
	}
}

func FuzzOpus(f *testing.F) {
	f.Add([]byte{184, 1, 2, 3})
	f.Add([]byte{3, 0x43, 9, 9, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, dec := opusPair(t)
		pcm := make([]int16, 5760)
		if n := dec.Decode(pcm, b); n < 0 || n > len(pcm) {
			t.Fatalf("%d samples", n)
		}
		if n := OpusTicks(b); n < 0 || n > 5760 {
			t.Fatalf("%d ticks", n)
		}
	})
}
