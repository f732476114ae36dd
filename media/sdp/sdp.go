// Package sdp reads and writes session descriptions (RFC 8866) and holds the pure part of
// offer and answer (RFC 3264). Its parser takes hostile input: size, lines, streams,
// formats and attributes are bounded, and what it does not know it skips or keeps raw.
package sdp

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// ErrMalformed is wrapped by every error of Parse, with the number of the line.
var ErrMalformed = errors.New("malformed SDP")

// Session is a session description.
type Session struct {
	Origin     Origin
	Name       string      // s=; "-" when empty
	Conn       Conn        // c= at session level; zero if there is none
	Bandwidth  []string    // b= lines as written, "AS:64"
	Direction  Direction   // the default of the streams; SendRecv if not given
	Attributes []Attribute // a= lines other than directions
	Media      []Media
}

// Origin is the o= line: who made the description, and which version this is. The
// numbers are kept as text because peers write more than 64 bits into them.
type Origin struct {
	Username string
	ID       string
	Version  string
	Conn     Conn
}

// NewOrigin is an o= line of ours.
func NewOrigin(id, version uint64, addr netip.Addr) Origin {
	return Origin{
		Username: "-",
		ID:       strconv.FormatUint(id, 10),
		Version:  strconv.FormatUint(version, 10),
		Conn:     Conn{Addr: addr},
	}
}

// Conn is a connection address: an IP address, or else a name that somebody must resolve.
type Conn struct {
	Addr netip.Addr
	Name string // only if Addr is not valid
	IP6  bool   // the family of Name
}

// IsZero tells that there is no c= line.
func (c Conn) IsZero() bool { return !c.Addr.IsValid() && c.Name == "" }

// Attribute is an a= line: "name" or "name:value".
type Attribute struct{ Name, Value string }

// Media is one stream: an m= line and what follows it.
type Media struct {
	Type       string   // "audio", "video", "image", "application"…
	Port       int      // 0: rejected, or no longer wanted
	Ports      int      // the "/2" after a port; 0 if not given
	Proto      string   // "RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVPF", "udptl"…
	Formats    []string // as written on the m= line, in order of preference
	Codecs     []Codec  // the formats of an RTP stream, in the same order
	Conn       Conn     // c= of this stream; zero: the session's holds
	Bandwidth  []string
	Direction  Direction
	PTime      int // ms, 0 if not given
	MaxPTime   int
	RTCP       netip.AddrPort // a=rtcp; port 0 if not given, address invalid: as Conn
	RTCPMux    bool
	Attributes []Attribute // all others, as written: crypto, fingerprint, setup, ice-…, candidate…
}

// Codec is a payload type and its meaning (a=rtpmap, a=fmtp, or RFC 3551 if static).
type Codec struct {
	PayloadType uint8
	Name        string // as written; "" for a dynamic type without rtpmap
	ClockRate   int    // Hz
	Channels    int    // at least 1
	Fmtp        string
}

// Is tells whether c has this encoding name; letter case does not count (RFC 4855 §3).
func (c Codec) Is(name string) bool { return strings.EqualFold(c.Name, name) }

// IsRTP tells whether the formats are RTP payload types.
func (m *Media) IsRTP() bool { return strings.Contains(strings.ToUpper(m.Proto), "RTP/") }

// IsSecure tells whether the profile is one of SRTP: RTP/SAVP, RTP/SAVPF and their kin.
func (m *Media) IsSecure() bool { return strings.Contains(strings.ToUpper(m.Proto), "RTP/SAVP") }

// Get returns the value of the first attribute of that name.
func (m *Media) Get(name string) (string, bool) { return find(m.Attributes, name) }

// Get returns the value of the first attribute of that name at session level.
func (s *Session) Get(name string) (string, bool) { return find(s.Attributes, name) }

func find(list []Attribute, name string) (string, bool) {
	for _, a := range list {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// ConnOf is the address that holds for stream m: its own, or the session's.
func (s *Session) ConnOf(m *Media) Conn {
	if m.Conn.IsZero() {
		return s.Conn
	}
	return m.Conn
}

// AddrOf is where packets for stream m go; not valid if it is rejected, or named by host.
// An unspecified address stays as it is: see Held.
func (s *Session) AddrOf(m *Media) netip.AddrPort {
	c := s.ConnOf(m)
	if m.Port == 0 || !c.Addr.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(c.Addr, uint16(m.Port))
}

// RTCPAddrOf is where RTCP for stream m goes: a=rtcp (RFC 3605), or the RTP port if both
// sides multiplex (RFC 5761), or the one after it.
func (s *Session) RTCPAddrOf(m *Media, mux bool) netip.AddrPort {
	a := s.AddrOf(m)
	switch {
	case !a.IsValid() || mux:
		return a
	case m.RTCP.Port() != 0 && m.RTCP.Addr().IsValid():
		return m.RTCP
	case m.RTCP.Port() != 0:
		return netip.AddrPortFrom(a.Addr(), m.RTCP.Port())
	case a.Port() == 0xFFFF:
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr(), a.Port()+1)
}

// Held tells whether the peer that wrote s does not want to hear us on stream m: it sends
// only or is inactive (RFC 3264 §8.4), or it gave the address 0.0.0.0 (RFC 2543 B.5).
func (s *Session) Held(m *Media) bool {
	return !m.Direction.Receives() || s.ConnOf(m).Addr.IsUnspecified()
}

// Find returns the first stream that is not rejected and that ok accepts, with its index;
// -1 and nil if there is none.
func (s *Session) Find(ok func(*Media) bool) (int, *Media) {
	for i := range s.Media {
		if m := &s.Media[i]; m.Port != 0 && ok(m) {
			return i, m
		}
	}
	return -1, nil
}

// Audio is the first audio stream over plain RTP that is not rejected, as Find.
func (s *Session) Audio() (int, *Media) {
	return s.Find(func(m *Media) bool { return m.Type == "audio" && m.IsRTP() && !m.IsSecure() })
}
