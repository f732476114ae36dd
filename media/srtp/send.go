package srtp

import "encoding/binary"

// Sender protects what one side sends: one stream and its RTCP.
type Sender struct {
	profile   Profile
	rtp, rtcp *session
	ssrc      uint32
	at        place
	index     uint32 // of the last RTCP packet
}

// NewSender derives the session keys of a master key that is ours alone.
func NewSender(m Master) *Sender {
	return &Sender{profile: m.Profile, rtp: newSession(m, labelRTP), rtcp: newSession(m, labelRTCP)}
}

// RTP protects the packet b[:n] in place and returns its new length; b has Overhead bytes
// more than n. Sequence numbers may come a little out of order, of one SSRC at a time. 0 means
// that it must not be sent: it is no packet, its number has been used (two packets with one
// index give each other away, RFC 3711 §9.1), or the key is used up (§9.2).
func (s *Sender) RTP(b []byte, n int) int {
	start, ok := payloadAt(b[:n])
	if !ok {
		return 0
	}
	ssrc := binary.BigEndian.Uint32(b[8:])
	if ssrc != s.ssrc {
		s.ssrc, s.at = ssrc, place{}
	}
	index := s.at.guess(binary.BigEndian.Uint16(b[2:]))
	if index >= 1<<48-1 || !s.at.fresh(index) {
		return 0
	}
	s.at.mark(index)
	if s.rtp.aead != nil {
		out := s.rtp.aead.Seal(b[start:start], s.rtp.nonceRTP(ssrc, index), b[start:n], b[:start])
		return start + len(out)
	}
	s.rtp.counter(ssrc, index)
	s.rtp.xor(b[start:n])
	return n + copy(b[n:n+s.profile.tag()], s.rtp.digest(b[:n], s.rtp.roc(index)))
}

// roc is the roll-over counter of an index, as bytes to be authenticated.
func (s *session) roc(index uint64) []byte {
	binary.BigEndian.PutUint32(s.word[:], uint32(index>>16))
	return s.word[:4]
}

// The SRTCP word: its top bit says that the packet is encrypted, the others count (RFC 3711
// §3.4).
const (
	wordSize   = 4
	encrypted  = 1 << 31
	rtcpHeader = 8  // that stays in the clear
	rtcpTag    = 10 // of AES-CM, also where RTP has 4 (RFC 4568 §6.2.2)
)

// RTCP protects the compound packet b[:n] in place and returns its new length, as RTP.
func (s *Sender) RTCP(b []byte, n int) int {
	if n < rtcpHeader || s.index == encrypted-1 {
		return 0
	}
	s.index++
	ssrc := binary.BigEndian.Uint32(b[4:])
	if s.rtcp.aead != nil {
		nonce, extra := s.rtcp.nonceRTCP(ssrc, s.index), s.rtcp.extra(b, s.index|encrypted)
		out := s.rtcp.aead.Seal(b[rtcpHeader:rtcpHeader], nonce, b[rtcpHeader:n], extra)
		n = rtcpHeader + len(out)
		binary.BigEndian.PutUint32(b[n:], s.index|encrypted)
		return n + wordSize
	}
	s.rtcp.counter(ssrc, uint64(s.index))
	s.rtcp.xor(b[rtcpHeader:n])
	binary.BigEndian.PutUint32(b[n:], s.index|encrypted)
	n += wordSize
	return n + copy(b[n:n+rtcpTag], s.rtcp.digest(b[:n], nil))
}

// extra is what GCM authenticates of RTCP beside what it encrypts (RFC 7714 §9.2).
func (s *session) extra(b []byte, word uint32) []byte {
	copy(s.word[:], b[:rtcpHeader])
	binary.BigEndian.PutUint32(s.word[rtcpHeader:], word)
	return s.word[:]
}

// payloadAt finds the end of an RTP header, which stays in the clear.
func payloadAt(b []byte) (int, bool) {
	if len(b) < 12 || b[0]>>6 != 2 {
		return 0, false
	}
	start := 12 + 4*int(b[0]&0x0F)
	if b[0]&0x10 != 0 {
		if start+4 > len(b) {
			return 0, false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	return start, start <= len(b)
}
