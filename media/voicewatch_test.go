package media

import (
	"slices"
	"testing"
	"time"
)

func TestVoiceIsWatched(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		b.WatchVoice(2 * time.Second)
		quiet := make([]int16, 8000)
		voice := spoken(8000, 8000)
		time.Sleep(5 * time.Second) // nothing comes at all: told once
		b.peer.say(slices.Concat(voice, voice, quiet, voice, quiet, quiet, quiet, quiet, voice))
		time.Sleep(5 * time.Second)
		b.WatchVoice(0)
		b.peer.say(voice)
		want := []EventKind{EventSilence, EventFirstRTP, EventVoice, EventVoiceEnd, EventVoice, EventVoiceEnd, EventSilence, EventVoice, EventVoiceEnd, EventSilence}
		if got := b.kinds(); !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
		b.do(func(m *stream) {
			if m.ear != nil {
				t.Error("it still listens")
			}
		})
	})
}
