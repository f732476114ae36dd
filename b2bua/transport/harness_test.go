package transport

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// inbox is a Handler that keeps what it gets.
type inbox struct {
	msgs   chan *Incoming
	closed chan error
	on     func(m *Incoming)
}

func newInbox() *inbox {
	return &inbox{msgs: make(chan *Incoming, 1000), closed: make(chan error, 1000)}
}

func (b *inbox) HandleMessage(m *Incoming) {
	if b.on != nil {
		b.on(m)
	}
	b.msgs <- m
}

func (b *inbox) HandleFlowClosed(_ Flow, err error) { b.closed <- err }

func (b *inbox) next(t testing.TB) *Incoming {
	t.Helper()
	select {
	case m := <-b.msgs:
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no message came")
		return nil
	}
}

func (b *inbox) flowEnd(t testing.TB) error {
	t.Helper()
	select {
	case err := <-b.closed:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("no connection ended")
		return nil
	}
}

// echo answers each request 200 on the flow it came by.
func (b *inbox) echo() *inbox {
	b.on = func(m *Incoming) {
		if req, ok := m.Msg.(*sip.Request); ok {
			code := 200
			if m.Err != nil {
				code = 400
			}
			_ = m.Flow.Send(sip.NewResponseFromRequest(req, code, "Reason", nil))
		}
	}
	return b
}

type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func silent() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// serve starts a layer on the given endpoints and closes it with the test.
func serve(t testing.TB, o Options, h Handler, listen ...string) *Layer {
	t.Helper()
	if o.Log == nil {
		o.Log = silent()
	}
	for _, s := range listen {
		e, err := ParseEndpoint(s)
		if err != nil {
			t.Fatal(err)
		}
		o.Listen = append(o.Listen, e)
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l.Serve(h)
	t.Cleanup(func() { l.Close() })
	return l
}

func options(branch string) string {
	return request("UDP", "127.0.0.1:5070;rport;branch="+branch, "")
}

func request(proto, via, body string) string {
	return "OPTIONS sip:alice@127.0.0.1 SIP/2.0\r\n" +
		"Via: SIP/2.0/" + proto + " " + via + "\r\n" +
		"From: <sip:bob@127.0.0.1>;tag=theirs\r\n" +
		"To: <sip:alice@127.0.0.1>\r\n" +
		"Call-ID: their-call\r\n" +
		"CSeq: 3 OPTIONS\r\n" +
		fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
}

func streamed(branch string) string {
	return request("TCP", "127.0.0.1:5070;branch="+branch, "")
}

func dialTCP(t testing.TB, to netip.AddrPort) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func openUDP(t testing.TB, addr string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func put(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

// get reads from c until what came holds want.
func get(t testing.TB, c net.Conn, want string) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	var all []byte
	buf := make([]byte, 65536)
	for !strings.Contains(string(all), want) {
		n, err := c.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			t.Fatalf("waiting for %q: %v; got %q", want, err, all)
		}
	}
	return string(all)
}

// wantEOF reads until the far end has closed.
func wantEOF(t testing.TB, c net.Conn) []byte {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b, err := io.ReadAll(c)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Fatalf("the connection stays open; got %q", b)
	}
	return b
}

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func background() context.Context { return context.Background() }

var mustAddrPort = netip.MustParseAddrPort
