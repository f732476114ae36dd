package srtp

import (
	"crypto/subtle"
	"encoding/binary"
)

// maxStreams is how many SSRCs of one peer are told apart; the longest silent gives way.
const maxStreams = 4

// Receiver opens what one peer sends.
type Receiver struct {
	profile   Profile
	mki       int
	rtp, rtcp *session
	streams   [maxStreams]inStream
	reports   [maxStreams]inStream
	clock     uint32 // counts packets, to know who has been silent
}

type inStream struct {
	ssrc uint32
	last uint32
	at   place
}

// NewReceiver derives the session keys of the peer's master key.
func NewReceiver(m Master) *Receiver {
	return &Receiver{profile: m.Profile, mki: int(m.mki), rtp: newSession(m, labelRTP), rtcp: newSession(m, labelRTCP)}
}

// RTP opens the packet b in place and returns the length of the plain one. Errors:
// ErrMalformed, ErrReplayed, ErrForged; after one b is spoilt.
func (r *Receiver) RTP(b []byte) (int, error) {
	tag := r.profile.tag()
	start, ok := payloadAt(b)
	n := len(b) - r.mki // AES-CM: payload, identifier, tag; GCM: the tag first
	if !ok || start+tag > n {
		return 0, ErrMalformed
	}
	ssrc := binary.BigEndian.Uint32(b[8:])
	in, known := find(&r.streams, ssrc)
	var at place
	if known {
		at = in.at
	}
	index := at.guess(binary.BigEndian.Uint16(b[2:]))
	if !at.fresh(index) {
		return 0, ErrReplayed
	}
	if r.rtp.aead != nil {
		out, err := r.rtp.aead.Open(b[start:start], r.rtp.nonceRTP(ssrc, index), b[start:n], b[:start])
		if err != nil {
			return 0, ErrForged
		}
		n = start + len(out)
	} else {
		n -= tag
		if subtle.ConstantTimeCompare(b[len(b)-tag:], r.rtp.digest(b[:n], r.rtp.roc(index))[:tag]) != 1 {
			return 0, ErrForged
		}
		r.rtp.counter(ssrc, index)
		r.rtp.xor(b[start:n])
	}
	r.keep(in, known, ssrc, index)
	return n, nil
}

// RTCP opens a compound packet, as RTP.
func (r *Receiver) RTCP(b []byte) (int, error) {
	n := len(b) - r.mki
	if r.rtcp.aead == nil {
		n -= rtcpTag
	}
	if n -= wordSize; n < rtcpHeader {
		return 0, ErrMalformed
	}
	at := n // of the word
	if r.rtcp.aead == nil {
		at = len(b) - rtcpTag - r.mki - wordSize
	}
	word := binary.BigEndian.Uint32(b[at:])
	ssrc, index := binary.BigEndian.Uint32(b[4:]), word&^encrypted
	in, known := find(&r.reports, ssrc)
	if known && !in.at.fresh(uint64(index)) {
		return 0, ErrReplayed
	}
	n, err := r.openRTCP(b, at, ssrc, word)
	if err != nil {
		return 0, err
	}
	r.keep(in, known, ssrc, uint64(index))
	return n, nil
}

// openRTCP authenticates and decrypts the packet whose SRTCP word is at.
func (r *Receiver) openRTCP(b []byte, at int, ssrc, word uint32) (int, error) {
	index := word &^ encrypted
	if r.rtcp.aead == nil {
		if subtle.ConstantTimeCompare(b[len(b)-rtcpTag:], r.rtcp.digest(b[:at+wordSize], nil)[:rtcpTag]) != 1 {
			return 0, ErrForged
		}
		if word&encrypted != 0 {
			r.rtcp.counter(ssrc, uint64(index))
			r.rtcp.xor(b[rtcpHeader:at])
		}
		return at, nil
	}
	if word&encrypted == 0 { // RFC 7714 §9.3 allows it; nobody asked for it
		return 0, ErrForged
	}
	if at < rtcpHeader+r.profile.tag() {
		return 0, ErrMalformed
	}
	extra := r.rtcp.extra(b, word)
	out, err := r.rtcp.aead.Open(b[rtcpHeader:rtcpHeader], r.rtcp.nonceRTCP(ssrc, index), b[rtcpHeader:at], extra)
	if err != nil {
		return 0, ErrForged
	}
	return rtcpHeader + len(out), nil
}

// find gives the entry of a stream, or the one that would give way to it.
func find(list *[maxStreams]inStream, ssrc uint32) (*inStream, bool) {
	oldest := &list[0]
	for i := range list {
		in := &list[i]
		if in.at.used && in.ssrc == ssrc {
			return in, true
		}
		if !in.at.used || oldest.at.used && in.last < oldest.last {
			oldest = in
		}
	}
	return oldest, false
}

// keep notes a genuine packet.
func (r *Receiver) keep(in *inStream, known bool, ssrc uint32, index uint64) {
	if !known {
		*in = inStream{ssrc: ssrc}
	}
	r.clock++
	in.last = r.clock
	in.at.mark(index)
}
