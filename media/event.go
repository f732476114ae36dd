package media

import (
	"net/netip"
	"time"
)

// EventKind is what happened on a session.
type EventKind uint8

// The kinds of events.
const (
	EventDigit    EventKind = iota + 1 // a key has been pressed: Digit
	EventDigitEnd                      // and let go: Digit, and how long it was held in Duration
	EventFirstRTP                      // the first packet from the latched peer: Remote
	EventPlayed                        // a Playback (also of SendDTMF) has ended: Playback
	EventRecorded                      // a Recording has ended: Recording; its Done follows when the file is complete
	EventTimeout                       // nothing has come for SessionOptions.Timeout: Duration
	EventFailed                        // a fault of ours has ended the session
	EventQuality                       // how well the leg has been heard of late: Quality
	EventVoice                         // the peer has begun to speak; see Session.WatchVoice
	EventVoiceEnd                      // and stopped
	EventSilence                       // it has been silent for as long as was asked: Duration
)

func (k EventKind) String() string {
	names := [...]string{"", "digit", "digit end", "first rtp", "played", "recorded", "timeout", "failed", "quality", "voice", "voice end", "silence"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Event is handed to SessionOptions.OnEvent, in order, by the session's worker.
type Event struct {
	Kind      EventKind
	At        time.Time
	Digit     byte // 0-9 * # A-D
	Duration  time.Duration
	Remote    netip.AddrPort
	Playback  *Playback
	Recording *Recording
	Quality   Quality
}
