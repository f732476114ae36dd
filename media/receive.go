package media

import (
	"net/netip"

	"tandem/media/rtp"
)

// receive takes one datagram of the RTP port.
func (m *stream) receive(b []byte, from netip.AddrPort) {
	switch rtp.Classify(b) { // RFC 7983
	case rtp.RTCP: // RFC 5761: multiplexed
		m.receiveRTCP(b, from)
		return
	case rtp.STUN:
		m.receiveSTUN(b, from, false)
		return
	}
	if m.p == nil {
		return // nobody has been told to send yet
	}
	if b = m.openRTP(b); b == nil {
		return
	}
	h, err := rtp.Parse(b)
	if err != nil || rtp.Classify(b) != rtp.RTP {
		m.count.malformed++
		return
	}
	meaning := m.meaning(h.PayloadType)
	if !m.latch.accept(from, h, meaning.kind != payloadUnknown, m.now()) {
		m.count.strangers++
		return
	}
	if meaning.kind == payloadUnknown {
		m.count.malformed++
		return
	}
	m.accepted(b, h, meaning)
}

// accepted works on a packet of the peer's.
func (m *stream) accepted(b []byte, h rtp.Header, meaning inbound) {
	rate := 0 // packets of one event share a timestamp: they tell nothing of jitter
	if meaning.kind == payloadAudio {
		rate = meaning.format.ClockRate
	}
	verdict := m.rx.Receive(h, m.arrival(), rate)
	m.count.rxPackets++
	m.count.rxBytes += uint64(len(b))
	m.last = m.now()
	if m.count.rxPackets == 1 {
		m.first = m.now()
		m.emit(Event{Kind: EventFirstRTP, Remote: m.remote()})
	}
	if verdict == rtp.Duplicate || verdict == rtp.Suspect {
		return
	}
	payload := h.Payload(b)
	m.hearPacket(h, payload, meaning, verdict == rtp.Restarted)
	switch meaning.kind {
	case payloadEvent:
		m.hear(h, payload)
	case payloadAudio:
		if m.record != nil {
			m.record.take(h, payload, meaning.format)
		}
	}
	if m.peer != nil && m.known.receives {
		m.peer.relay(m, h, payload, meaning, verdict == rtp.Restarted)
	}
}

// relay sends a packet of from's peer on to ours. Whatever this leg is being played goes
// first.
func (m *stream) relay(from *stream, h rtp.Header, payload []byte, meaning inbound, restarted bool) {
	if m.p == nil || !m.known.sends || m.play != nil || len(m.keys) > 0 || m.ended {
		return
	}
	if len(payload) > maxPacket-rtp.HeaderSize {
		return
	}
	var ok bool
	out := m.worker.tx[rtp.HeaderSize:]
	switch meaning.kind {
	case payloadAudio:
		ok = m.convert(out, payload, meaning.format)
		h.PayloadType = m.known.payload
	case payloadEvent:
		ok = m.known.event != noPayload
		h.PayloadType = m.known.event
		copy(out, payload)
	}
	if !ok {
		return
	}
	length := uint32(0)
	if meaning.kind == payloadAudio {
		length = uint32(len(payload))
	}
	if h, ok = m.tx.relay(from, h, restarted, length, m.now(), m.known.format.ClockRate); ok {
		m.send(h, len(payload))
	}
}
