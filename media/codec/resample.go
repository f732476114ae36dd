package codec

import (
	"fmt"
	"math"
	"sync"
)

// The filter passes 85% of the lower Nyquist frequency and stops at all of it, by 75 dB.
const (
	passShare  = 0.85
	stopDB     = 75.0
	maxPhases  = 1024
	chunkInput = 480 // samples filtered at once
)

// filter is a low-pass cut into the phases of a ratio up/down; it is not changed any more.
type filter struct {
	up, down int // the rates without their common divisor
	taps     int // a phase
	phases   [][]float32
}

// Resampler changes the rate of one stream of PCM. It keeps the end of what it was given,
// so frames of any size join without a seam; its delay is Delay. Not safe for concurrent use.
type Resampler struct {
	f     *filter
	hist  []float32 // taps-1 old samples, then room for a chunk
	phase int       // of the next output sample
	skip  int       // input samples to pass over before it
}

// NewResampler makes one from rate in to rate out, in Hz. 8, 16 and 48 kHz are meant;
// others work unless their ratio is very odd (44.1 kHz is fine).
func NewResampler(in, out int) (*Resampler, error) {
	if in < 1000 || out < 1000 || in > 192000 || out > 192000 {
		return nil, fmt.Errorf("cannot resample from %d to %d Hz", in, out)
	}
	d := gcd(in, out)
	if out/d > maxPhases {
		return nil, fmt.Errorf("cannot resample from %d to %d Hz: their ratio is %d to %d", in, out, in/d, out/d)
	}
	f, ok := common()[[2]int{out / d, in / d}]
	if !ok {
		f = design(out/d, in/d)
	}
	return &Resampler{f: f, hist: make([]float32, f.taps-1+chunkInput)}, nil
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// common are the filters between 8, 16 and 48 kHz, designed once and shared by all streams.
var common = sync.OnceValue(func() map[[2]int]*filter {
	m := map[[2]int]*filter{}
	for _, r := range [][2]int{{2, 1}, {1, 2}, {3, 1}, {1, 3}, {6, 1}, {1, 6}} {
		m[r] = design(r[0], r[1])
	}
	return m
})

// design makes a linear-phase low-pass by a Kaiser window (Oppenheim and Schafer, §7.5).
func design(up, down int) *filter {
	if up == 1 && down == 1 {
		return &filter{up: 1, down: 1, taps: 1, phases: [][]float32{{1}}}
	}
	// Frequencies in cycles a sample at the rate in*up, where the filter runs.
	nyquist := 0.5 / float64(max(up, down))
	width := nyquist * (1 - passShare)
	n := int(math.Ceil((stopDB-7.95)/(14.36*width))) + 1
	taps := (n + up - 1) / up
	n = taps * up
	cut := nyquist * (1 + passShare) / 2
	beta := 0.1102 * (stopDB - 8.7)
	f := &filter{up: up, down: down, taps: taps, phases: make([][]float32, up)}
	for p := range f.phases {
		f.phases[p] = make([]float32, taps)
		sum := 0.0
		for k := range taps {
			// Phase p weighs the input k samples back with the prototype's tap k*up+p;
			// stored oldest first, as the history lies.
			t := float64(k*up+p) - float64(n-1)/2
			h := sinc(2*cut*t) * kaiser(2*t/float64(n-1), beta)
			f.phases[p][taps-1-k] = float32(h)
			sum += h
		}
		for k := range f.phases[p] { // every phase passes a constant unchanged
			f.phases[p][k] /= float32(sum)
		}
	}
	return f
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

func kaiser(x, beta float64) float64 {
	return bessel(beta*math.Sqrt(max(0, 1-x*x))) / bessel(beta)
}

// bessel is the modified Bessel function of the first kind and order 0.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-12; k++ {
		term *= (x / 2 / k) * (x / 2 / k)
		sum += term
	}
	return sum
}

// OutputLen is the most that Process makes of n samples.
func (r *Resampler) OutputLen(n int) int { return (n*r.f.up + r.f.down - 1) / r.f.down }

// Delay is how many output samples the sound comes late.
func (r *Resampler) Delay() float64 {
	return float64(r.f.taps*r.f.up-1) / 2 / float64(r.f.down)
}

// Process resamples all of src into dst, which must have room for OutputLen(len(src)), and
// returns the number of samples made. Frames whose length fits the ratio always make the
// same number: 160 samples at 8 kHz make 320 at 16 kHz.
func (r *Resampler) Process(dst, src []int16) int {
	n := 0
	for len(src) > 0 {
		k := min(len(src), chunkInput)
		n += r.chunk(dst[n:], src[:k])
		src = src[k:]
	}
	return n
}

func (r *Resampler) chunk(dst, src []int16) int {
	keep := r.f.taps - 1
	for i, s := range src {
		r.hist[keep+i] = float32(s)
	}
	n := 0
	at := r.skip // the newest input sample that the next output looks at
	for ; at < len(src); n++ {
		dst[n] = round(dot(r.f.phases[r.phase], r.hist[at:]))
		r.phase += r.f.down
		for r.phase >= r.f.up {
			r.phase -= r.f.up
			at++
		}
	}
	r.skip = at - len(src)
	copy(r.hist[:keep], r.hist[len(src):len(src)+keep])
	return n
}

// dot sums over four chains, so that each addition need not wait for the one before it.
func dot(taps, x []float32) float32 {
	var a, b, c, d float32
	x = x[:len(taps)]
	i := 0
	for ; i+4 <= len(taps); i += 4 {
		t, v := taps[i:i+4:i+4], x[i:i+4:i+4]
		a += t[0] * v[0]
		b += t[1] * v[1]
		c += t[2] * v[2]
		d += t[3] * v[3]
	}
	for ; i < len(taps); i++ {
		a += taps[i] * x[i]
	}
	return a + b + (c + d)
}

func round(v float32) int16 {
	switch {
	case v >= math.MaxInt16:
		return math.MaxInt16
	case v <= math.MinInt16:
		return math.MinInt16
	case v < 0:
		return int16(v - 0.5)
	}
	return int16(v + 0.5)
}

// Resample changes the rate of a whole sound, without delay: what it returns begins when
// pcm begins, and lasts as long. Errors are those of NewResampler.
func Resample(pcm []int16, in, out int) ([]int16, error) {
	if in == out {
		return append([]int16(nil), pcm...), nil
	}
	r, err := NewResampler(in, out)
	if err != nil {
		return nil, err
	}
	want := int((int64(len(pcm))*int64(out) + int64(in) - 1) / int64(in))
	late := int(math.Round(r.Delay()))
	flush := (late+1)*in/out + 1
	dst := make([]int16, r.OutputLen(len(pcm))+r.OutputLen(flush)+2)
	n := r.Process(dst, pcm)
	n += r.Process(dst[n:], make([]int16, flush))
	return dst[late:min(n, late+want)], nil
}
