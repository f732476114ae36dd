package media

import (
	"math"
	"time"

	"tandem/media/rtp"
)

// impairment is what a codec costs on the scale of the E-model: its own distortion (Ie) and
// how well it bears random loss (Bpl), and the rating of a perfect call on its scale.
type impairment struct{ best, ie, bpl float64 }

// impairmentOf knows the codecs by ITU-T G.113: appendix I has G.711 with concealment, which
// phones and our own decoders do, appendix IV G.722 at 64 kbit/s on the wideband scale of
// G.107.1. For Opus there is no value of the ITU's: at the rates of calls listeners put it
// above G.722, and its decoder conceals as well as that of G.711.
func impairmentOf(codec string) impairment {
	switch codec {
	case "G722":
		return impairment{wideband, 13, 14}
	case "opus", "OPUS":
		return impairment{wideband, 8, 25.1}
	}
	return impairment{narrowband, 0, 25.1}
}

const (
	narrowband = 93.2 // ITU-T G.107
	wideband   = 129  // ITU-T G.107.1
)

// mos estimates how a listener would grade what was received, by a reduced E-model: the
// codec, its loss, and the delay. 1 is bad, 4.5 the best; 0: nothing came.
func mos(codec string, t rtp.Totals, jitter, rtt time.Duration) float64 {
	if t.Expected == 0 {
		return 0
	}
	c := impairmentOf(codec)
	// One way: half the round trip, a jitter buffer of twice the jitter, a packet of 20 ms.
	delay := float64(rtt/2+2*jitter)/float64(time.Millisecond) + 20
	r := c.best - 0.024*delay
	if delay > 177.3 {
		r -= 0.11 * (delay - 177.3)
	}
	loss := 100 * float64(t.Lost) / float64(t.Expected)
	// G.107 §3.5: the more the codec has spoilt already, the less loss can add.
	r -= c.ie + (95-c.ie)*loss/(loss+c.bpl)
	if c.best == wideband { // G.107.1 §7.5: the same grades for a longer scale
		r /= 1.29
	}
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	}
	m := 1 + 0.035*r + r*(r-60)*(100-r)*7e-6
	return math.Round(max(1, m)*100) / 100
}
