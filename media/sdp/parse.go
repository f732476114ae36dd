package sdp

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Limits of what Parse accepts; a browser's offer of audio and video needs a quarter.
const (
	maxSize       = 64 << 10
	maxLine       = 8 << 10
	maxLines      = 2000
	maxMedia      = 32
	maxFormats    = 128
	maxAttributes = 512 // a section
)

// Parse reads a session description. Lines may end in CRLF, LF or CR. Errors wrap
// ErrMalformed and name the line. Lines and attributes it does not know are legal.
func Parse(b []byte) (*Session, error) {
	if len(b) > maxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrMalformed, len(b), maxSize)
	}
	p := parser{s: &Session{}}
	for rest := string(b); rest != ""; {
		p.n++
		line, after := cutLine(rest)
		rest = after
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrMalformed, p.n, err)
		}
	}
	if err := p.finish(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p.s, nil
}

func cutLine(s string) (line, rest string) {
	i := strings.IndexAny(s, "\r\n")
	if i < 0 {
		return s, ""
	}
	if s[i] == '\r' && i+1 < len(s) && s[i+1] == '\n' {
		return s[:i], s[i+2:]
	}
	return s[:i], s[i+1:]
}

type parser struct {
	s                  *Session
	n                  int // of the line
	version, origin    bool
	directed, mediaDir bool // a direction was given at session level, in this stream
	attributes         int  // in this section
}

func (p *parser) line(line string) error {
	if p.n > maxLines {
		return fmt.Errorf("more than %d lines", maxLines)
	}
	if line == "" {
		return nil // some peers end with an empty line
	}
	if len(line) > maxLine {
		return fmt.Errorf("longer than %d bytes", maxLine)
	}
	if len(line) < 2 || line[1] != '=' {
		return fmt.Errorf("not of the form x=…: %s", quote(line))
	}
	if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }); i >= 0 {
		return fmt.Errorf("control character %#02x", line[i])
	}
	if !p.version && line[0] != 'v' {
		return fmt.Errorf("v= must come first, not %s", quote(line))
	}
	return p.field(line[0], strings.TrimSpace(line[2:]))
}

func (p *parser) field(kind byte, v string) (err error) {
	switch kind {
	case 'v':
		if p.version || v != "0" {
			return fmt.Errorf("version %s", quote(v))
		}
		p.version = true
	case 'o':
		p.origin = true
		p.s.Origin, err = parseOrigin(v)
	case 's':
		if v != "-" {
			p.s.Name = v
		}
	case 'c':
		var c Conn
		if c, err = parseConn(v); err != nil {
			return err
		}
		if m := p.media(); m == nil {
			p.s.Conn = c
		} else if m.Conn.IsZero() { // more lines would be layers of a multicast
			m.Conn = c
		}
	case 'b':
		return p.bandwidth(v)
	case 'm':
		return p.stream(v)
	case 'a':
		return p.attribute(v)
	}
	// RFC 8866 §5: i, u, e, p, t, r, z and k say nothing to a call; unknown ones are ignored.
	return err
}

// media is the stream being read, or nil above the first m= line.
func (p *parser) media() *Media {
	if len(p.s.Media) == 0 {
		return nil
	}
	return &p.s.Media[len(p.s.Media)-1]
}

func parseOrigin(v string) (Origin, error) {
	f := strings.Fields(v)
	if len(f) < 6 {
		return Origin{}, fmt.Errorf("o= has %d of 6 fields", len(f))
	}
	// A user name with spaces is illegal but seen; the other fields count from the end.
	k := len(f) - 5
	conn, err := parseConn(strings.Join(f[k+2:], " "))
	if err != nil {
		return Origin{}, fmt.Errorf("o=: %w", err)
	}
	return Origin{Username: strings.Join(f[:k], "_"), ID: f[k], Version: f[k+1], Conn: conn}, nil
}

func parseConn(v string) (Conn, error) {
	f := strings.Fields(v)
	if len(f) != 3 || !strings.EqualFold(f[0], "IN") {
		return Conn{}, fmt.Errorf("address %s is not of the form IN IP4 …", quote(v))
	}
	six := strings.EqualFold(f[1], "IP6")
	if !six && !strings.EqualFold(f[1], "IP4") {
		return Conn{}, fmt.Errorf("address family %s", quote(f[1]))
	}
	host, _, _ := strings.Cut(f[2], "/") // TTL and count of a multicast address
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Zone() != "" {
			return Conn{}, fmt.Errorf("address %s has a zone", quote(host))
		}
		return Conn{Addr: a.Unmap()}, nil
	}
	if !isHost(host) {
		return Conn{}, fmt.Errorf("bad address %s", quote(host))
	}
	return Conn{Name: host, IP6: six}, nil
}

func isHost(s string) bool {
	letters := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			letters++
		case c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_':
		default:
			return false
		}
	}
	return letters > 0 && len(s) <= 255 // 300.1.1.1 is a mistyped address, not a name
}

func (p *parser) bandwidth(v string) error {
	list := &p.s.Bandwidth
	if m := p.media(); m != nil {
		list = &m.Bandwidth
	}
	if len(*list) == maxAttributes {
		return fmt.Errorf("more than %d b= lines", maxAttributes)
	}
	*list = append(*list, v)
	return nil
}

// stream reads the value of an m= line: "audio 49170/2 RTP/AVP 0 8".
func (p *parser) stream(v string) error {
	f := strings.Fields(v)
	if len(f) < 4 {
		return fmt.Errorf("m= has %d of at least 4 fields", len(f))
	}
	if len(p.s.Media) == maxMedia {
		return fmt.Errorf("more than %d streams", maxMedia)
	}
	m := Media{Type: strings.ToLower(f[0]), Proto: f[2], Formats: f[3:], Direction: p.s.Direction}
	if len(m.Formats) > maxFormats {
		return fmt.Errorf("more than %d formats", maxFormats)
	}
	port, count, many := strings.Cut(f[1], "/")
	var ok bool
	if m.Port, ok = number(port, 0xFFFF); !ok {
		return fmt.Errorf("port %s", quote(port))
	}
	if many {
		if m.Ports, ok = number(count, 0xFFFF); !ok || m.Ports == 0 {
			return fmt.Errorf("number of ports %s", quote(count))
		}
	}
	if m.IsRTP() {
		if err := m.payloadTypes(); err != nil {
			return err
		}
	}
	p.s.Media = append(p.s.Media, m)
	p.attributes, p.mediaDir = 0, false
	return nil
}

// payloadTypes makes the codecs of an RTP stream from its formats, each type once.
func (m *Media) payloadTypes() error {
	var seen [128]bool
	for _, format := range m.Formats {
		pt, ok := number(format, 127)
		if !ok {
			return fmt.Errorf("payload type %s", quote(format))
		}
		if !seen[pt] {
			m.Codecs = append(m.Codecs, static(uint8(pt)))
		}
		seen[pt] = true
	}
	m.Formats = m.formats()
	return nil
}

func (p *parser) finish() error {
	if !p.version {
		return fmt.Errorf("empty")
	}
	if !p.origin {
		return fmt.Errorf("no o= line")
	}
	for i := range p.s.Media {
		m := &p.s.Media[i]
		if m.Port != 0 && p.s.ConnOf(m).IsZero() { // RFC 8866 §5.7
			return fmt.Errorf("no c= line for stream %d (%s)", i+1, quote(m.Type))
		}
	}
	return nil
}

// number reads 1 to 10 digits, up to most; no sign, no space.
func number(s string, most int) (int, bool) {
	if s == "" || len(s) > 10 || strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) >= 0 {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= most
}

// quote shortens what a peer wrote for an error message.
func quote(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strconv.QuoteToASCII(s)
}
