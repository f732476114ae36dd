package media

import (
	"net/netip"

	"tandem/media/rtp"
)

// receive takes one datagram of the RTP port.
func (m *stream) receive(b []byte, from netip.AddrPort) {
	if len(b) == maxPacket { // longer than that: what has been cut off is missing
		m.count.malformed++
		return
	}
	if m.opaque != nil {
		m.pass(b, from)
		return
	}
	switch rtp.Classify(b) { // RFC 7983
	case rtp.RTCP: // RFC 5761: multiplexed
		m.receiveRTCP(b, from)
		return
	case rtp.DTLS:
		m.receiveDTLS(b, from)
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
	m.follow(from)
	if !m.latch.accept(from, h, meaning.kind != payloadUnknown, m.now()) {
		m.count.strangers++
		m.stranger = from
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
		m.hear(h, payload, int(meaning.clock))
	case payloadAudio:
		if len(m.tapes) > 0 {
			m.recordPacket(SidePeer, h, payload, meaning.format)
		}
	}
	if m.peer != nil && m.known.receives {
		m.peer.relay(m, h, payload, meaning, verdict == rtp.Restarted)
	}
}

// relay sends a packet of from's peer on to ours.
func (m *stream) relay(from *stream, h rtp.Header, payload []byte, meaning inbound, restarted bool) {
	if !m.relays() || len(payload) > maxPacket-rtp.HeaderSize {
		return
	}
	length := uint32(0)
	switch meaning.kind {
	case payloadAudio:
		if !m.convert(m.worker.tx[rtp.HeaderSize:], payload, meaning.format) {
			if m.coder == nil || m.coder.from != from {
				m.transcode(from)
				from.hearPacket(h, payload, meaning, restarted)
			}
			return
		}
		if from.muffles(m) && !m.hushed(len(payload)) {
			return
		}
		if m.coder != nil {
			m.endTranscode() // the peer has gone back to a codec that both have
		}
		h.PayloadType, length = m.known.payload, m.known.format.ticks(payload)
	case payloadEvent:
		m.keyPasses(payload)
		if m.coder != nil || int(meaning.clock) != m.p.eventClock {
			m.relayEvent(from, h, payload, int(meaning.clock))
			return
		}
		h.PayloadType = m.known.event
		copy(m.worker.tx[rtp.HeaderSize:], payload)
	default:
		return
	}
	if h, ok := m.tx.relay(from, h, restarted, length, m.now(), m.known.format.ClockRate); ok {
		m.send(h, len(payload))
	}
}
