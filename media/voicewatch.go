package media

import (
	"time"

	"tandem/media/vad"
)

// voiceWatch tells when the peer begins to speak, when it stops, and when it has been silent
// for long.
type voiceWatch struct {
	voice vad.Detector
	after time.Duration
	quiet time.Duration
}

// WatchVoice makes the session listen to the peer from now on, and emit EventVoice,
// EventVoiceEnd and, once each time it has been silent for so long, EventSilence. 0 ends it.
// While it lasts, what the peer sends is decoded.
func (s *Session) WatchVoice(silence time.Duration) {
	s.post(func(m *stream) { m.watchVoice(silence) })
}

func (m *stream) watchVoice(silence time.Duration) {
	if m.watching != nil {
		m.unlisten(m.watching)
		m.watching = nil
	}
	if silence <= 0 || m.ended {
		return
	}
	w := &voiceWatch{after: silence}
	w.voice.Init(vad.Options{Rate: rate8.hz()})
	m.watching = w
	m.listen(w, rate8)
}

func (w *voiceWatch) hear(m *stream, f *pcmFrame) {
	was, now := w.voice.Speaking(), false
	if f.kind == frameNothing {
		now = w.voice.Skip(frameTime)
	} else {
		now = w.voice.Write(f.pcm)
	}
	switch {
	case now && !was:
		m.emit(Event{Kind: EventVoice})
	case was && !now:
		m.emit(Event{Kind: EventVoiceEnd})
	}
	if now {
		w.quiet = 0
		return
	}
	before := w.quiet
	w.quiet += frameTime
	if before < w.after && w.quiet >= w.after {
		m.emit(Event{Kind: EventSilence, Duration: w.quiet})
	}
}
