//go:build interop

package interop

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wire is a socket from which a test sends whatever it likes.
type wire struct {
	conn net.Conn
	buf  string // of a stream: what has been read and not taken
}

func dialWire(t *testing.T, network string, to netip.AddrPort) *wire {
	t.Helper()
	conn, err := net.Dial(network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &wire{conn: conn}
}

func (w *wire) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(w.conn, text); err != nil {
		t.Fatal(err)
	}
}

// request writes a SIP request as it stands on the wire. A header given is put
// in the place of the usual one of that name; an empty one removes it.
type request struct {
	method, number string
	headers        map[string]string
	body           string
	line           string // the whole request line, if it is not the usual one
}

// newID is a random token for branches, tags and Call-IDs.
func newID() string {
	b := make([]byte, 8)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// text builds the request, from this socket to the far end.
func (w *wire) text(r request) string {
	local, remote := w.conn.LocalAddr(), w.conn.RemoteAddr()
	transport := strings.ToUpper(local.Network())
	line := r.line
	if line == "" {
		line = fmt.Sprintf("%s sip:%s@%s SIP/2.0", r.method, r.number, remote)
	}
	usual := [][2]string{
		{"Via", fmt.Sprintf("SIP/2.0/%s %s;branch=z9hG4bK%s;rport", transport, local, newID())},
		{"From", fmt.Sprintf("<sip:wire@%s>;tag=%s", local, newID())},
		{"To", fmt.Sprintf("<sip:%s@%s>", r.number, remote)},
		{"Call-ID", newID()},
		{"CSeq", "1 " + r.method},
		{"Max-Forwards", "70"},
		{"Contact", fmt.Sprintf("<sip:wire@%s;transport=%s>", local, strings.ToLower(transport))},
	}
	if r.body != "" {
		usual = append(usual, [2]string{"Content-Type", "application/sdp"})
	}
	usual = append(usual, [2]string{"Content-Length", strconv.Itoa(len(r.body))})
	var b strings.Builder
	b.WriteString(line + "\r\n")
	written := map[string]bool{}
	for _, h := range usual {
		value, given := r.headers[h[0]]
		if !given {
			value = h[1]
		}
		written[h[0]] = true
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", h[0], value)
		}
	}
	for name, value := range r.headers {
		if !written[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	b.WriteString("\r\n" + r.body)
	return b.String()
}

// offer is a session description with these formats, towards a port where
// nobody listens.
func offer(formats string) string {
	return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP " + formats + "\r\n"
}

// message is one that came back.
type message struct {
	code int
	text string
}

func (m message) header(name string) string {
	for line := range strings.SplitSeq(m.text, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

var statusLine = regexp.MustCompile(`^SIP/2\.0 (\d{3}) `)

// receive returns the next message that is no 1xx, or fails after a while.
func (w *wire) receive(t *testing.T) message {
	t.Helper()
	for {
		text, err := w.next(5 * time.Second)
		if err != nil {
			t.Fatalf("no answer: %v", err)
		}
		m := message{text: text}
		if s := statusLine.FindStringSubmatch(text); s != nil {
			m.code, _ = strconv.Atoi(s[1])
		}
		if m.code < 100 || m.code >= 200 {
			return m
		}
	}
}

// silent checks that nothing comes back for a moment.
func (w *wire) silent(t *testing.T) {
	t.Helper()
	if text, err := w.next(300 * time.Millisecond); err == nil {
		t.Errorf("an answer, where none is due:\n%s", text)
	}
}

// next reads one message: a datagram, or what a stream frames by Content-Length.
func (w *wire) next(wait time.Duration) (string, error) {
	w.conn.SetReadDeadline(time.Now().Add(wait))
	b := make([]byte, 65536)
	for {
		if head, _, ok := strings.Cut(w.buf, "\r\n\r\n"); ok {
			length, _ := strconv.Atoi(message{text: head}.header("Content-Length"))
			if end := len(head) + 4 + length; len(w.buf) >= end {
				text := w.buf[:end]
				w.buf = w.buf[end:]
				return text, nil
			}
		}
		n, err := w.conn.Read(b)
		if err != nil {
			return "", err
		}
		if w.conn.LocalAddr().Network() == "udp" {
			return string(b[:n]), nil
		}
		w.buf += string(b[:n])
	}
}

// ask sends a request and returns its final answer, which it acknowledges if it
// is one to an INVITE, so that the far end does not repeat it.
func (w *wire) ask(t *testing.T, r request) message {
	t.Helper()
	text := w.text(r)
	w.send(t, text)
	m := w.receive(t)
	if r.method == "INVITE" && m.code >= 300 {
		sent := message{text: text}
		w.send(t, w.text(request{method: "ACK", number: r.number, headers: map[string]string{
			"Via": sent.header("Via"), "From": sent.header("From"), "To": m.header("To"),
			"Call-ID": sent.header("Call-ID"), "Contact": "",
		}}))
	}
	return m
}

var digestParam = regexp.MustCompile(`(\w+)="?([^",]*)"?`)

// digest answers an MD5 challenge, as RFC 2617 §3.2.2 without qop would if it
// were allowed to; with qop=auth where it is offered.
func digest(challenge, method, uri, user, password string) string {
	p := map[string]string{}
	for _, m := range digestParam.FindAllStringSubmatch(challenge, -1) {
		p[strings.ToLower(m[1])] = m[2]
	}
	hash := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	ha1, ha2 := hash(user+":"+p["realm"]+":"+password), hash(method+":"+uri)
	answer := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=MD5`, user, p["realm"], p["nonce"], uri)
	if _, ok := p["qop"]; ok {
		cnonce := newID()
		response := hash(strings.Join([]string{ha1, p["nonce"], "00000001", cnonce, "auth", ha2}, ":"))
		return answer + fmt.Sprintf(`, qop=auth, nc=00000001, cnonce="%s", response="%s"`, cnonce, response)
	}
	return answer + fmt.Sprintf(`, response="%s"`, hash(ha1+":"+p["nonce"]+":"+ha2))
}

// md5Challenge picks the MD5 challenge among those of a 401.
func md5Challenge(t *testing.T, m message) string {
	t.Helper()
	for line := range strings.SplitSeq(m.text, "\r\n") {
		if strings.HasPrefix(line, "WWW-Authenticate:") && strings.Contains(line, "MD5") {
			return line
		}
	}
	t.Fatalf("no MD5 challenge in\n%s", m.text)
	return ""
}
