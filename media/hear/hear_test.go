package hear

import (
	"math"
	"math/rand/v2"
	"testing"

	"tandem/media/codec"
)

// voice is noise that swells and fades like syllables, unlike itself at any other place.
func voice(seed uint64, rate, n int) []int16 {
	rnd := rand.New(rand.NewPCG(seed, 1))
	pcm := make([]int16, n)
	var smooth float64
	for i := range pcm {
		smooth += (rnd.Float64()*2 - 1 - smooth) * 0.4
		swell := 0.3 + 0.7*math.Pow(math.Sin(math.Pi*3*float64(i)/float64(rate)), 2)
		pcm[i] = int16(12000 * smooth * swell)
	}
	return pcm
}

func sine(rate int, n int, amp float64, hz ...float64) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		v := 0.0
		for _, f := range hz {
			v += math.Sin(2 * math.Pi * f * float64(i) / float64(rate))
		}
		pcm[i] = int16(v * amp)
	}
	return pcm
}

func join(parts ...[]int16) (all []int16) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestCorrelate(t *testing.T) {
	t.Parallel()
	v := voice(1, 8000, 16000)
	quiet := make([]int16, 5000)
	half := append([]int16(nil), v...)
	codec.Gain(half, 0.1)
	inverted := append([]int16(nil), v...)
	codec.Gain(inverted, -1)
	for _, c := range []struct {
		name        string
		heard, sent []int16
		offset      int
		low, high   float64
	}{
		{"same", v, v, 0, 1, 1},
		{"later", join(quiet, v, quiet), v, 5000, 0.999, 1},
		{"begun before", v[3000:], v, -3000, 0.999, 1},
		{"part of it", v, v[6000:9000], 6000, 0.999, 1},
		{"softer", join(quiet, half), v, 5000, 0.999, 1},
		{"inverted", inverted, v, 0, -1, 0.3},
		{"another", voice(2, 8000, 16000), v, 0, 0, 0.3},
		{"silence", quiet, v, 0, 0, 0},
		{"nothing", nil, v, 0, 0, 0},
	} {
		m := Correlate(c.heard, c.sent)
		if m.Score < c.low || m.Score > c.high || c.low > 0.9 && m.Offset != c.offset {
			t.Errorf("%s: %+v, want offset %d and score from %v to %v", c.name, m, c.offset, c.low, c.high)
		}
	}
}

func TestCorrelateIsTheSumOfProducts(t *testing.T) {
	t.Parallel()
	a, b := voice(1, 8000, 37), voice(2, 8000, 11)
	for k, got := range newEar(a, len(b)).products(b) {
		want := 0.0
		for j := range b {
			if i := k - (len(b) - 1) + j; i >= 0 && i < len(a) {
				want += float64(a[i]) * float64(b[j])
			}
		}
		if math.Abs(got-want) > 1 {
			t.Fatalf("at %d: %v, want %v", k, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	const rate = 8000
	v := voice(1, rate, 4*rate)
	paused := join(v[:rate], make([]int16, rate), v[rate:])
	law := make([]byte, len(v))
	heard := make([]int16, len(v))
	codec.EncodeMuLaw(law, v)
	codec.DecodeMuLaw(heard, law)
	stretched := join(heard[:9000], heard[9160:20000], heard[19840:]) // a frame dropped, another repeated
	for _, c := range []struct {
		name        string
		heard, sent []int16
		low, high   float64
		offset      int
		order       bool
	}{
		{"over G.711", join(make([]int16, 777), heard), v, 1, 1, 777, true},
		{"stretched", stretched, v, 0.7, 1, 0, true},
		{"with a pause", paused, paused, 1, 1, 0, true},
		{"first half only", v[:2*rate], v, 0.4, 0.6, 0, true},
		{"halves changed over", join(v[2*rate:], v[:2*rate]), v, 0.8, 1, 2 * rate, false},
		{"another", voice(2, rate, 4*rate), v, 0, 0, 0, true},
		{"silence heard", make([]int16, rate), v, 0, 0, 0, true},
		{"silence sent", v, make([]int16, rate), 0, 0, 0, true},
	} {
		f := Find(c.heard, c.sent, rate)
		if f.Share < c.low || f.Share > c.high || f.Offset != c.offset || f.Order != c.order {
			t.Errorf("%s: %+v, want a share from %v to %v, offset %d", c.name, f, c.low, c.high, c.offset)
		}
		if f.Share > 0 && f.Score < 0.9 {
			t.Errorf("%s: score %v", c.name, f.Score)
		}
	}
}

func TestTones(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate, n int
		hz      []float64
	}{
		{8000, 8000, []float64{425}}, {8000, 800, []float64{1000}}, {16000, 16000, []float64{350, 440}},
		{8000, 1600, []float64{697, 1209}}, {8000, 1600, []float64{941, 1633}}, {8000, 4000, []float64{400, 450}}, {48000, 48000, []float64{15000}},
	} {
		got := Tones(sine(c.rate, c.n, 8000, c.hz...), c.rate, 4)
		if len(got) != len(c.hz) {
			t.Errorf("%v at %d Hz: %v", c.hz, c.rate, got)
			continue
		}
		for _, hz := range c.hz {
			found := false
			for _, p := range got {
				found = found || math.Abs(p.Hz-hz) < 3 && p.Share > 0.8/float64(len(c.hz))
			}
			if !found {
				t.Errorf("%v Hz not among %v", hz, got)
			}
		}
	}
	if got := Tone(make([]int16, 8000), 8000); got != (Peak{}) {
		t.Errorf("tone of silence: %v", got)
	}
	if got := Tone(nil, 8000); got != (Peak{}) {
		t.Errorf("tone of nothing: %v", got)
	}
	if got := Tone(voice(1, 8000, 8000), 8000); got.Share > 0.3 {
		t.Errorf("tone of noise: %v", got)
	}
}

func TestStretches(t *testing.T) {
	t.Parallel()
	tone, pause := sine(8000, 4000, 8000, 425), make([]int16, 2000)
	click := sine(8000, 80, 8000, 425)
	got := Stretches(join(pause, tone, pause, click, pause, tone), 8000)
	want := []Stretch{{0, 2000, false}, {2000, 6000, true}, {6000, 10080, false}, {10080, 14080, true}}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i, s := range got {
		if s.Sound != want[i].Sound || abs(s.From-want[i].From) > 80 || abs(s.To-want[i].To) > 80 {
			t.Errorf("%d: %v, want %v", i, s, want[i])
		}
	}
	if got := Stretches(nil, 8000); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func abs(n int) int { return max(n, -n) }
