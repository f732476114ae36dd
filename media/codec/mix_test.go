package codec

import (
	"math"
	"slices"
	"testing"
)

func TestMixSaturates(t *testing.T) {
	t.Parallel()
	dst := []int16{1, 30000, -30000, 32767, 5}
	Mix(dst, []int16{2, 10000, -10000, -32768})
	if want := []int16{3, 32767, -32768, -1, 5}; !slices.Equal(dst, want) {
		t.Errorf("%v, want %v", dst, want)
	}
}

func TestMixMinus(t *testing.T) {
	t.Parallel()
	parties := [][]int16{{100, 30000, -30000}, {20, 30000, -30000}, {3, 30000, -30000}}
	sum := make([]int32, 3)
	for _, p := range parties {
		Accumulate(sum, p)
	}
	dst := make([]int16, 3)
	MixMinus(dst, sum, parties[0])
	if want := []int16{23, 32767, -32768}; !slices.Equal(dst, want) {
		t.Errorf("without the first: %v, want %v", dst, want)
	}
	MixMinus(dst, sum, parties[1][:1])
	if want := []int16{103, 32767, -32768}; !slices.Equal(dst, want) {
		t.Errorf("without a short one: %v, want %v", dst, want)
	}
}

func TestGain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in     int16
		factor float64
		want   int16
	}{
		{1000, 1, 1000}, {-1000, 0.5, -500}, {20000, 2, 32767}, {-20000, 2, -32768}, {32767, 0, 0},
		{-32768, 1, -32768}, {1, 1e9, 256}, {-32768, -1, 32767},
	} {
		pcm := []int16{c.in}
		Gain(pcm, c.factor)
		if pcm[0] != c.want {
			t.Errorf("%d times %v: %d, want %d", c.in, c.factor, pcm[0], c.want)
		}
	}
	if g := Decibels(-6.0206); math.Abs(g-0.5) > 1e-4 {
		t.Errorf("-6 dB is %v", g)
	}
}

func TestLevel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pcm  []int16
		want float64
	}{
		{nil, -127}, {make([]int16, 160), -127}, {sine(8000, 1000, 0, 800), -3.01}, {sine(8000, 1000, -20, 800), -23.01},
		{slices.Repeat([]int16{-32768, 32767}, 80), 0},
	} {
		if got := Level(c.pcm); math.Abs(got-c.want) > 0.02 {
			t.Errorf("level %v, want %v", got, c.want)
		}
	}
}

func TestMixingDoesNotAllocate(t *testing.T) {
	a, b, sum := sine(8000, 440, -6, 160), sine(8000, 350, -6, 160), make([]int32, 160)
	if n := testing.AllocsPerRun(100, func() {
		Mix(a, b)
		Accumulate(sum, b)
		MixMinus(a, sum, b)
		Gain(a, 0.5)
		Level(a)
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkMixMinus(b *testing.B) {
	own, dst, sum := sine(8000, 440, -6, 160), make([]int16, 160), make([]int32, 160)
	for b.Loop() {
		Accumulate(sum, own)
		MixMinus(dst, sum, own)
		clear(sum)
	}
}
