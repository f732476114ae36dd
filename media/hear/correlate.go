// Package hear compares the audio that was heard with the audio that was sent. It is made
// for tests and diagnostics: exact rather than fast.
package hear

import (
	"math"
	"math/cmplx"
)

// Match is where and how well one sound was found in another.
type Match struct {
	Offset int     // samples into the heard sound where the sent one begins; may be negative
	Score  float64 // correlation from -1 to 1; 1 is the same wave at any loudness
}

// Correlate slides sent over heard and returns the best fit. Only offsets where at least
// half of the shorter one overlaps count. Sounds without energy score 0.
func Correlate(heard, sent []int16) Match {
	return newEar(heard, len(sent)).correlate(sent)
}

// ear holds what is the same for every sound that is looked for in one that was heard.
type ear struct {
	n        int // samples heard
	fourier  fourier
	spectrum []complex128
	energy   []int64
}

// newEar prepares for sounds of at most longest samples.
func newEar(heard []int16, longest int) *ear {
	e := &ear{n: len(heard), fourier: newFourier(len(heard) + longest), energy: energies(heard)}
	e.spectrum = make([]complex128, e.fourier.size)
	for i, s := range heard {
		e.spectrum[i] = complex(float64(s), 0)
	}
	e.fourier.transform(e.spectrum)
	return e
}

func (e *ear) correlate(sent []int16) Match {
	least := (min(e.n, len(sent)) + 1) / 2
	if least == 0 {
		return Match{}
	}
	energy := energies(sent)
	best := Match{}
	for k, dot := range e.products(sent) {
		off := k - (len(sent) - 1)
		from, to := max(0, off), min(e.n, off+len(sent))
		if to-from < least {
			continue
		}
		eh := e.energy[to] - e.energy[from]
		es := energy[to-off] - energy[from-off]
		if eh == 0 || es == 0 {
			continue
		}
		if score := dot / math.Sqrt(float64(eh)*float64(es)); score > best.Score {
			best = Match{Offset: off, Score: min(1, score)}
		}
	}
	return best
}

// energies holds the sums of squares of the first i samples; integers, for differences of
// floats would make a pause loud.
func energies(pcm []int16) []int64 {
	sum := make([]int64, len(pcm)+1)
	for i, s := range pcm {
		sum[i+1] = sum[i] + int64(s)*int64(s)
	}
	return sum
}

// products is the sum of products at every offset, the first with one sample of overlap.
func (e *ear) products(sent []int16) []float64 {
	x := make([]complex128, e.fourier.size)
	for i, s := range sent { // reversed: a convolution that correlates
		x[len(sent)-1-i] = complex(float64(s), 0)
	}
	e.fourier.transform(x)
	for i, h := range e.spectrum {
		x[i] = cmplx.Conj(x[i] * h) // the conjugate turns the transform back
	}
	e.fourier.transform(x)
	out := make([]float64, e.n+len(sent)-1)
	for i := range out {
		out[i] = real(x[i]) / float64(e.fourier.size)
	}
	return out
}

// fourier is a discrete Fourier transform of one size.
type fourier struct {
	size int
	turn []complex128 // half a circle
}

// newFourier makes a transform of at least n points, a power of 2.
func newFourier(n int) fourier {
	f := fourier{size: 2}
	for f.size < n {
		f.size *= 2
	}
	f.turn = make([]complex128, f.size/2)
	for k := range f.turn {
		f.turn[k] = cmplx.Rect(1, -2*math.Pi*float64(k)/float64(f.size))
	}
	return f
}

// transform works in place (Cooley and Tukey).
func (f fourier) transform(x []complex128) {
	n := f.size
	for i, j := 1, 0; i < n; i++ { // bit reversal
		bit := n >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		if j ^= bit; i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for size := 2; size <= n; size *= 2 {
		half, stride := size/2, n/size
		for at := 0; at < n; at += size {
			low, high := x[at:at+half], x[at+half:at+size]
			for k, u := range low {
				v := high[k] * f.turn[k*stride]
				low[k], high[k] = u+v, u-v
			}
		}
	}
}
