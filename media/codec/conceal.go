package codec

// Concealer fills the gaps that lost packets leave in one stream of PCM: it goes on with the
// last period of the voice, ever more quietly, and is silent after 60 ms (in the manner of
// G.711 Appendix I). Sounds join without a step. Not safe for concurrent use.
type Concealer struct {
	rate    int
	history []int16 // the last sound, the newest at its end
	wave    []int16 // the period being repeated
	pos     int     // in wave
	lost    int     // samples made up since the last real one
}

const (
	concealHistoryMs = 40
	concealFullMs    = 10 // at full loudness
	concealFadeMs    = 60 // silence from here on
	concealJoinMs    = 5  // of cross-fade back to real sound
	pitchLowHz       = 66
	pitchHighHz      = 250
)

// NewConcealer makes one for sound of the given rate in Hz.
func NewConcealer(rate int) *Concealer {
	return &Concealer{rate: rate, history: make([]int16, concealHistoryMs*rate/1000), wave: make([]int16, 0, rate/pitchLowHz+1)}
}

func (c *Concealer) samples(ms int) int { return ms * c.rate / 1000 }

// Heard takes note of real sound and fades it in after a gap; pcm is changed for that.
func (c *Concealer) Heard(pcm []int16) {
	if c.lost > 0 {
		n := min(c.samples(concealJoinMs), len(pcm))
		for i := range n {
			made := int32(c.next())
			pcm[i] = int16((int32(pcm[i])*int32(i) + made*int32(n-i)) / int32(n))
		}
		c.lost = 0
	}
	c.remember(pcm)
}

// Lost makes sound for what did not come.
func (c *Concealer) Lost(dst []int16) {
	if c.lost == 0 {
		c.findPeriod()
	}
	for i := range dst {
		dst[i] = c.next()
	}
	c.remember(dst)
}

// next is the next sample of the repeated period.
func (c *Concealer) next() int16 {
	full, silent := c.samples(concealFullMs), c.samples(concealFadeMs)
	gain := 256
	switch {
	case c.lost >= silent || len(c.wave) == 0:
		gain = 0
	case c.lost > full:
		gain = 256 * (silent - c.lost) / (silent - full)
	}
	c.lost++
	if gain == 0 {
		return 0
	}
	s := int(c.wave[c.pos]) * gain >> 8
	if c.pos++; c.pos == len(c.wave) {
		c.pos = 0
	}
	return int16(s)
}

func (c *Concealer) remember(pcm []int16) {
	if len(pcm) >= len(c.history) {
		copy(c.history, pcm[len(pcm)-len(c.history):])
		return
	}
	copy(c.history, c.history[len(pcm):])
	copy(c.history[len(c.history)-len(pcm):], pcm)
}

// findPeriod looks for the shift at which the end of the history resembles itself most, and
// takes that much of it as the wave, its end blended so that it joins its beginning.
func (c *Concealer) findPeriod() {
	low, high := c.rate/pitchHighHz, c.rate/pitchLowHz
	window := c.samples(concealHistoryMs) - high
	end := len(c.history)
	recent := c.history[end-window:]
	best, period := -1.0, high
	// Every other shift and sample: a voice's pitch is far below that.
	for lag := low; lag <= high; lag += 2 {
		shifted := c.history[end-window-lag : end-lag]
		var dot, energy float64
		for i := 0; i < window; i += 2 {
			dot += float64(recent[i]) * float64(shifted[i])
			energy += float64(shifted[i]) * float64(shifted[i])
		}
		if score := dot * abs(dot) / (energy + 1); score > best {
			best, period = score, lag
		}
	}
	c.wave = append(c.wave[:0], c.history[end-period:]...)
	join := period / 4
	before := c.history[end-period-join : end-period]
	for i := range join {
		at := period - join + i
		c.wave[at] = int16((int32(c.wave[at])*int32(join-i) + int32(before[i])*int32(i)) / int32(join))
	}
	c.pos = 0
}

func abs(v float64) float64 {
	if v < 0 {
		return -v
	}
	return v
}
