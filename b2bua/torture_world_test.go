package b2bua

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/auth"
)

// The files of testdata/torture are written as RFC 4475 §2 writes its messages: lines end
// in a plain line feed, <hex>00</hex> stands for bytes and <repeat 3>x</repeat> for xxx.
// {length} is the right Content-Length, {sdp} a session description, other words in braces
// are what a response has to copy from its request.
var (
	hexed    = regexp.MustCompile(`<hex>([0-9a-f]+)</hex>`)
	repeated = regexp.MustCompile(`<repeat (\d+)>([^<]+)</repeat>`)
)

// torture reads a message of testdata/torture as it goes over the wire.
func torture(t testing.TB, name string, vars map[string]string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "torture", name+".sip"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for k, v := range vars {
		text = strings.ReplaceAll(text, "{"+k+"}", v)
	}
	head, body, ok := strings.Cut(text, "\n\n")
	if !ok {
		t.Fatalf("%s: no empty line", name)
	}
	head, body = onWire(head), onWire(body)
	return strings.ReplaceAll(head, "{length}", strconv.Itoa(len(body))) + "\r\n\r\n" + body
}

func onWire(text string) string {
	text = strings.ReplaceAll(text, "{sdp}", strings.Join([]string{"v=0", "o=- 1 1 IN IP4 10.0.1.1", "s=-", "c=IN IP4 10.0.1.1",
		"t=0 0", "m=audio 4000 RTP/AVP 0"}, "\n"))
	text = strings.ReplaceAll(text, "\n", "\r\n")
	text = repeated.ReplaceAllStringFunc(text, func(s string) string {
		m := repeated.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[1])
		return strings.Repeat(m[2], n)
	})
	return hexed.ReplaceAllStringFunc(text, func(s string) string {
		b, _ := hex.DecodeString(hexed.FindStringSubmatch(s)[1])
		return string(b)
	})
}

// reply is a message as it came: what answers torture may be beyond a parser.
type reply struct {
	code int // 0: nothing came, or a request
	text string
}

// header is the first value of a header, "" without one.
func (r reply) header(name string) string {
	for line := range strings.SplitSeq(r.text, "\r\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func readReply(b []byte) reply {
	r := reply{text: string(b)}
	if rest, ok := strings.CutPrefix(r.text, "SIP/2.0 "); ok && len(rest) > 3 {
		r.code, _ = strconv.Atoi(rest[:3])
	}
	return r
}

// wire is a far end that sends bytes and reads what comes back.
type wire struct {
	t      *testing.T
	packet net.PacketConn
	to     netip.AddrPort
	stream net.Conn
	buf    []byte
	chunk  []byte
	closed bool // the server has closed the connection
}

// wire opens one over "udp" or "tcp" from 10.0.1.n.
func (w *world) wire(proto string, n int) *wire {
	w.t.Helper()
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(n)}), 5060)
	return w.wireFrom(proto, from, w.addr)
}

func (w *world) wireFrom(proto string, from, to netip.AddrPort) *wire {
	w.t.Helper()
	x := &wire{t: w.t, to: to, chunk: make([]byte, 65536)}
	var err error
	if proto == "udp" {
		x.packet, err = w.net.ListenPacket(from)
	} else {
		x.stream, err = w.net.Dial(context.Background(), from.Addr(), to)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(x.close)
	return x
}

func (x *wire) close() {
	if x.packet != nil {
		_ = x.packet.Close()
	}
	if x.stream != nil {
		_ = x.stream.Close()
	}
}

// reopen connects anew after the server has hung up.
func (x *wire) reopen(w *world) {
	x.t.Helper()
	x.close()
	var err error
	if x.stream, err = w.net.Dial(context.Background(), netip.MustParseAddr("10.0.1.1"), x.to); err != nil {
		x.t.Fatal(err)
	}
	x.buf, x.closed = nil, false
}

// send writes text; a stream that the server has closed takes what it takes.
func (x *wire) send(text string) {
	x.t.Helper()
	if x.packet == nil {
		_ = x.stream.SetWriteDeadline(time.Now().Add(30 * time.Second))
		_, _ = x.stream.Write([]byte(text))
		return
	}
	if _, err := x.packet.WriteTo([]byte(text), net.UDPAddrFromAddrPort(x.to)); err != nil {
		x.t.Fatal(err)
	}
}

// next is the next message within d.
func (x *wire) next(d time.Duration) (reply, bool) {
	b := x.chunk
	if x.packet != nil {
		_ = x.packet.SetReadDeadline(time.Now().Add(d))
		n, _, err := x.packet.ReadFrom(b)
		return readReply(b[:n]), err == nil
	}
	_ = x.stream.SetReadDeadline(time.Now().Add(d))
	for {
		if m := x.whole(); m != nil {
			return readReply(m), true
		}
		n, err := x.stream.Read(b)
		x.buf = append(x.buf, b[:n]...)
		if err != nil {
			x.closed = !os.IsTimeout(err)
			return reply{}, false
		}
	}
}

// whole takes one message off the stream.
func (x *wire) whole() []byte {
	i := bytes.Index(x.buf, []byte("\r\n\r\n"))
	if i < 0 {
		return nil
	}
	n, _ := strconv.Atoi(readReply(x.buf[:i]).header("Content-Length"))
	if n += i + 4; n > len(x.buf) {
		return nil
	}
	m := x.buf[:n]
	x.buf = x.buf[n:]
	return m
}

// final is the final response, or a reply with code 0 when none comes.
func (x *wire) final() reply {
	for {
		r, ok := x.next(40 * time.Second)
		if !ok || r.code >= 200 {
			return r
		}
	}
}

// ping asks whether the server still answers here.
func (x *wire) ping(id string) {
	x.t.Helper()
	x.send("OPTIONS sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.1;rport;branch=z9hG4bKping" + id + "\r\nFrom: <sip:a@b.example>;tag=p" + id +
		"\r\nTo: <sip:x@10.0.0.1>\r\nCall-ID: ping-" + id + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
	for {
		r, ok := x.next(10 * time.Second)
		if !ok {
			x.t.Errorf("the server answers no more")
			return
		}
		if r.header("Call-ID") == "ping-"+id {
			if r.code != 200 {
				x.t.Errorf("ping answered with\n%s", r.text)
			}
			return
		}
	}
}

// within sends a request in the dialog that r, a 2xx to an INVITE, has made.
func (x *wire) within(r reply, method string, cseq int) {
	x.t.Helper()
	uri := strings.Trim(r.header("Contact"), "<>")
	x.send(fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.1;rport;branch=z9hG4bKin%s%d\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		method, uri, method, cseq, r.header("From"), r.header("To"), r.header("Call-ID"), cseq, method))
}

// acknowledgeAndHangUp ends the call that r answered.
func (x *wire) acknowledgeAndHangUp(r reply) {
	x.t.Helper()
	number, _, _ := strings.Cut(r.header("CSeq"), " ")
	seq, err := strconv.Atoi(number)
	if err != nil {
		x.t.Fatalf("no CSeq in\n%s", r.text)
	}
	x.within(r, "ACK", seq)
	x.within(r, "BYE", seq+1)
	if bye := x.final(); bye.code != 200 {
		x.t.Errorf("BYE answered with %d:\n%s", bye.code, bye.text)
	}
}

// everyone knows each user, with the password "secret".
type everyone struct{}

func (everyone) Credential(user string) (auth.Credential, bool) {
	return auth.NewCredential(user, "tandem", "secret"), true
}

// login is text, a request as it went out, once more with an answer to the challenge in r.
func login(t *testing.T, text string, r reply, user string) string {
	t.Helper()
	method, rest, _ := strings.Cut(text, " ")
	uri, _, _ := strings.Cut(rest, " SIP/2.0")
	header, err := auth.Answer([]string{r.header("WWW-Authenticate")}, method, uri, user, "secret", nil)
	if err != nil {
		t.Fatal(err)
	}
	text = strings.Replace(text, "z9hG4bK", "z9hG4bKagain", 1)
	return strings.Replace(text, "\r\n", "\r\nAuthorization: "+header+"\r\n", 1)
}
