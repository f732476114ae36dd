package media

import (
	"time"

	"tandem/media/dtmf"
	"tandem/media/rtp"
	"tandem/media/tone"
)

// DTMF is how the digits of a leg travel.
type DTMF uint8

// The ways of digits.
const (
	DTMFEvents DTMF = iota // telephone-events (RFC 4733), or tones if the peer takes none
	DTMFInfo               // SIP INFO, which is none of media's business
	DTMFInband             // tones in the audio
)

func (d DTMF) String() string { return [...]string{"rfc4733", "info", "inband"}[d] }

// DTMFNamed is the one with that name; DTMFEvents for any other.
func DTMFNamed(name string) DTMF {
	for _, d := range []DTMF{DTMFInfo, DTMFInband} {
		if d.String() == name {
			return d
		}
	}
	return DTMFEvents
}

// settled is the mode of a leg that has agreed on p, which may be nil.
func (d DTMF) settled(p *params) DTMF {
	if d == DTMFEvents && p != nil && p.event == noPayload {
		return DTMFInband
	}
	return d
}

// DTMF is how digits travel on this leg: as SessionOptions say, or in the audio where the
// peer has not agreed on telephone-events.
func (s *Session) DTMF() DTMF {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	return s.opts.DTMF.settled(s.sdp.agreed)
}

func (m *stream) keyMode() DTMF { return m.session.opts.DTMF.settled(m.p) }

// inband hears digits in the peer's audio.
type inband struct {
	detector *dtmf.Detector
	keys     [8]dtmf.Key // room for a frame's, so that none allocates
}

// settleInband begins or ends to listen for digits in the audio. Where nobody has asked for
// them and two such legs are bridged, the tones go through as they are and need no ear.
func (m *stream) settleInband() {
	through := m.session.opts.DTMF == DTMFEvents && m.peer != nil && m.peer != m && m.peer.keyMode() == DTMFInband
	want := m.p != nil && !m.ended && m.keyMode() == DTMFInband && !through
	switch {
	case want && m.inband == nil:
		m.inband = &inband{detector: dtmf.NewDetector(rate8.hz())}
		m.listen(m.inband, rate8)
	case !want && m.inband != nil:
		m.unlisten(m.inband)
		m.inband = nil
	}
}

// hear listens to a frame. What was made up for a loss tells nothing of digits.
func (b *inband) hear(m *stream, f *pcmFrame) {
	if f.kind == frameConcealed {
		m.tellKeys(b.detector.Skip(b.keys[:0], len(f.pcm)))
		return
	}
	m.tellKeys(b.detector.Detect(b.keys[:0], f.pcm))
}

// muffles tells whether what the peer says now is a digit that goes to the other leg by
// another way, so that the other leg must not hear its tone too. Its first moments, until
// it is known to be a digit, cannot be taken back.
func (m *stream) muffles(to *stream) bool {
	return m.inband != nil && m.inband.detector.Down() && to.keyMode() != DTMFInband
}

// hushed makes a packet of n bytes, which waits to be sent, silent; false if that cannot be.
func (m *stream) hushed(n int) bool {
	f := m.known.format
	if f.law != noLaw {
		f.hush(m.worker.tx[rtp.HeaderSize : rtp.HeaderSize+n])
	}
	return f.law != noLaw
}

// How long a digit sounds that we send in the audio, and the silence after it.
const (
	toneTime  = 120 * time.Millisecond
	toneGap   = 80 * time.Millisecond
	tonePause = time.Second // of a comma
)

// keyTones is the sound of digits. A flash has none.
func keyTones(digits string) Source {
	spec := &tone.Spec{}
	for i := range len(digits) {
		if digits[i] == ',' {
			spec.Steps = append(spec.Steps, tone.Step{For: tonePause})
			continue
		}
		if s, err := tone.DTMF(digits[i:i+1], toneTime, toneGap); err == nil {
			spec.Steps = append(spec.Steps, s.Steps...)
		}
	}
	return &toneSource{spec: spec}
}

// toneFrame sends the next frame of digits in the audio; false when they are over.
func (m *stream) toneFrame(p *player) bool {
	if p.over {
		return false
	}
	if p.format != m.p.format {
		p.change(m.session.engine, m.p.format)
	}
	b := m.payload()
	n, starved := p.fill(b)
	if n == 0 && !starved {
		return false
	}
	m.p.format.hush(b[n:])
	m.sendFrame(fromKeys, len(b))
	return true
}
