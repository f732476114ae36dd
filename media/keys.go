package media

import (
	"errors"
	"fmt"
	"time"

	"tandem/media/dtmf"
	"tandem/media/rtp"
)

// ErrNoEvents says that the leg's digits travel by SIP INFO.
var ErrNoEvents = errors.New("media: this leg's digits go by SIP INFO")

// keyJob is the worker's side of one SendDTMF.
type keyJob struct {
	playback *Playback
	digits   string
	sender   *dtmf.Sender // nil until it is its turn
	tones    *player      // of digits in the audio; else nil
}

// SendDTMF presses keys by RFC 4733, or in the audio (see DTMF): 0-9 * # A-D, ! for a flash;
// a comma waits 1 s. What plays meanwhile pauses. Keys of several calls follow each other.
// The Err of the result tells of a character that is no key, or ErrNoEvents.
func (s *Session) SendDTMF(digits string) *Playback {
	b := newPlayback(s)
	if _, err := dtmf.NewSender(digits, dtmf.SendOptions{}); err != nil {
		b.end(fmt.Errorf("media: %w", err))
		return b
	}
	job := &keyJob{playback: b, digits: digits}
	if s.DTMF() == DTMFInband {
		b.sources = []Source{keyTones(digits)}
		job.tones = b.player(0)
	}
	if !s.post(func(m *stream) { m.queueKeys(job) }) {
		b.end(ErrClosed)
	}
	return b
}

func (m *stream) queueKeys(job *keyJob) {
	if m.ended {
		job.playback.end(ErrClosed)
		return
	}
	m.keys = append(m.keys, job)
	m.startFrames()
}

// keyFrame gives the first job its frame; false when no job is left.
func (m *stream) keyFrame() bool {
	for len(m.keys) > 0 {
		job := m.keys[0]
		if job.sender == nil && job.tones == nil && m.now().Before(m.passing) {
			return true // the first key would be taken for the one that passes
		}
		err := m.beginKeys(job)
		if err == nil && m.keyJobFrame(job) {
			return true
		}
		m.keys = m.keys[1:]
		m.finish(job.playback, err)
	}
	m.keys = nil
	return false
}

// keyJobFrame sends what the digits need in this frame; false when they are over.
func (m *stream) keyJobFrame(job *keyJob) bool {
	if job.sender == nil {
		return m.toneFrame(job.tones)
	}
	return m.keyPacket(job.sender)
}

// beginKeys makes ready what the mode demands that has been agreed on by now.
func (m *stream) beginKeys(job *keyJob) (err error) {
	if job.sender != nil {
		return nil
	}
	switch mode := m.keyMode(); {
	case mode == DTMFInfo:
		return ErrNoEvents
	case mode == DTMFInband && job.tones != nil:
		return nil
	case mode == DTMFInband: // agreed on after SendDTMF
		job.tones = &player{playback: job.playback, sources: []Source{keyTones(job.digits)}}
		job.tones.load(m.session.engine, m.p.format)
		return nil
	}
	job.tones = nil
	job.sender, err = dtmf.NewSender(job.digits, dtmf.SendOptions{
		ClockRate: m.p.eventClock, Frame: m.frameTime(),
	})
	return err
}

// keyPacket sends what the digits need in this frame; false when they are over.
func (m *stream) keyPacket(k *dtmf.Sender) bool {
	f := m.p.format
	stamp := m.tx.passes(fromKeys, f.FrameTicks(m.p.frameMs), m.now(), f.ClockRate)
	out, send, done := k.Next(stamp)
	if send && m.p.sends {
		copy(m.worker.tx[rtp.HeaderSize:], out.Payload[:])
		h := rtp.Header{PayloadType: m.p.event, Timestamp: out.Timestamp, Marker: out.Marker}
		m.send(m.tx.number(h), len(out.Payload))
	}
	return !done
}

// keyPasses notes that a key of the peer's goes by, until its end or as long as it goes on.
func (m *stream) keyPasses(payload []byte) {
	m.passing = m.now().Add(eventQuiet)
	if len(payload) > 1 && payload[1]&0x80 != 0 { // the end; its repetitions follow at once
		m.passing = m.now().Add(eventQuiet / 3)
	}
}

func (m *stream) stopKeys(b *Playback) {
	for i, job := range m.keys {
		if job.playback == b {
			m.keys = append(m.keys[:i:i], m.keys[i+1:]...)
			m.finish(b, ErrStopped)
			return
		}
	}
}

func (m *stream) endKeys(err error) {
	for _, job := range m.keys {
		m.finish(job.playback, err)
	}
	m.keys = nil
}

// hearing turns the peer's telephone-events into digits.
type hearing struct {
	receiver dtmf.Receiver
	keys     [8]dtmf.Key // room for one packet's, so that none allocates
	lost     timer
}

// lostCheck is how often we look whether the end of a held key has been lost.
const lostCheck = 100 * time.Millisecond

func (h *hearing) init(m *stream) {
	h.lost = timer{stream: m, run: (*stream).expireKey}
}

func (m *stream) hear(h rtp.Header, payload []byte, clock int) {
	r := &m.hearing
	m.tellKeys(r.receiver.Receive(r.keys[:0], dtmf.Packet{
		Sequence: h.Sequence, Timestamp: h.Timestamp, SSRC: h.SSRC, Marker: h.Marker,
		Payload: payload, ClockRate: clock, At: m.arrival(),
	}))
	if r.receiver.Down() && !r.lost.armed() {
		m.arm(&r.lost, m.now().Add(lostCheck))
	}
}

func (m *stream) expireKey() {
	r := &m.hearing
	m.tellKeys(r.receiver.Expire(r.keys[:0], m.arrival()))
	if r.receiver.Down() {
		m.arm(&r.lost, m.now().Add(lostCheck))
	}
}

func (m *stream) tellKeys(keys []dtmf.Key) {
	for _, k := range keys {
		e := Event{Kind: EventDigit, Digit: k.Digit}
		if k.Released {
			e.Kind, e.Duration = EventDigitEnd, k.Duration
		} else {
			m.count.keys++
		}
		m.emit(e)
	}
}
