package tone

import (
	"errors"
	"math"
	"time"
)

// fade is how long a tone swells and dies away, so that it does not click.
const fade = 5 * time.Millisecond

// ErrEndless says that a tone without an end cannot be rendered as a whole.
var ErrEndless = errors.New("tone has no end")

// Generator plays a tone once through. It is not safe for concurrent use.
type Generator struct {
	steps []Step
	rate  float64
	i     int // step
	pos   int // sample within it
	len   int // samples of it, or -1
	wave  [maxTones]struct{ phase, turn float64 }
	n     int // tones in wave
	amp   float64
	up    bool // it swells: the step before sounded otherwise
	down  bool
}

// NewGenerator starts a tone at a sample rate in Hz.
func NewGenerator(s *Spec, rate int) *Generator {
	g := &Generator{steps: s.Steps, rate: float64(rate)}
	g.enter()
	return g
}

// Reset starts the tone again from its beginning.
func (g *Generator) Reset() {
	g.i = 0
	g.enter()
}

func (g *Generator) enter() {
	if g.i >= len(g.steps) {
		return
	}
	s := g.steps[g.i]
	g.pos, g.len = 0, -1
	if s.For > 0 {
		g.len = g.samples(s.For)
	}
	g.up = g.i == 0 || !s.same(g.steps[g.i-1])
	g.down = s.For > 0 && (g.i == len(g.steps)-1 || !s.same(g.steps[g.i+1]))
	if !g.up {
		return // it goes on in phase
	}
	g.n = min(len(s.Hz), maxTones)
	for k, hz := range s.Hz[:g.n] {
		g.wave[k].phase, g.wave[k].turn = 0, 2*math.Pi*hz/g.rate
	}
	// The sum of n tones with the power of one sine of that level.
	g.amp = math.MaxInt16 * math.Pow(10, s.Level/20) / math.Sqrt(float64(max(1, g.n)))
}

func (g *Generator) samples(d time.Duration) int {
	return int(math.Round(d.Seconds() * g.rate))
}

// Read fills dst and returns the number of samples; fewer than len(dst) only at the end.
func (g *Generator) Read(dst []int16) int {
	n := 0
	for n < len(dst) && g.i < len(g.steps) {
		count := len(dst) - n
		if g.len >= 0 {
			count = min(count, g.len-g.pos)
		}
		g.sound(dst[n : n+count])
		n += count
		g.pos += count
		if g.len >= 0 && g.pos == g.len {
			g.i++
			g.enter()
		}
	}
	return n
}

func (g *Generator) sound(dst []int16) {
	if g.n == 0 {
		clear(dst)
		return
	}
	for i := range dst {
		v := 0.0
		for k := range g.n {
			w := &g.wave[k]
			v += math.Sin(w.phase)
			if w.phase += w.turn; w.phase > 2*math.Pi {
				w.phase -= 2 * math.Pi
			}
		}
		v = math.Round(v * g.amp * g.envelope(g.pos+i))
		dst[i] = int16(max(math.MinInt16, min(math.MaxInt16, v)))
	}
}

// envelope is a raised cosine at those ends of a step where the sound changes.
func (g *Generator) envelope(pos int) float64 {
	ramp := g.samples(fade)
	if g.len >= 0 {
		ramp = min(ramp, g.len/2)
	}
	at := ramp
	if g.up {
		at = min(at, pos)
	}
	if g.down {
		at = min(at, g.len-1-pos)
	}
	if at >= ramp {
		return 1
	}
	return (1 - math.Cos(math.Pi*float64(at)/float64(ramp))) / 2
}

// Render is one period of the tone as PCM; ErrEndless if it has none.
func (s *Spec) Render(rate int) ([]int16, error) {
	d, endless := s.Duration()
	if endless {
		return nil, ErrEndless
	}
	g := NewGenerator(s, rate)
	pcm := make([]int16, g.samples(d)+len(s.Steps)) // each step is rounded by itself
	return pcm[:g.Read(pcm)], nil
}
