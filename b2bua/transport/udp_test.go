package transport

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestEachUDPListenerAnswersFromItsOwnSocket(t *testing.T) {
	t.Parallel()
	l := serve(t, Options{}, newInbox().echo(), "udp://127.0.0.1:0", "udp://127.0.0.2:0", "udp://127.0.0.1:0", "udp://[::1]:0")
	for _, e := range l.Endpoints() {
		from := "127.0.0.1:0"
		if e.Addr.Addr().Is6() {
			from = "[::1]:0"
		}
		c := openUDP(t, from)
		if _, err := c.WriteToUDPAddrPort([]byte(options("z9hG4bK1")), e.Addr); err != nil {
			t.Fatal(err)
		}
		if got := readFrom(t, c); got != e.Addr {
			t.Errorf("asked %v, answered by %v", e.Addr, got)
		}
	}
}

func readFrom(t *testing.T, c *net.UDPConn) netip.AddrPort {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, from, err := c.ReadFromUDPAddrPort(make([]byte, 65536))
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

func TestWildcardUDPListenerAnswersFromTheAddressAsked(t *testing.T) {
	t.Parallel()
	b := newInbox().echo()
	l := serve(t, Options{}, b, "udp://0.0.0.0:0")
	port := l.Endpoints()[0].Addr.Port()
	for _, ip := range []string{"127.0.0.1", "127.0.0.2", "127.3.4.5"} {
		asked := netip.AddrPortFrom(netip.MustParseAddr(ip), port)
		c := openUDP(t, "127.0.0.9:0")
		if _, err := c.WriteToUDPAddrPort([]byte(options("z9hG4bK1")), asked); err != nil {
			t.Fatal(err)
		}
		if got := readFrom(t, c); got != asked {
			t.Errorf("asked %v, answered by %v", asked, got)
		}
		m := b.next(t)
		if m.Flow.Local() != asked || m.Flow.Advertised() != asked {
			t.Errorf("local %v, advertised %v, asked %v", m.Flow.Local(), m.Flow.Advertised(), asked)
		}
	}
}

func TestUDPReceiveBuffer(t *testing.T) {
	t.Parallel()
	var log logged
	l := serve(t, Options{Log: textLog(&log)}, newInbox(), "udp://127.0.0.1:0", "udp://127.0.0.1:0")
	got := l.ReadBuffer()
	if got == 0 {
		t.Skip("this system does not tell")
	}
	if warned := strings.Count(log.String(), "sysctl -w net.core.rmem_max=4194304"); (warned == 1) != (got < 4<<20) || warned > 1 {
		t.Errorf("buffer of %d bytes, warned %d times", got, warned)
	}
	t.Logf("receive buffer: %d bytes", got)
}

func TestUDPGarbageIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	var log logged
	b := newInbox().echo()
	l := serve(t, Options{Log: textLog(&log)}, b, "udp://127.0.0.1:0")
	c, err := net.Dial("udp", l.Endpoints()[0].Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, s := range []string{"\r\n\r\n", "\x00\x00\x00\x00", ""} {
		put(t, c, s) // keep-alives: neither garbage nor messages
	}
	const junk = 100
	for i := range junk {
		put(t, c, fmt.Sprintf("\x00\x01garbage %d secret-password\xff\xfe", i))
	}
	put(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	put(t, c, "SIP/2.0 nonsense\r\n\r\n")
	put(t, c, strings.Repeat("a", 60000))
	put(t, c, options("z9hG4bK1"))
	get(t, c, "SIP/2.0 200")
	if n := l.Counts(); n.Dropped != junk+3 || n.Received != 1 || n.Panics != 0 {
		t.Errorf("%+v", n)
	}
	if n := strings.Count(log.String(), "garbage dropped"); n == 0 || n > 3*linesPerSecond {
		t.Errorf("%d log lines for %d messages", n, junk)
	}
}

func TestPanicCostsOneMessage(t *testing.T) {
	t.Parallel()
	b := newInbox().echo()
	echo := b.on
	b.on = func(m *Incoming) {
		if strings.Contains(m.Msg.Via().Value(), "bomb") {
			panic("injected")
		}
		echo(m)
	}
	l := serve(t, Options{}, b, "udp://127.0.0.1:0", "tcp://127.0.0.1:0")
	for i, network := range []string{"udp", "tcp"} {
		c, err := net.Dial(network, l.Endpoints()[i].Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		put(t, c, options("z9hG4bKbomb"))
		put(t, c, options("z9hG4bK1"))
		get(t, c, "SIP/2.0 200")
		if n := l.Counts().Panics; n != uint64(i+1) {
			t.Errorf("%d panics", n)
		}
	}
}

func TestReceivedAndRport(t *testing.T) {
	t.Parallel()
	from := netip.MustParseAddrPort("192.0.2.9:41000")
	six := netip.MustParseAddrPort("[2001:db8::9]:41000")
	for _, c := range []struct {
		via  string
		from netip.AddrPort
		want string
	}{
		// RFC 3261 §18.2.1: added when sent-by is another address or a name.
		{"192.0.2.9:5060;branch=b", from, "SIP/2.0/UDP 192.0.2.9:5060;branch=b"},
		{"10.0.0.1;branch=b", from, "SIP/2.0/UDP 10.0.0.1;branch=b;received=192.0.2.9"},
		{"phone.example.com:5070;branch=b", from, "SIP/2.0/UDP phone.example.com:5070;branch=b;received=192.0.2.9"},
		// RFC 3581 §4: with rport, received even when it is the same.
		{"192.0.2.9:5060;rport;branch=b", from, "SIP/2.0/UDP 192.0.2.9:5060;rport=41000;branch=b;received=192.0.2.9"},
		{"10.0.0.1;RPORT;branch=b", from, "SIP/2.0/UDP 10.0.0.1;rport=41000;branch=b;received=192.0.2.9"},
		// What the sender claims does not stand.
		{"10.0.0.1;rport=1;received=198.51.100.1;branch=b", from, "SIP/2.0/UDP 10.0.0.1;rport=41000;branch=b;received=192.0.2.9"},
		{"192.0.2.9;received=198.51.100.1;branch=b", from, "SIP/2.0/UDP 192.0.2.9;branch=b"},
		// RFC 5118 §4.5: IPv6 in received goes without brackets.
		{"[2001:db8::9]:5060;branch=b", six, "SIP/2.0/UDP [2001:db8::9]:5060;branch=b"},
		{"[2001:db8::1];rport;branch=b", six, "SIP/2.0/UDP [2001:db8::1];rport=41000;branch=b;received=2001:db8::9"},
	} {
		l := &Layer{parser: newParser(0)}
		msg, err := l.parse([]byte(request("UDP", c.via, "")))
		if err != nil {
			t.Errorf("%s: %v", c.via, err)
			continue
		}
		markVia(msg.(*sip.Request), c.from)
		if got := msg.Via().Value(); got != c.want {
			t.Errorf("Via %s from %v:\n got %s\nwant %s", c.via, c.from, got, c.want)
		}
	}
}

func TestWhereUDPResponsesGo(t *testing.T) {
	t.Parallel()
	b := newInbox()
	l := serve(t, Options{Network: NewMemory()}, b, "udp://127.0.0.1:5060")
	pc, err := l.o.Network.ListenPacket(netip.MustParseAddrPort("127.0.0.1:6000"))
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	for via, want := range map[string]string{
		"127.0.0.1:5070;rport;branch=z9hG4bK1":          "127.0.0.1:6000", // RFC 3581 §4
		"127.0.0.1:5070;branch=z9hG4bK1":                "127.0.0.1:5070", // RFC 3261 §18.2.2
		"phone.invalid;branch=z9hG4bK1":                 "127.0.0.1:5060",
		"10.9.9.9:7;received=10.8.8.8;branch=z9hG4bK1":  "127.0.0.1:7",
		"127.0.0.1:5070;rport=7;branch=z9hG4bK1;comp=x": "127.0.0.1:6000",
	} {
		if _, err := pc.WriteTo([]byte(request("UDP", via, "")), net.UDPAddrFromAddrPort(l.Endpoints()[0].Addr)); err != nil {
			t.Fatal(err)
		}
		m := b.next(t)
		f, err := l.Response(m.Msg.(*sip.Request), m.Flow)
		if err != nil || f.Remote().String() != want {
			t.Errorf("%s: to %v, %v; want %s", via, f.Remote(), err, want)
		}
	}
}

func TestLargeUDPMessages(t *testing.T) {
	t.Parallel()
	b := newInbox()
	l := serve(t, Options{}, b, "udp://127.0.0.1:0")
	c, err := net.Dial("udp", l.Endpoints()[0].Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := strings.Repeat("v", 64000)
	put(t, c, request("UDP", "127.0.0.1:5070;rport;branch=z9hG4bK1", body))
	m := b.next(t)
	if m.Err != nil || string(m.Msg.Body()) != body {
		t.Errorf("%v, body of %d bytes", m.Err, len(m.Msg.Body()))
	}
	req := m.Msg.(*sip.Request)
	req.SetBody(make([]byte, 70000))
	if err := m.Flow.Send(req); err == nil {
		t.Error("a message that no datagram can hold was sent")
	}
	// RFC 3261 §18.3: too short is an error, what is too long is cut.
	put(t, c, strings.Replace(options("z9hG4bK1"), "Content-Length: 0", "Content-Length: 20", 1)+"v=0")
	if m := b.next(t); m.Err == nil || len(m.Msg.Body()) != 0 {
		t.Errorf("%v, body %q", m.Err, m.Msg.Body())
	}
	put(t, c, options("z9hG4bK1")+"trailing")
	if m := b.next(t); m.Err != nil || len(m.Msg.Body()) != 0 {
		t.Errorf("%v, body %q", m.Err, m.Msg.Body())
	}
}

// TestLargeResponsesOnUDP: a response goes where the request came from, however large
// (RFC 3261 §18.2.2), in fragments.
func TestLargeResponsesOnUDP(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 60<<10)
	b := newInbox()
	b.on = func(m *Incoming) {
		_ = m.Flow.Send(sip.NewResponseFromRequest(m.Msg.(*sip.Request), 200, "OK", []byte(body)))
	}
	l := serve(t, Options{}, b, "udp://127.0.0.1:0", "udp://[::1]:0")
	for _, e := range l.Endpoints() {
		c, err := net.Dial("udp", e.Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		put(t, c, options("z9hG4bK1"))
		get(t, c, "\r\n\r\n"+body)
	}
}

func TestWildcardListenersOfBothFamilies(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	b := newInbox().echo()
	l := serve(t, Options{Security: a.security("example.com")}, b, "udp://[::]:0", "tcp://[::]:0", "tls://[::]:0", "udp://0.0.0.0:0", "tcp://0.0.0.0:0", "tls://0.0.0.0:0")
	for _, e := range l.Endpoints() {
		hosts := []string{"127.0.0.1", "127.0.0.2"}
		if e.Addr.Addr().Is6() {
			hosts = []string{"::1"}
		}
		for _, host := range hosts {
			asked := netip.AddrPortFrom(netip.MustParseAddr(host), e.Addr.Port())
			var c net.Conn
			switch e.Proto {
			case UDP:
				udp := openUDP(t, netip.AddrPortFrom(asked.Addr(), 0).String())
				if _, err := udp.WriteToUDPAddrPort([]byte(options("z9hG4bK1")), asked); err != nil {
					t.Fatal(err)
				}
				if got := readFrom(t, udp); got != asked {
					t.Errorf("asked %v, answered by %v", asked, got)
				}
			case TCP:
				c = dialTCP(t, asked)
				put(t, c, streamed("z9hG4bK1"))
			case TLS:
				c = dialSecure(t, asked, a.client("example.com"))
				put(t, c, overTLS("z9hG4bK1"))
			}
			if c != nil {
				get(t, c, "SIP/2.0 200")
			}
			if m := b.next(t); m.Flow.Local() != asked || m.Flow.Advertised() != asked {
				t.Errorf("%s: local %v, advertised %v, asked %v", e.Proto, m.Flow.Local(), m.Flow.Advertised(), asked)
			}
		}
	}
}
