package media

import (
	"encoding/binary"
	"time"

	"tandem/media/dtmf"
	"tandem/media/rtp"
)

// transcoder says on one leg what is heard on the other: for two without a codec in common
// that is not just another law of G.711.
type transcoder struct {
	from, to *stream
	mouth    mouth
}

// transcode begins it, when a packet comes that cannot be sent on as it is.
func (m *stream) transcode(from *stream) {
	if m.coder != nil && m.coder.from == from {
		return
	}
	m.endTranscode()
	rate := m.p.format.pcm
	m.coder = &transcoder{from: from, to: m, mouth: mouth{rate: rate}}
	from.listen(m.coder, rate)
}

func (m *stream) endTranscode() {
	if c := m.coder; c != nil {
		m.coder = nil
		c.from.unlisten(c)
		m.tx.silent()
	}
}

// hear sends on what has come. Where nothing comes, nothing is sent.
func (c *transcoder) hear(_ *stream, f *pcmFrame) {
	m := c.to
	if f.kind == frameNothing || !m.relays() || m.now().Before(m.events.until) {
		m.tx.silent()
		c.mouth.pending = c.mouth.pending[:0]
		return
	}
	if c.from.muffles(m) {
		clear(f.pcm)
	}
	c.mouth.tune(m.p.format)
	c.mouth.take(f.pcm)
	for c.mouth.full(m) {
		c.mouth.say(m, fromVoice)
		m.count.transcoded++
	}
}

// relays tells whether what the bridged leg sends is to be heard now: whatever this leg is
// being played goes first.
func (m *stream) relays() bool {
	return m.p != nil && m.known.sends && m.play == nil && len(m.keys) == 0 && !m.ended
}

// eventRelay gives the telephone-events of a bridged leg with another clock a place in our
// own stream.
type eventRelay struct {
	from  *stream
	in    uint32    // timestamp of the event as it came
	out   uint32    // and as it goes
	until time.Time // no voice is sent before, for it would cut the event in two
}

// eventQuiet is how long after a report of an event the next may come: RFC 4733 §2.5.1.2 has
// them 50 ms apart at most.
const eventQuiet = 60 * time.Millisecond

// relayEvent sends a report of an event on. Its timestamp is when the event began, in our
// stream's time, the same in each report (RFC 4733 §2.2).
func (m *stream) relayEvent(from *stream, h rtp.Header, payload []byte, clock int) {
	r := &m.events
	fresh := r.from != from || h.Timestamp != r.in
	if len(payload) < dtmf.PayloadSize || m.p.event == noPayload || fresh && r.from == from && int32(h.Timestamp-r.in) < 0 &&
		m.now().Before(r.until) {
		return // what is late of the event before
	}
	if fresh {
		r.from, r.in = from, h.Timestamp
		r.out = m.tx.passes(fromEvents, 0, m.now(), m.known.format.ClockRate)
	}
	r.until = m.now().Add(eventQuiet)
	if payload[1]&0x80 != 0 { // the end; its repetitions follow at once
		r.until = m.now().Add(eventQuiet / 3)
	}
	out := m.worker.tx[rtp.HeaderSize:]
	copy(out, payload[:dtmf.PayloadSize])
	length := uint64(binary.BigEndian.Uint16(payload[2:])) * uint64(m.p.eventClock) / uint64(clock)
	binary.BigEndian.PutUint16(out[2:], uint16(min(length, 0xFFFF)))
	m.send(m.tx.number(rtp.Header{PayloadType: m.p.event, Marker: fresh, Timestamp: r.out}), dtmf.PayloadSize)
}
