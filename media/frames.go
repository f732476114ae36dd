package media

import (
	"time"

	"tandem/media/codec"
)

// maxCatchUp is how many frames a late worker makes up for at once; the rest is given up.
const maxCatchUp = 3

// startFrames sets the clock of what we make ourselves going, if there is something.
func (m *stream) startFrames() {
	if m.frame.armed() || m.ended || m.p == nil || m.maker() == fromNobody {
		return
	}
	// A frame may have gone out just now: the stream keeps its pace.
	m.due = m.now()
	if next := m.tx.at.Add(m.frameTime()); m.tx.origin != fromPeer && next.After(m.due) {
		m.due = next
	}
	if m.due.After(m.now()) {
		m.arm(&m.frame, m.due)
		return
	}
	m.tick()
}

func (m *stream) frameTime() time.Duration { return time.Duration(m.p.frameMs) * time.Millisecond }

// maker is who has something to send at this moment.
func (m *stream) maker() origin {
	switch {
	case len(m.keys) > 0:
		return fromKeys
	case m.play != nil:
		return fromPlayback
	case m.voice != nil:
		return fromVoice
	case m.keep && m.peer == nil && m.member == nil:
		return fromSilence
	}
	return fromNobody
}

// tick makes the frames that are due and sets the clock to the next.
func (m *stream) tick() {
	if m.p == nil {
		return
	}
	for range maxCatchUp {
		if !m.makeFrame() {
			m.tx.pause()
			return
		}
		m.due = m.due.Add(m.frameTime())
		if m.due.After(m.now()) {
			m.arm(&m.frame, m.due)
			return
		}
	}
	missed := m.now().Sub(m.due)/m.frameTime() + 1
	m.count.skipped += uint64(missed)
	m.due = m.due.Add(missed * m.frameTime())
	m.arm(&m.frame, m.due)
}

// makeFrame sends one frame of whoever is next; false if nobody has anything.
func (m *stream) makeFrame() bool {
	if len(m.keys) > 0 && m.keyFrame() {
		return true
	}
	if m.play != nil && m.playFrame() {
		return true
	}
	if m.voice != nil && m.voiceFrame() {
		return true
	}
	if m.keep && m.peer == nil && m.member == nil {
		m.silenceFrame(fromSilence)
		return true
	}
	m.tx.pause()
	return m.voice != nil // which may have something to say in the next
}

func (m *stream) setKeepAlive(on bool) {
	m.keep = on
	m.startFrames()
}

// payload is where a frame's payload goes in the worker's buffer.
func (m *stream) payload() []byte {
	const header = 12
	return m.worker.tx[header : header+m.p.frameMs*m.p.format.perMs]
}

func (m *stream) silenceFrame(o origin) {
	b := m.payload()
	m.p.format.hush(b)
	m.sendFrame(o, len(b))
}

// sendFrame numbers and sends what lies in the worker's buffer, if the peer will hear it.
func (m *stream) sendFrame(o origin, n int) {
	if !m.p.sends {
		m.tx.pause()
		return
	}
	f := m.p.format
	if f.packed {
		n = codec.PackOpus(m.payload()[:n])
	}
	h := m.tx.frame(o, m.p.payload, f.FrameTicks(m.p.frameMs), m.now(), f.ClockRate)
	m.send(h, n)
}
