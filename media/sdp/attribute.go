package sdp

import (
	"fmt"
	"net/netip"
	"strings"
)

// static is the meaning that RFC 3551 §6 gives a payload type without an rtpmap.
func static(pt uint8) Codec {
	c := Codec{PayloadType: pt, ClockRate: 8000, Channels: 1}
	switch pt {
	case 0:
		c.Name = "PCMU"
	case 3:
		c.Name = "GSM"
	case 4:
		c.Name = "G723"
	case 8:
		c.Name = "PCMA"
	case 9:
		c.Name = "G722" // RFC 3551 §4.5.2: clocked at 8000 though it samples at 16000
	case 10:
		c.Name, c.ClockRate, c.Channels = "L16", 44100, 2
	case 11:
		c.Name, c.ClockRate = "L16", 44100
	case 13:
		c.Name = "CN"
	case 18:
		c.Name = "G729"
	default:
		c.ClockRate = 0
	}
	return c
}

// attribute reads the value of an a= line.
func (p *parser) attribute(v string) error {
	if p.attributes++; p.attributes > maxAttributes {
		return fmt.Errorf("more than %d attributes", maxAttributes)
	}
	name, value, _ := strings.Cut(v, ":")
	if name == "" || strings.ContainsAny(name, " \t") {
		return fmt.Errorf("attribute %s", quote(v))
	}
	a := Attribute{Name: name, Value: strings.TrimSpace(value)}
	m := p.media()
	if d, ok := parseDirection(name); ok {
		p.direction(m, d)
		return nil
	}
	if m == nil {
		p.s.Attributes = append(p.s.Attributes, a)
		return nil
	}
	if !m.attribute(a) {
		m.Attributes = append(m.Attributes, a)
	}
	return nil
}

// direction sets the session's default or the stream's own; the first of each counts.
func (p *parser) direction(m *Media, d Direction) {
	switch {
	case m == nil && !p.directed:
		p.s.Direction, p.directed = d, true
	case m != nil && !p.mediaDir:
		m.Direction, p.mediaDir = d, true
	}
}

// attribute takes in the attributes that have fields of their own; broken hints are dropped.
func (m *Media) attribute(a Attribute) (known bool) {
	switch a.Name {
	case "rtpmap":
		return m.rtpmap(a.Value)
	case "fmtp":
		return m.fmtp(a.Value)
	case "ptime":
		m.PTime = milliseconds(a.Value)
	case "maxptime":
		m.MaxPTime = milliseconds(a.Value)
	case "rtcp":
		m.RTCP = parseRTCP(a.Value)
	case "rtcp-mux":
		m.RTCPMux = true
	default:
		return false
	}
	return true
}

// rtpmap reads "96 opus/48000/2". One for a payload type that the m= line does not have
// stays a raw attribute; a second one for the same type does not count, nor does a broken one
// (the video of RFC 4475 §3.1.1.1 has one): a static type keeps its meaning, a dynamic one is a
// codec that nobody has.
func (m *Media) rtpmap(v string) (known bool) {
	c, known := m.codec(v)
	if !known {
		return false
	}
	_, enc, _ := strings.Cut(v, " ")
	name, params, ok := strings.Cut(strings.TrimSpace(enc), "/")
	rate, channels, stereo := strings.Cut(params, "/")
	hz, valid := number(rate, 1_000_000)
	if !ok || !valid || hz == 0 || name == "" || strings.ContainsAny(name, " \t") {
		return true
	}
	n := 1
	if stereo { // the parameter means channels for audio only (RFC 8866 §6.6)
		if n, valid = number(channels, 255); !valid || n == 0 {
			return true
		}
	}
	unset := static(c.PayloadType)
	if unset.Fmtp = c.Fmtp; *c == unset {
		c.Name, c.ClockRate, c.Channels = name, hz, n
	}
	return true
}

// fmtp reads "96 key=value;…"; several lines for one type are joined.
func (m *Media) fmtp(v string) (known bool) {
	c, known := m.codec(v)
	if !known {
		return false
	}
	_, params, _ := strings.Cut(v, " ")
	if params = strings.TrimSpace(params); params == "" {
		return true
	}
	if c.Fmtp != "" {
		params = c.Fmtp + ";" + params
	}
	c.Fmtp = params
	return true
}

// codec finds the entry that an rtpmap or fmtp value starts with.
func (m *Media) codec(v string) (*Codec, bool) {
	format, _, _ := strings.Cut(v, " ")
	pt, ok := number(format, 127)
	for i := range m.Codecs {
		if ok && m.Codecs[i].PayloadType == uint8(pt) {
			return &m.Codecs[i], true
		}
	}
	return nil, false
}

func milliseconds(v string) int {
	v, _, _ = strings.Cut(v, ".") // "20.0" is seen
	if ms, ok := number(v, 1000); ok {
		return ms
	}
	return 0
}

// parseRTCP reads "53020" or "53020 IN IP6 2001:db8::1" (RFC 3605 §2.1).
func parseRTCP(v string) netip.AddrPort {
	port, rest, _ := strings.Cut(v, " ")
	n, ok := number(port, 0xFFFF)
	if !ok || n == 0 {
		return netip.AddrPort{}
	}
	c, _ := parseConn(rest)
	return netip.AddrPortFrom(c.Addr, uint16(n))
}
