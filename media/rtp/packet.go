// Package rtp reads and writes RTP headers in place, over the bytes of a datagram, and
// keeps the reception statistics of RFC 3550. Nothing in it allocates.
package rtp

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
)

// HeaderSize is the length of a header without CSRCs and extension, in bytes.
const HeaderSize = 12

// ErrMalformed says that a datagram is not an RTP packet.
var ErrMalformed = errors.New("malformed RTP packet")

// Header is what a relay or a player needs of an RTP header (RFC 3550 §5.1).
type Header struct {
	Marker      bool
	PayloadType uint8
	Sequence    uint16
	Timestamp   uint32
	SSRC        uint32

	start, end uint16 // of the payload, within the packet
}

// Parse reads the header of packet b and checks that CSRCs, extension and padding lie
// within it. It keeps no reference to b. Errors are ErrMalformed.
func Parse(b []byte) (Header, error) {
	if len(b) < HeaderSize || len(b) > 0xFFFF || b[0]>>6 != 2 {
		return Header{}, ErrMalformed
	}
	start := HeaderSize + 4*int(b[0]&0x0F)
	if b[0]&0x10 != 0 { // extension: 4 bytes, then as many words as the last two say
		if start+4 > len(b) {
			return Header{}, ErrMalformed
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 { // padding: its last byte counts it, itself included
		pad := int(b[end-1])
		if pad == 0 {
			return Header{}, ErrMalformed
		}
		end -= pad
	}
	if start > end {
		return Header{}, ErrMalformed
	}
	return Header{
		Marker:      b[1]&0x80 != 0,
		PayloadType: b[1] & 0x7F,
		Sequence:    binary.BigEndian.Uint16(b[2:]),
		Timestamp:   binary.BigEndian.Uint32(b[4:]),
		SSRC:        binary.BigEndian.Uint32(b[8:]),
		start:       uint16(start),
		end:         uint16(end),
	}, nil
}

// Payload is the payload of b, the packet that h was parsed from, without padding.
func (h Header) Payload(b []byte) []byte { return b[h.start:h.end:h.end] }

// Put writes h as a plain header (no CSRC, extension or padding) at the start of b and
// returns HeaderSize. It panics when b is shorter than that, as copying an array would.
func (h Header) Put(b []byte) int {
	_ = b[HeaderSize-1]
	b[0] = 2 << 6
	h.Rewrite(b)
	return HeaderSize
}

// Rewrite replaces marker, payload type, sequence, timestamp and SSRC in the packet b,
// which Parse has accepted; CSRCs, extension, payload and padding stay as they are.
func (h Header) Rewrite(b []byte) {
	_ = b[HeaderSize-1]
	b[1] = h.PayloadType & 0x7F
	if h.Marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], h.Sequence)
	binary.BigEndian.PutUint32(b[4:], h.Timestamp)
	binary.BigEndian.PutUint32(b[8:], h.SSRC)
}

// Kind is what a datagram on a media port is, by its first bytes.
type Kind uint8

// The kinds of datagrams that share a media port.
const (
	Unknown Kind = iota
	RTP
	RTCP
	STUN
	DTLS
)

// Classify tells what b looks like (RFC 7983 §7, RFC 5761 §4); it does not validate it.
func Classify(b []byte) Kind {
	if len(b) < 2 {
		return Unknown
	}
	switch c := b[0]; {
	case c <= 3:
		return STUN
	case c >= 20 && c <= 63:
		return DTLS
	case c >= 128 && c <= 191:
		// RFC 5761 §4: RTCP packet types 192-223 are RTP payload types 64-95 with the
		// marker, which nobody may use on a port where both arrive.
		if b[1] >= 192 && b[1] <= 223 {
			return RTCP
		}
		return RTP
	}
	return Unknown
}

// NewSSRC is a random synchronisation source (RFC 3550 §8.1), never 0.
func NewSSRC() uint32 {
	for {
		if n := NewTimestamp(); n != 0 {
			return n
		}
	}
}

// NewTimestamp is a random first timestamp (RFC 3550 §5.1).
func NewTimestamp() uint32 {
	var b [4]byte
	rand.Read(b[:]) // crypto/rand.Read never fails
	return binary.BigEndian.Uint32(b[:])
}

// NewSequence is a random first sequence number. It lies below 2^15, so that a loss at
// the start cannot be taken for a roll-over by SRTP (RFC 3711 §3.3.1).
func NewSequence() uint16 { return uint16(NewTimestamp()) & 0x7FFF }
