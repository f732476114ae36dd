package media

import (
	"encoding/binary"
	"time"
)

// Report blocks of RFC 3611 that we know.
const (
	xrReceiverTime = 4 // §4.4: asks for the round trip of one who sends no sound
	xrDLRR         = 5 // §4.5: its answer
	xrVoIP         = 7 // §4.7
)

// receiverTime is a time that the peer wants to see again.
type receiverTime struct {
	ssrc, ntp uint32 // who asked, and the middle 32 bits of its NTP time
	at        time.Time
}

// far is what the peer says about our stream.
type far struct {
	known  bool
	lost   uint64  // packets in all
	share  float64 // of the packets of its last interval
	jitter time.Duration
	mos    float64 // RFC 3611 §4.7.5; 0: it does not say
}

// readXR walks the blocks of an extended report (RFC 3611 §2) behind its header's first
// word: the sender's SSRC, then type, specific, length and content of each block.
func (m *stream) readXR(b []byte) {
	from := binary.BigEndian.Uint32(b)
	for b = b[4:]; len(b) >= 4; {
		size := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if size > len(b) {
			return
		}
		switch block := b[:size]; {
		case block[0] == xrReceiverTime && size == 12:
			m.report.asked = receiverTime{from, uint32(binary.BigEndian.Uint64(block[4:]) >> 16), m.now()}
		case block[0] == xrVoIP && size == 36 && binary.BigEndian.Uint32(block[4:]) == m.tx.ssrc:
			// §4.7.5: MOS-LQ times 10; 127 says that it is not known.
			if v := block[26]; v >= 10 && v <= 50 {
				m.report.far.known, m.report.far.mos = true, float64(v)/10
			}
		}
		b = b[size:]
	}
}

// answerReceiverTime appends a DLRR block for the peer's last question, once
// (RFC 3611 §4.5).
func (m *stream) answerReceiverTime(b []byte) []byte {
	q := m.report.asked
	if q.at.IsZero() {
		return b
	}
	m.report.asked = receiverTime{}
	from := len(b)
	b = rtcpHeader(b, rtcpXR, m.tx.ssrc)
	b = append(b, xrDLRR, 0, 0, 3)
	b = binary.BigEndian.AppendUint32(b, q.ssrc)
	b = binary.BigEndian.AppendUint32(b, q.ntp)
	b = binary.BigEndian.AppendUint32(b, uint32(m.now().Sub(q.at)*65536/time.Second))
	return endRTCP(b, from)
}
