package b2bua

import (
	"fmt"
	"time"

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

// lateRTP is how long after the answer the first packet may come before callers say "hello?".
const lateRTP = time.Second

// lateness tells of a far end whose first packet came long after the answer.
func (l *Leg) lateness(e media.Event) string {
	if l.rec.answered.IsZero() {
		return ""
	}
	if d := e.At.Sub(l.rec.answered); d > lateRTP {
		return fmt.Sprintf(" late, %.1f s after the answer,", d.Seconds())
	}
	return ""
}

// tellUnheard says of a leg from which nothing came where it had promised to be, and from
// where packets came instead.
func (l *Leg) tellUnheard() {
	st := l.rec.stats
	if l.direct || !oneWay(l, st) {
		return
	}
	private := ""
	if st.Promised.Addr().IsPrivate() {
		private = "a private address, "
	}
	instead := "and no packets came from anywhere"
	if st.Stranger.IsValid() {
		instead = fmt.Sprintf("and %d packets from others, such as %s, were not taken for its", st.Strangers, st.Stranger)
	}
	l.call().note(l.name(), "media", fmt.Sprintf("nothing was heard from it: it promised %s, %s%s", st.Promised, private, instead))
}
