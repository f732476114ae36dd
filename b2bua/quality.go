package b2bua

import (
	"fmt"

	"tandem/media"
)

// How a listener would grade a call (the E-model's MOS) when it becomes worth a line in the
// timeline, and when it is well again. In between nothing is told, or it would flap.
const (
	poorMOS = 3.1
	fairMOS = 3.6
)

// judge notes when a far end begins to be heard badly, and when that has passed.
func (l *Leg) judge(q media.Quality) {
	c := l.call()
	l.quality = q
	if q.Expected == 0 || l.state != legAnswered {
		return
	}
	switch {
	case !l.poor && q.MOS < poorMOS:
		l.poor = true
		c.note(l.name(), "media", fmt.Sprintf("heard badly: MOS %.1f, %.1f%% lost, jitter %d ms", q.MOS, lossOf(q), q.Jitter.Milliseconds()))
	case l.poor && q.MOS > fairMOS:
		l.poor = false
		c.note(l.name(), "media", fmt.Sprintf("heard well again: MOS %.1f", q.MOS))
	}
}

// lossOf is in per cent.
func lossOf(q media.Quality) float64 { return 100 * float64(q.Lost) / float64(q.Expected) }
