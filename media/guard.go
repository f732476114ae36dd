package media

import (
	"slices"

	"tandem/media/srtp"
)

// guard encrypts and decrypts a stream's packets; a stream without one is plain. Its worker
// owns it. Until a handshake has brought keys, nothing comes in and nothing goes out.
type guard struct {
	agreed   *security
	out      *srtp.Sender   // nil: no keys yet
	in       *srtp.Receiver // as out
	dtls     *association   // nil: none, or none yet
	attempts int            // associations begun
}

// protect takes what has been agreed on about encryption. A key that has not changed keeps its
// counters: to begin them anew would encrypt twice with one key stream.
func (m *stream) protect(sec *security) {
	old := m.guard
	if old != nil && sec != nil && old.agreed.sameHandshake(sec) {
		old.agreed = sec
		return
	}
	if old != nil && old.dtls != nil {
		old.dtls.pipe.Close()
	}
	if m.guard = nil; sec == nil {
		return
	}
	m.guard = &guard{agreed: sec}
	if sec.keying == keyingDTLS {
		return
	}
	if old == nil || old.agreed.keying != keyingSDES {
		old = &guard{agreed: &security{}}
	}
	if m.guard.out = old.out; old.agreed.send != sec.send {
		m.guard.out = srtp.NewSender(sec.send)
	}
	if m.guard.in = old.in; old.agreed.receive != sec.receive {
		m.guard.in = srtp.NewReceiver(sec.receive)
	}
}

// shakeHands begins the handshake where that is ours to do, once there is somewhere to send it.
func (m *stream) shakeHands() {
	g := m.guard
	if g != nil && g.agreed.active && g.dtls == nil && g.attempts < maxAttempts && m.remote().IsValid() {
		m.beginDTLS(m.remote(), m.latch.rank(m.remote()))
	}
}

// unguard ends the association with the stream.
func (m *stream) unguard() {
	if m.guard != nil && m.guard.dtls != nil {
		m.guard.dtls.pipe.Close()
	}
}

// sameHandshake tells whether two exchanges mean the same DTLS association (RFC 8842 §4).
func (s *security) sameHandshake(o *security) bool {
	return s.keying == keyingDTLS && o.keying == keyingDTLS && s.active == o.active &&
		slices.EqualFunc(s.fingerprints, o.fingerprints, sameFingerprint)
}

// openRTP opens a received packet in place; nil if it is nothing of the peer's.
func (m *stream) openRTP(b []byte) []byte {
	if m.guard == nil {
		return b
	}
	if m.guard.in == nil {
		return nil
	}
	n, err := m.guard.in.RTP(b)
	if err != nil {
		m.count.forged++
		return nil
	}
	return b[:n]
}

// openRTCP is openRTP for RTCP.
func (m *stream) openRTCP(b []byte) []byte {
	if m.guard == nil {
		return b
	}
	if m.guard.in == nil {
		return nil
	}
	n, err := m.guard.in.RTCP(b)
	if err != nil {
		m.count.forged++
		return nil
	}
	return b[:n]
}

// sealRTP encrypts a packet of ours in place; there is room for it behind b. nil if it must
// not be sent.
func (m *stream) sealRTP(b []byte) []byte {
	if m.guard == nil {
		return b
	}
	if m.guard.out == nil {
		return nil
	}
	n := m.guard.out.RTP(b[:len(b)+srtp.Overhead], len(b))
	return b[:n]
}

// sealRTCP is sealRTP for RTCP.
func (m *stream) sealRTCP(b []byte) []byte {
	if m.guard == nil {
		return b
	}
	if m.guard.out == nil {
		return nil
	}
	n := m.guard.out.RTCP(b[:len(b)+srtp.Overhead], len(b))
	return b[:n]
}

// txSize is the size of a buffer in which a packet can be encrypted.
const txSize = maxPacket + srtp.Overhead

// secured is how the stream's keys were agreed on, as the records say it.
func (m *stream) secured() keying {
	if m.guard == nil {
		return keyingOff
	}
	return m.guard.agreed.keying
}
