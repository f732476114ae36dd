package media

import (
	"math"
	"time"

	"tandem/media/rtp"
)

// mos estimates how a listener would grade what was received, by a reduced E-model
// (ITU-T G.107): delay and loss of a G.711 call without concealment (G.113: Ie 0, Bpl 4.3).
func mos(t rtp.Totals, jitter, rtt time.Duration) float64 {
	if t.Expected == 0 {
		return 0
	}
	// One way: half the round trip, a jitter buffer of twice the jitter, a packet of 20 ms.
	delay := float64(rtt/2+2*jitter)/float64(time.Millisecond) + 20
	r := 93.2 - 0.024*delay
	if delay > 177.3 {
		r -= 0.11 * (delay - 177.3)
	}
	loss := 100 * float64(t.Lost) / float64(t.Expected)
	r -= 95 * loss / (loss + 4.3)
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	}
	m := 1 + 0.035*r + r*(r-60)*(100-r)*7e-6
	return math.Round(max(m, 1)*100) / 100
}
