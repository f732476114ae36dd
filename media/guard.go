package media

import (
	"tandem/media/srtp"
)

// guard encrypts and decrypts a stream's packets; a stream without one is plain. Its worker
// owns it.
type guard struct {
	agreed *security
	out    *srtp.Sender
	in     *srtp.Receiver
}

// protect takes what has been agreed on about encryption. A key that has not changed keeps its
// counters: to begin them anew would encrypt twice with one key stream.
func (m *stream) protect(sec *security) {
	if sec == nil {
		m.guard = nil
		return
	}
	old := m.guard
	m.guard = &guard{agreed: sec}
	if old != nil && old.out != nil && old.agreed.send == sec.send {
		m.guard.out = old.out
	} else {
		m.guard.out = srtp.NewSender(sec.send)
	}
	if old != nil && old.in != nil && old.agreed.receive == sec.receive {
		m.guard.in = old.in
	} else {
		m.guard.in = srtp.NewReceiver(sec.receive)
	}
}

// openRTP opens a received packet in place; nil if it is nothing of the peer's.
func (m *stream) openRTP(b []byte) []byte {
	if m.guard == nil {
		return b
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
	n := m.guard.out.RTP(b[:len(b)+srtp.Overhead], len(b))
	return b[:n]
}

// sealRTCP is sealRTP for RTCP.
func (m *stream) sealRTCP(b []byte) []byte {
	if m.guard == nil {
		return b
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
