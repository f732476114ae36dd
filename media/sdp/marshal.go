package sdp

import (
	"net/netip"
	"strconv"
	"strings"
)

// Marshal writes s with CRLF line ends. Directions are written for every stream; a text
// field cannot smuggle in a line, its control characters become spaces.
func (s *Session) Marshal() []byte {
	var w writer
	w.line('v', "0")
	w.line('o', word(s.Origin.Username), " ", number0(s.Origin.ID), " ", number0(s.Origin.Version), " ", s.Origin.Conn.text())
	name := s.Name
	if name == "" {
		name = "-" // RFC 8866 §5.3
	}
	w.line('s', name)
	if !s.Conn.IsZero() {
		w.line('c', s.Conn.text())
	}
	for _, b := range s.Bandwidth {
		w.line('b', b)
	}
	w.line('t', "0 0")
	w.attributes(s.Attributes)
	if s.Direction != SendRecv {
		w.line('a', s.Direction.String())
	}
	for i := range s.Media {
		w.media(&s.Media[i])
	}
	return w.b
}

type writer struct{ b []byte }

func (w *writer) line(kind byte, parts ...string) {
	w.b = append(w.b, kind, '=')
	for _, p := range parts {
		for i := range len(p) {
			c := p[i]
			if c < ' ' && c != '\t' || c == 0x7F {
				c = ' '
			}
			w.b = append(w.b, c)
		}
	}
	w.b = append(w.b, '\r', '\n')
}

func (w *writer) attributes(list []Attribute) {
	for _, a := range list {
		w.attribute(a.Name, a.Value)
	}
}

func (w *writer) attribute(name, value string) {
	if value == "" {
		w.line('a', name)
		return
	}
	w.line('a', name, ":", value)
}

func (w *writer) media(m *Media) {
	port := strconv.Itoa(m.Port)
	if m.Ports > 0 {
		port += "/" + strconv.Itoa(m.Ports)
	}
	w.line('m', m.Type, " ", port, " ", m.Proto, " ", strings.Join(m.formats(), " "))
	if !m.Conn.IsZero() {
		w.line('c', m.Conn.text())
	}
	for _, b := range m.Bandwidth {
		w.line('b', b)
	}
	for _, c := range m.Codecs {
		w.codec(c)
	}
	if m.PTime > 0 {
		w.attribute("ptime", strconv.Itoa(m.PTime))
	}
	if m.MaxPTime > 0 {
		w.attribute("maxptime", strconv.Itoa(m.MaxPTime))
	}
	if m.RTCP.Port() != 0 {
		w.attribute("rtcp", rtcpText(m.RTCP))
	}
	if m.RTCPMux {
		w.attribute("rtcp-mux", "")
	}
	w.attributes(m.Attributes)
	w.attribute(m.Direction.String(), "")
}

// formats are those of the codecs for an RTP stream, so that the two cannot disagree.
func (m *Media) formats() []string {
	if !m.IsRTP() || len(m.Codecs) == 0 {
		return m.Formats
	}
	list := make([]string, len(m.Codecs))
	for i, c := range m.Codecs {
		list[i] = strconv.Itoa(int(c.PayloadType))
	}
	return list
}

func (w *writer) codec(c Codec) {
	pt := strconv.Itoa(int(c.PayloadType))
	if c.Name != "" && c.ClockRate > 0 {
		enc := c.Name + "/" + strconv.Itoa(c.ClockRate)
		if c.Channels > 1 {
			enc += "/" + strconv.Itoa(c.Channels)
		}
		w.attribute("rtpmap", pt+" "+enc)
	}
	if c.Fmtp != "" {
		w.attribute("fmtp", pt+" "+c.Fmtp)
	}
}

func rtcpText(a netip.AddrPort) string {
	port := strconv.Itoa(int(a.Port()))
	if !a.Addr().IsValid() {
		return port
	}
	return port + " " + Conn{Addr: a.Addr()}.text()
}

func (c Conn) text() string {
	switch {
	case c.Addr.Is4():
		return "IN IP4 " + c.Addr.String()
	case c.Addr.IsValid():
		return "IN IP6 " + c.Addr.WithZone("").String()
	case c.Name == "":
		return "IN IP4 0.0.0.0"
	case c.IP6:
		return "IN IP6 " + c.Name
	}
	return "IN IP4 " + c.Name
}

// word keeps the fields of the o= line apart.
func word(s string) string {
	if s = strings.Join(strings.Fields(s), "_"); s == "" {
		return "-"
	}
	return s
}

func number0(s string) string {
	if s == "" {
		return "0"
	}
	return word(s)
}
