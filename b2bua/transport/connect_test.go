package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestListenErrorNamesTheListener(t *testing.T) {
	t.Parallel()
	l := serve(t, Options{}, newInbox(), "udp://127.0.0.1:0", "tcp://127.0.0.1:0")
	for _, e := range l.Endpoints() {
		_, err := New(Options{Listen: []Endpoint{e}, Log: silent()})
		if want := "listen " + e.String() + ": address already in use"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	_, err := New(Options{Listen: []Endpoint{{TLS, mustAddrPort("127.0.0.1:0")}}, Log: silent()})
	if err == nil || !strings.Contains(err.Error(), "no certificate to show") {
		t.Errorf("got %v", err)
	}
}

func TestParseEndpoint(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"udp://127.0.0.1:5060": "udp://127.0.0.1:5060", "TCP://0.0.0.0:0": "tcp://0.0.0.0:0", "tls://[::1]:7": "tls://[::1]:7",
		"udp://127.0.0.1": "udp://127.0.0.1:5060", "tls://[::]": "tls://[::]:5061", "udp://[::ffff:1.2.3.4]:1": "udp://1.2.3.4:1",
		"127.0.0.1:5060": "", "sctp://127.0.0.1:1": "", "udp://localhost:5060": "", "udp://127.0.0.1:70000": "", "udp://": "",
	} {
		e, err := ParseEndpoint(in)
		if (err == nil) != (want != "") || (err == nil && e.String() != want) {
			t.Errorf("%s: %v, %v; want %s", in, e, err, want)
		}
	}
}

func target(p Proto, addr netip.AddrPort) Target { return Target{Proto: p, Addr: addr} }

func TestConnectPicksTheListenerOfTheFamilyAndRoute(t *testing.T) {
	t.Parallel()
	l := serve(t, Options{}, newInbox(), "udp://127.0.0.1:0", "udp://[::1]:0")
	for i, to := range []string{"127.0.0.1:9", "[::1]:9"} {
		f, err := l.Connect(background(), target(UDP, mustAddrPort(to)))
		if err != nil || f.Local() != l.Endpoints()[i].Addr || f.Advertised() != l.Endpoints()[i].Addr || f.Remote().String() != to {
			t.Errorf("to %s: %v, %v", to, f, err)
		}
	}
	only6 := serve(t, Options{}, newInbox(), "udp://[::1]:0")
	if _, err := only6.Connect(background(), target(UDP, mustAddrPort("127.0.0.1:9"))); err == nil {
		t.Error("an IPv4 address was reached from IPv6")
	}
	if _, err := only6.Resolve(background(), uri(t, "sip:127.0.0.1")); err == nil {
		t.Error("an IPv4 address was resolved for IPv6")
	}
}

func TestConnectionsAreSharedPerPeerAndNeverMixed(t *testing.T) {
	t.Parallel()
	a, b := newInbox().echo(), newInbox().echo()
	far1 := serve(t, Options{}, a, "tcp://127.0.0.1:0")
	far2 := serve(t, Options{}, b, "tcp://127.0.0.1:0")
	in := newInbox()
	l := serve(t, Options{}, in, "tcp://127.0.0.1:0")
	to1, to2 := target(TCP, far1.Endpoints()[0].Addr), target(TCP, far2.Endpoints()[0].Addr)
	flows := make([]Flow, 20)
	var wg sync.WaitGroup
	for i := range flows {
		wg.Go(func() {
			f, err := l.Connect(background(), to1)
			if err != nil {
				t.Error(err)
			}
			flows[i] = f
		})
	}
	wg.Wait()
	for _, f := range flows {
		if f != flows[0] {
			t.Fatal("two connections to one peer")
		}
	}
	other, err := l.Connect(background(), to2)
	if err != nil || other == flows[0] || other.Remote() != to2.Addr {
		t.Fatalf("%v %v", other, err)
	}
	// Our connection is theirs to answer and to call back on, to exactly its address.
	msg, _ := parseText(streamed("z9hG4bK1"))
	if err := flows[0].Send(msg); err != nil {
		t.Fatal(err)
	}
	m := a.next(t)
	in.next(t)
	back, err := far1.Connect(background(), target(TCP, m.Flow.Remote()))
	if err != nil || back != m.Flow {
		t.Errorf("%v, %v; want the accepted connection %v", back, err, m.Flow)
	}
	// Once it is dead it is not used again.
	far1.Close()
	in.flowEnd(t)
	if _, err := l.Connect(background(), to1); err == nil || flows[0].Alive() {
		t.Errorf("connected to nobody: %v", err)
	}
	if other.Alive() != true || l.Counts().Conns != 1 {
		t.Error("the other connection suffered")
	}
}

func TestConnectStopsWithItsContext(t *testing.T) {
	t.Parallel()
	stuck := &stuckNetwork{Memory: NewMemory(), begun: make(chan struct{})}
	l := serve(t, Options{Network: stuck, ConnectTimeout: time.Minute}, newInbox(), "tcp://127.0.0.1:5060")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-stuck.begun
		cancel()
	}()
	_, err := l.Connect(ctx, target(TCP, mustAddrPort("127.0.0.1:9")))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	start := time.Now()
	l.Close()
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("Close waited %v for the dialling", d)
	}
}

type stuckNetwork struct {
	*Memory
	begun chan struct{}
}

func (n *stuckNetwork) Dial(ctx context.Context, _ netip.Addr, _ netip.AddrPort) (net.Conn, error) {
	close(n.begun)
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestResponseDialsWhenTheConnectionIsGone(t *testing.T) {
	t.Parallel()
	n := NewMemory()
	b := newInbox()
	l := serve(t, Options{Network: n}, b, "tcp://127.0.0.1:5060")
	far := newInbox()
	serve(t, Options{Network: n}, far, "tcp://127.0.0.1:5070")
	c, err := n.Dial(background(), netip.Addr{}, mustAddrPort("127.0.0.1:5060"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, streamed("z9hG4bK1"))
	m := b.next(t)
	req := m.Msg.(*sip.Request)
	if f, err := l.Response(req, m.Flow); err != nil || f != m.Flow {
		t.Errorf("%v %v", f, err)
	}
	c.Close()
	b.flowEnd(t)
	// RFC 3261 §18.2.2: to received and the port of sent-by.
	f, err := l.Response(req, m.Flow)
	if err != nil || f.Remote().String() != "127.0.0.1:5070" {
		t.Fatalf("%v %v", f, err)
	}
	if err := f.Send(sip.NewResponseFromRequest(req, 200, "OK", nil)); err != nil {
		t.Fatal(err)
	}
	if _, ok := far.next(t).Msg.(*sip.Response); !ok {
		t.Error("no response")
	}
}

func uri(t testing.TB, s string) sip.Uri {
	t.Helper()
	var u sip.Uri
	if err := sip.ParseUri(s, &u); err != nil {
		t.Fatal(err)
	}
	return u
}

// routedNetwork pretends to be a host with two networks.
type routedNetwork struct{ *Memory }

func (routedNetwork) Route(remote netip.AddrPort) (netip.Addr, error) {
	switch {
	case netip.MustParsePrefix("10.0.0.0/8").Contains(remote.Addr()):
		return netip.MustParseAddr("10.0.0.2"), nil
	case remote.Addr().Is4():
		return netip.MustParseAddr("192.168.1.2"), nil
	}
	return netip.MustParseAddr("2001:db8::2"), nil
}

func (routedNetwork) Addrs() ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("192.168.1.2")}, nil
}

// wildcard keeps the unspecified address that Memory replaces.
func (n routedNetwork) ListenPacket(addr netip.AddrPort) (net.PacketConn, error) {
	pc, err := n.Memory.ListenPacket(addr)
	return &wildcard{pc, addr}, err
}

type wildcard struct {
	net.PacketConn
	addr netip.AddrPort
}

func (w *wildcard) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(w.addr) }

func TestAdvertised(t *testing.T) {
	t.Parallel()
	public := netip.MustParseAddr("203.0.113.7")
	n := routedNetwork{NewMemory()}
	l := serve(t, Options{Network: n, Advertise: []netip.Addr{public}}, newInbox(), "udp://0.0.0.0:5060", "tcp://127.0.0.1:5062", "udp://[::]:5064")
	for to, want := range map[string]string{
		"10.9.9.9:5060":      "10.0.0.2:5060",
		"192.168.1.77:5060":  "192.168.1.2:5060",
		"198.51.100.1:5060":  "203.0.113.7:5060",
		"[2001:db8::9]:5060": "[2001:db8::2]:5064", // none advertised of this family
	} {
		f, err := l.Connect(background(), target(UDP, mustAddrPort(to)))
		if err != nil || f.Advertised().String() != want {
			t.Errorf("to %s: %v, %v; want %s", to, f.Advertised(), err, want)
		}
	}
	// A connection that we opened advertises the port we listen on.
	far := serve(t, Options{Network: n}, newInbox(), "tcp://127.0.0.1:5070")
	f, err := l.Connect(background(), target(TCP, far.Endpoints()[0].Addr))
	if err != nil || f.Advertised().String() != "127.0.0.1:5062" {
		t.Errorf("%v, %v", f.Advertised(), err)
	}
	for in, want := range map[string]bool{
		"sip:700@10.0.0.2":                     true,
		"sip:700@10.0.0.2:5060":                true,
		"sip:700@203.0.113.7":                  true,
		"sip:700@127.0.0.1":                    true,
		"sip:700@localhost":                    true,
		"sip:700@127.0.0.1:5062;transport=tcp": true,
		"sip:700@10.0.0.2:5061":                false,
		"sip:700@10.0.0.3":                     false,
		"sip:700@example.com":                  false,
		"sip:700@[2001:db8::2]:5064":           false,
		"sip:700@[::1]:5064":                   true,
		"tel:700":                              false,
	} {
		if got := l.Owns(uri(t, in)); got != want {
			t.Errorf("Owns(%s) = %v", in, got)
		}
	}
}

func TestRoutesStayBounded(t *testing.T) {
	t.Parallel()
	l := serve(t, Options{Network: NewMemory()}, newInbox(), "udp://127.0.0.1:5060")
	for i := range 5000 {
		l.route(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5060))
	}
	if n := len(l.routes.by); n > maxRoutes {
		t.Errorf("%d routes kept", n)
	}
}

func TestTapSeesBothDirections(t *testing.T) {
	t.Parallel()
	l := serve(t, Options{}, newInbox().echo(), "udp://127.0.0.1:0")
	seen := make(chan string, 10)
	l.OnMessage(func(d Direction, f Flow, b []byte) {
		line, _, _ := strings.Cut(string(b), "\r\n")
		seen <- map[Direction]string{In: "in ", Out: "out "}[d] + line
	})
	c, err := net.Dial("udp", l.Endpoints()[0].Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	put(t, c, options("z9hG4bK1"))
	get(t, c, "200")
	if a, b := <-seen, <-seen; a != "in OPTIONS sip:alice@127.0.0.1 SIP/2.0" || b != "out SIP/2.0 200 Reason" {
		t.Errorf("%s, %s", a, b)
	}
	l.OnMessage(nil)
	put(t, c, options("z9hG4bK2"))
	get(t, c, "200")
	if len(seen) != 0 {
		t.Error("a removed tap goes on")
	}
}

func TestOwns(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	o := Options{Network: NewMemory(), Security: a.security("example.com"), Domain: "example.com",
		Advertise: []netip.Addr{netip.MustParseAddr("203.0.113.7")}}
	l := serve(t, o, newInbox(), "udp://127.0.0.1:5060", "tls://127.0.0.1:5061", "ws://127.0.0.1:5066", "wss://127.0.0.1:5067", "tcp://[::1]:5080")
	for in, want := range map[string]bool{
		"sip:700@127.0.0.1":                        true,
		"sip:700@127.0.0.1:5061;transport=tls":     true,
		"sip:700@127.0.0.1;transport=tls":          true, // 5061 is its default
		"sips:700@127.0.0.1":                       true,
		"sips:700@203.0.113.7:5061":                true,
		"sips:700@203.0.113.7:5060":                true, // the port is ours
		"sip:700@203.0.113.7":                      true,
		"sip:700@203.0.113.7:5070":                 false,
		"sip:700@203.0.113.8":                      false,
		"sip:700@127.0.0.1:5066;transport=ws":      true,
		"sip:700@127.0.0.1:5067;transport=ws":      true,
		"sip:700@127.0.0.1;transport=ws":           true,
		"sip:700@127.0.0.1:5065;transport=ws":      false,
		"sip:700@example.com":                      true,
		"sips:700@EXAMPLE.com":                     true,
		"sip:700@example.com;transport=ws":         true,
		"sip:700@example.com:5061":                 true,
		"sip:700@example.com:5070":                 false,
		"sip:700@sip.example.com":                  false,
		"sip:700@[::1]:5080;transport=tcp":         true,
		"sip:700@[::1]:5060":                       false, // nobody listens there
		"sip:700@127.0.0.1;transport=sctp":         false,
		"sip:700@127.0.0.1;maddr=192.0.2.1":        false,
		"tel:700":                                  false,
		"sip:700@[2001:db8::1]:5080;transport=tcp": false,
	} {
		if got := l.Owns(uri(t, in)); got != want {
			t.Errorf("Owns(%s) = %v", in, got)
		}
	}
}

// rudeNetwork panics where it is told to.
type rudeNetwork struct {
	*Memory
	dial bool
}

func (n rudeNetwork) Dial(ctx context.Context, local netip.Addr, remote netip.AddrPort) (net.Conn, error) {
	if n.dial {
		panic("injected")
	}
	c, err := n.Memory.Dial(ctx, local, remote)
	return &rudeConn{Conn: c}, err
}

func (n rudeNetwork) DialPacket(netip.AddrPort) (net.Conn, error) { panic("injected") }

type rudeConn struct {
	net.Conn
	once sync.Once
}

func (c *rudeConn) Read(b []byte) (int, error) {
	c.once.Do(func() { panic("injected") })
	return c.Conn.Read(b)
}

// TestPanicsOutsideMessages: a connection, a dial or a look-up that panics ends alone.
func TestPanicsOutsideMessages(t *testing.T) {
	t.Parallel()
	n := NewMemory()
	in := newInbox()
	far := serve(t, Options{Network: n}, newInbox(), "tcp://127.0.0.1:5070")
	to := target(TCP, far.Endpoints()[0].Addr)
	l := serve(t, Options{Network: rudeNetwork{n, true}, DNS: []netip.AddrPort{mustAddrPort("10.0.0.53:53")}}, in, "udp://127.0.0.1:5060")
	if _, err := l.Connect(background(), to); !errors.Is(err, errFault) {
		t.Errorf("dial: %v", err)
	}
	if _, err := l.Resolve(background(), uri(t, "sip:a@example.com:5060")); !errors.Is(err, errFault) {
		t.Errorf("look-up: %v", err)
	}
	reader := serve(t, Options{Network: rudeNetwork{n, false}}, in, "udp://127.0.0.1:5061")
	f, err := reader.Connect(background(), to)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.flowEnd(t); !errors.Is(err, errFault) || f.Alive() {
		t.Errorf("read: %v", err)
	}
	if a, b := l.Counts().Panics, reader.Counts(); a < 2 || b.Panics != 1 || b.Conns != 0 {
		t.Errorf("%d and %+v", a, b)
	}
}
