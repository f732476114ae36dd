package codec

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// fit is the signal-to-noise ratio in dB of a sine of that frequency in pcm, at whatever
// level and phase, and its level relative to amplitude.
func fit(pcm []int16, hz float64, rate int, amplitude float64) (snr, gain float64) {
	var ss, sc, cc, ys, yc, yy float64
	for i, v := range pcm {
		s, c := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		ss, sc, cc = ss+s*s, sc+s*c, cc+c*c
		ys, yc, yy = ys+float64(v)*s, yc+float64(v)*c, yy+float64(v)*float64(v)
	}
	det := ss*cc - sc*sc
	a, b := (ys*cc-yc*sc)/det, (yc*ss-ys*sc)/det
	signal := a*ys + b*yc
	return 10 * math.Log10(signal/max(1e-9, yy-signal)), 20 * math.Log10(math.Hypot(a, b)/amplitude)
}

type rates struct{ in, out int }

func steps() []rates {
	return []rates{{8000, 16000}, {16000, 8000}, {8000, 48000}, {48000, 8000}, {16000, 48000}, {48000, 16000},
		{44100, 16000}, {44100, 8000}, {22050, 8000}, {11025, 16000}, {24000, 16000}, {32000, 8000}}
}

func TestResamplingQuality(t *testing.T) {
	t.Parallel()
	const floor, ripple = 70.0, 0.05 // dB
	for _, s := range steps() {
		edge := passShare * float64(min(s.in, s.out)) / 2
		for _, hz := range []float64{50, 440, 1020, edge * 0.7, edge} {
			in := sine(s.in, hz, -6, s.in/2)
			out, err := Resample(in, s.in, s.out)
			if err != nil {
				t.Fatal(err)
			}
			if len(out) != s.out/2 {
				t.Errorf("%+v: %d samples", s, len(out))
			}
			mid := out[len(out)/5 : len(out)*4/5]
			snr, gain := fit(mid, hz, s.out, 32767*Decibels(-6))
			if snr < floor || math.Abs(gain) > ripple {
				t.Errorf("%+v: %.0f Hz has an SNR of %.1f dB (floor %.0f) and a gain of %.3f dB", s, hz, snr, floor, gain)
			}
		}
	}
}

// TestResamplingStopsAliases sends what the lower rate cannot hold: nothing may come out.
func TestResamplingStopsAliases(t *testing.T) {
	t.Parallel()
	const floor = -70.0 // dB below the input
	for _, s := range steps() {
		if s.out > s.in {
			continue
		}
		for _, hz := range []float64{float64(s.out) * 0.505, float64(s.out) * 0.6, float64(s.in) * 0.45} {
			if hz < float64(s.out)/2 || hz > float64(s.in)/2 {
				continue
			}
			out, err := Resample(sine(s.in, hz, -6, s.in/2), s.in, s.out)
			if err != nil {
				t.Fatal(err)
			}
			if level := Level(out[len(out)/5:len(out)*4/5]) + 9.03; level > floor {
				t.Errorf("%+v: %.0f Hz comes out at %.1f dB, floor %.0f", s, hz, level, floor)
			}
		}
	}
}

func TestResampleKeepsTheTime(t *testing.T) {
	t.Parallel()
	for _, s := range steps() {
		in := make([]int16, s.in/2)
		centre := s.in / 4
		for i := range in { // a smooth pulse
			x := float64(i-centre) / float64(s.in) * 500
			in[i] = int16(20000 * math.Exp(-x*x))
		}
		out, err := Resample(in, s.in, s.out)
		if err != nil {
			t.Fatal(err)
		}
		var sum, moment float64
		for i, v := range out {
			sum += float64(v)
			moment += float64(v) * float64(i)
		}
		if off := moment/sum/float64(s.out) - float64(centre)/float64(s.in); math.Abs(off) > 0.6/float64(s.out) {
			t.Errorf("%+v: moved by %.1f µs", s, off*1e6)
		}
	}
}

func TestResamplerStreams(t *testing.T) {
	t.Parallel()
	for _, s := range steps() {
		in := sine(s.in, 700, -3, s.in)
		whole, err := NewResampler(s.in, s.out)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]int16, whole.OutputLen(len(in)))
		want = want[:whole.Process(want, in)]
		for _, size := range []int{1, 7, s.in / 50, 3000} {
			r, err := NewResampler(s.in, s.out)
			if err != nil {
				t.Fatal(err)
			}
			var got []int16
			for frame := range slices.Chunk(in, size) {
				buf := make([]int16, r.OutputLen(len(frame)))
				n := r.Process(buf, frame)
				if size == s.in/50 && s.in%1000 == 0 && n != s.out/50 {
					t.Fatalf("%+v: a frame of 20 ms made %d samples", s, n)
				}
				got = append(got, buf[:n]...)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%+v in frames of %d: %d samples, want %d, or others", s, size, len(got), len(want))
			}
		}
	}
}

func TestResamplerClips(t *testing.T) {
	t.Parallel()
	in := make([]int16, 1600)
	for i := range in { // full-scale square waves overshoot
		in[i] = math.MaxInt16
		if i/8%2 == 1 {
			in[i] = math.MinInt16
		}
	}
	out, err := Resample(in, 8000, 16000)
	if err != nil {
		t.Fatal(err)
	}
	for i := 200; i < len(out)-200; i++ { // wrapping round would change the sign in mid-wave
		if k := i / 2 % 16; k > 1 && k < 6 && out[i] < 0 || k > 9 && k < 14 && out[i] > 0 {
			t.Fatalf("sample %d is %d", i, out[i])
		}
	}
	if slices.Max(out) != math.MaxInt16 {
		t.Error("no overshoot was clipped: the test tests nothing")
	}
}

func TestResampleLimits(t *testing.T) {
	t.Parallel()
	for _, s := range []rates{{0, 8000}, {8000, 0}, {8000, 1 << 30}, {8001, 47999}} {
		if _, err := NewResampler(s.in, s.out); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
	out, err := Resample([]int16{1, 2, 3}, 8000, 8000)
	if err != nil || !slices.Equal(out, []int16{1, 2, 3}) {
		t.Errorf("%v, %v", out, err)
	}
	if out, err := Resample(nil, 8000, 16000); err != nil || len(out) != 0 {
		t.Errorf("of nothing: %v, %v", out, err)
	}
	r, err := NewResampler(8000, 8000)
	if err != nil {
		t.Fatal(err)
	}
	if n := r.Process(out[:0:0], nil); n != 0 {
		t.Errorf("%d samples of nothing", n)
	}
}

func TestResamplerDoesNotAllocate(t *testing.T) {
	r, err := NewResampler(16000, 8000)
	if err != nil {
		t.Fatal(err)
	}
	in, out := make([]int16, 320), make([]int16, 160)
	if n := testing.AllocsPerRun(100, func() { r.Process(out, in) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkResample20ms(b *testing.B) {
	for _, s := range steps()[:6] {
		b.Run(fmt.Sprintf("%d-%d", s.in/1000, s.out/1000), func(b *testing.B) {
			r, err := NewResampler(s.in, s.out)
			if err != nil {
				b.Fatal(err)
			}
			in, out := sine(s.in, 440, -6, s.in/50), make([]int16, s.out/50)
			for b.Loop() {
				r.Process(out, in)
			}
		})
	}
}

func BenchmarkNewResampler(b *testing.B) {
	for b.Loop() {
		if _, err := NewResampler(8000, 48000); err != nil {
			b.Fatal(err)
		}
	}
}
