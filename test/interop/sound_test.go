//go:build interop

package interop

import (
	"encoding/binary"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"os"
	"testing"
)

// found is how well a sound was found in a recording: the best normalised
// correlation over all places (1 is the same wave, 0 is none of it), and the
// sample where it begins.
type found struct {
	score float64
	at    int
}

// find looks for a sound in a recording of the same rate.
func find(sound, recording []int16) found {
	if len(sound) == 0 || len(recording) < len(sound) {
		return found{}
	}
	n := 1
	for n < len(recording)+len(sound) {
		n *= 2
	}
	// Correlation is a product of spectra, one of them conjugated.
	a, b := spectrum(recording, n), spectrum(sound, n)
	for i := range a {
		a[i] *= cmplx.Conj(b[i])
	}
	fft(a, true)
	best := found{}
	energy := 0.0
	for _, s := range recording[:len(sound)] {
		energy += square(s)
	}
	own := 0.0
	for _, s := range sound {
		own += square(s)
	}
	// A stretch that is nearly silent matches anything once it is normalised.
	floor := own / 1000
	for at := 0; ; at++ {
		if score := real(a[at]) / float64(n) / math.Sqrt(max(energy, floor)*own); score > best.score {
			best = found{score, at}
		}
		if at+len(sound) >= len(recording) {
			return best
		}
		energy += square(recording[at+len(sound)]) - square(recording[at])
	}
}

func square(s int16) float64 { return float64(s) * float64(s) }

func spectrum(samples []int16, n int) []complex128 {
	x := make([]complex128, n)
	for i, s := range samples {
		x[i] = complex(float64(s), 0)
	}
	fft(x, false)
	return x
}

// fft transforms x in place; its length is a power of two. Backwards, the
// result is len(x) times too large.
func fft(x []complex128, backwards bool) {
	n := len(x)
	for i, j := 1, 0; i < n; i++ {
		bit := n >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		j ^= bit
		if i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	sign := -1.0
	if backwards {
		sign = 1
	}
	for size := 2; size <= n; size *= 2 {
		step := cmplx.Rect(1, sign*2*math.Pi/float64(size))
		for start := 0; start < n; start += size {
			w := complex(1, 0)
			for i := start; i < start+size/2; i++ {
				even, odd := x[i], x[i+size/2]*w
				x[i], x[i+size/2] = even+odd, even-odd
				w *= step
			}
		}
	}
}

func TestFindTellsSoundsApart(t *testing.T) {
	speech, other := chirp(300, 2000, 8000), chirp(2500, 500, 8000)
	recording := noise(5 * 8000)
	for i, s := range speech {
		recording[12345+i] += s / 4
	}
	if f := find(speech, recording); f.score < 0.9 || f.at != 12345 {
		t.Errorf("a sound that is there: %+v", f)
	}
	if f := find(other, recording); f.score > 0.3 {
		t.Errorf("a sound that is not there: %+v", f)
	}
	if f := find(speech, make([]int16, 5*8000)); f.score != 0 {
		t.Errorf("in silence: %+v", f)
	}
}

// chirp is a tone that glides from one frequency to another: unlike a steady
// tone, it correlates with itself in one place only.
func chirp(from, to float64, samples int) []int16 {
	out := make([]int16, samples)
	phase := 0.0
	for i := range out {
		phase += 2 * math.Pi * (from + (to-from)*float64(i)/float64(samples)) / 8000
		out[i] = int16(8000 * math.Sin(phase))
	}
	return out
}

// noise is faint, so that nothing is digital silence.
func noise(samples int) []int16 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]int16, samples)
	for i := range out {
		out[i] = int16(r.NormFloat64() * 100)
	}
	return out
}

// halve turns 16 kHz into 8 kHz: a low pass at 3.4 kHz, then every other sample.
func halve(in []int16) []int16 {
	const taps, cut = 63, 3400.0 / 16000
	var h [taps]float64
	sum := 0.0
	for i := range h {
		x := float64(i - taps/2)
		h[i] = 2 * cut
		if x != 0 {
			h[i] = math.Sin(2*math.Pi*cut*x) / (math.Pi * x)
		}
		h[i] *= 0.54 + 0.46*math.Cos(2*math.Pi*x/taps)
		sum += h[i]
	}
	out := make([]int16, len(in)/2)
	for o := range out {
		y := 0.0
		for i, c := range h {
			if at := 2*o + i - taps/2; at >= 0 && at < len(in) {
				y += c * float64(in[at])
			}
		}
		out[o] = int16(y / sum)
	}
	return out
}

// readWAV returns the samples of a 16-bit mono file.
func readWAV(t *testing.T, name string) []int16 {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	samples, err := wavSamples(b)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return samples
}

func writeWAV(t *testing.T, name string, samples []int16) {
	t.Helper()
	const rate = 8000
	size := uint32(2 * len(samples))
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, 36+size)...)
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"...)
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = binary.LittleEndian.AppendUint32(b, 2*rate)
	b = append(b, "\x02\x00\x10\x00data"...)
	b = binary.LittleEndian.AppendUint32(b, size)
	for _, s := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
