package media

import (
	"time"
)

// Source is something to play: a Clip, a tone, silence. Sources are immutable; any number
// of sessions may play one at once.
type Source interface {
	// track is the source in one format, shared by all who play it; it is made, not yet
	// encoded, by the first who asks.
	track(f *format) *track
}

// Silence is so much silence.
func Silence(d time.Duration) Source { return silence(d) }

type silence time.Duration

func (s silence) track(f *format) *track {
	return silentTrack(int(max(0, time.Duration(s)/time.Millisecond)) * f.perMs)
}
