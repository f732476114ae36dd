package transport

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

func overTLS(branch string) string {
	return request("TLS", "127.0.0.1:5071;branch="+branch, "")
}

func dialSecure(t testing.TB, to netip.AddrPort, cfg *tls.Config) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", to.String(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestTLSListenersAnswerOnTheConnection(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	b := newInbox().echo()
	l := serve(t, Options{Security: a.security("sip.example.com")}, b, "tls://127.0.0.1:0", "tls://127.0.0.2:0", "tls://[::1]:0", "tls://0.0.0.0:0")
	for _, e := range l.Endpoints() {
		at := e.Addr
		if at.Addr().IsUnspecified() {
			at = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), at.Port())
		}
		c := dialSecure(t, at, a.client("sip.example.com"))
		put(t, c, overTLS("z9hG4bK1"))
		get(t, c, "SIP/2.0 200")
		m := b.next(t)
		if m.Flow.Proto() != TLS || !m.Flow.Reliable() || m.Flow.Local() != at || m.Flow.Advertised() != at || m.Flow.Advertised().Port() == 0 {
			t.Errorf("%v, advertised %v; asked %v", m.Flow, m.Flow.Advertised(), at)
		}
	}
}

func TestTLSRefusesOldVersionsAndStrangeClients(t *testing.T) {
	t.Parallel()
	a, strange := newAuthority(t), newAuthority(t)
	l := serve(t, Options{Security: a.security("sip.example.com")}, newInbox().echo(), "tls://127.0.0.1:0")
	addr := l.Endpoints()[0].Addr
	try := func(change func(*tls.Config)) error {
		cfg := a.client("sip.example.com")
		change(cfg)
		c, err := tls.Dial("tcp", addr.String(), cfg)
		if err != nil {
			return err
		}
		defer c.Close()
		put(t, c, overTLS("z9hG4bK1"))
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err = c.Read(make([]byte, 100)) // TLS 1.3 tells a client of its certificate's fate afterwards
		return err
	}
	if err := try(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	if err := try(func(c *tls.Config) { c.Certificates = []tls.Certificate{*strange.issue("phone.example.com")} }); err != nil {
		t.Errorf("a client that keeps its certificate, since none of our authorities signed it: %v", err)
	}
	if err := try(func(c *tls.Config) {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return strange.issue("phone.example.com"), nil
		}
	}); err == nil {
		t.Error("a client certificate of a strange authority was taken")
	}
	for name, change := range map[string]func(*tls.Config){
		"none":    func(*tls.Config) {},
		"TLS 1.2": func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		"ours":    func(c *tls.Config) { c.Certificates = []tls.Certificate{*a.issue("phone.example.com")} },
	} {
		if err := try(change); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTLSDialsVerifiedHostsOnly(t *testing.T) {
	t.Parallel()
	a, strange := newAuthority(t), newAuthority(t)
	good := serve(t, Options{Security: a.security("sip.example.com", "127.0.0.1", "sip:example.com")}, newInbox().echo(), "tls://127.0.0.1:0")
	forged := serve(t, Options{Security: strange.security("sip.example.com")}, newInbox().echo(), "tls://127.0.0.1:0")
	plain := serve(t, Options{}, newInbox().echo(), "tcp://127.0.0.1:0")
	in := newInbox()
	l := serve(t, Options{Security: a.security("us.example.com"), ConnectTimeout: time.Second}, in, "tls://127.0.0.1:0")
	for _, c := range []struct {
		to   *Layer
		host string
		want string
	}{
		{good, "sip.example.com", ""},
		{good, "example.com", ""},
		{good, "", ""}, // by its address
		{good, "evil.example.com", "not for evil.example.com"},
		{forged, "sip.example.com", "unknown authority"},
		{plain, "sip.example.com", ""},
	} {
		f, err := l.Connect(background(), Target{Proto: TLS, Addr: c.to.Endpoints()[0].Addr, Host: c.host})
		if c.to == plain {
			if err == nil {
				t.Error("connected by TLS to a TCP listener")
			}
			continue
		}
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.host, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.host, err)
			continue
		}
		msg, _ := parseText(overTLS("z9hG4bK1"))
		if err := f.Send(msg); err != nil {
			t.Error(err)
		}
		if m := in.next(t); m.Flow != f {
			t.Errorf("%s: answered over %v, asked over %v", c.host, m.Flow, f)
		}
	}
	// One connection a name, each verified for its own.
	waitFor(t, "three connections", func() bool { return l.Counts().Conns == 3 })
	f1, err1 := l.Connect(background(), Target{Proto: TLS, Addr: good.Endpoints()[0].Addr, Host: "example.com"})
	f2, err2 := l.Connect(background(), Target{Proto: TLS, Addr: good.Endpoints()[0].Addr, Host: "sip.example.com"})
	if err1 != nil || err2 != nil || f1 == f2 || l.Counts().Conns != 3 {
		t.Errorf("%v %v, %v %v, %d connections", f1, err1, f2, err2, l.Counts().Conns)
	}
}

func TestTLSCertificateReplacedWhileRunning(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	l := serve(t, Options{Security: a.security("old.example.com")}, newInbox().echo(), "tls://127.0.0.1:0")
	old := dialSecure(t, l.Endpoints()[0].Addr, a.client("old.example.com"))
	put(t, old, overTLS("z9hG4bK1"))
	get(t, old, "SIP/2.0 200")
	l.SetSecurity(a.security("new.example.com"))
	if c, err := tls.Dial("tcp", l.Endpoints()[0].Addr.String(), a.client("old.example.com")); err == nil {
		c.Close()
		t.Error("the old certificate is still shown")
	}
	fresh := dialSecure(t, l.Endpoints()[0].Addr, a.client("new.example.com"))
	put(t, fresh, overTLS("z9hG4bK2"))
	get(t, fresh, "SIP/2.0 200")
	put(t, old, overTLS("z9hG4bK3")) // a connection that stands goes on
	get(t, old, "SIP/2.0 200")
}

func TestTLSListenerNeedsACertificate(t *testing.T) {
	t.Parallel()
	for _, p := range []Proto{TLS, WSS} {
		_, err := New(Options{Listen: []Endpoint{{p, mustAddrPort("127.0.0.1:0")}}, Log: silent()})
		if want := fmt.Sprintf("listen %s://127.0.0.1:0: no certificate to show", p); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestTLSHandshakeTimesOut: who connects and says nothing, or not enough, holds a connection
// for the time that a message may take.
func TestTLSHandshakeTimesOut(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, hello := range map[string]string{"silence": "", "half a hello": "\x16\x03\x01\x02\x00\x01"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewMemory()
				b := newInbox()
				l := serve(t, Options{Network: n, Security: a.security("example.com"), MessageTimeout: 10 * time.Second}, b, "tls://127.0.0.1:5061", "wss://127.0.0.1:5062")
				for _, e := range l.Endpoints() {
					start := time.Now()
					c, err := n.Dial(t.Context(), netip.Addr{}, e.Addr)
					if err != nil {
						t.Fatal(err)
					}
					put(t, c, hello)
					_, _ = io.Copy(io.Discard, c)
					if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
						t.Errorf("%v closed after %v", e, d)
					}
					c.Close()
				}
				l.Close()
			})
		})
	}
}

func TestTLSSaysGoodbyeAfterTheLastMessage(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	b := newInbox()
	l := serve(t, Options{Security: a.security("example.com")}, b, "tls://127.0.0.1:0")
	c := dialSecure(t, l.Endpoints()[0].Addr, a.client("example.com"))
	put(t, c, overTLS("z9hG4bK1"))
	m := b.next(t)
	for range 20 {
		if err := m.Flow.Send(sip.NewResponseFromRequest(m.Msg.(*sip.Request), 200, "OK", make([]byte, 30<<10))); err != nil {
			t.Fatal(err)
		}
	}
	go l.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	all, err := io.ReadAll(c) // nil only with a close_notify
	if n := strings.Count(string(all), "SIP/2.0 200"); n != 20 || err != nil {
		t.Errorf("%d of 20 arrived, then %v", n, err)
	}
}

func TestTLSSlowReaderLosesItsConnectionAndNobodyWaits(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	b := newInbox()
	l := serve(t, Options{Security: a.security("example.com"), MaxQueue: 1 << 20}, b, "tls://127.0.0.1:0")
	c := dialSecure(t, l.Endpoints()[0].Addr, a.client("example.com"))
	put(t, c, overTLS("z9hG4bK1"))
	m := b.next(t)
	res := sip.NewResponseFromRequest(m.Msg.(*sip.Request), 200, "OK", make([]byte, 32<<10))
	var slowest time.Duration
	for range 3000 {
		start := time.Now()
		err := m.Flow.Send(res)
		slowest = max(slowest, time.Since(start))
		if err != nil {
			break
		}
	}
	if err := b.flowEnd(t); err != ErrQueueFull || slowest > time.Second {
		t.Errorf("ended with %v; slowest Send %v", err, slowest)
	}
}

// TestAliasNeverMixesPeers: RFC 5923, and what a stranger could make of it.
func TestAliasNeverMixesPeers(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	b := newInbox().echo()
	l := serve(t, Options{Security: a.security("us.example.com"), ConnectTimeout: time.Second}, b, "tls://127.0.0.1:0", "tcp://127.0.0.1:0")
	secure, plain := l.Endpoints()[0].Addr, l.Endpoints()[1].Addr
	claim := func(c net.Conn, proto, sentBy string) Flow {
		t.Helper()
		put(t, c, request(proto, sentBy+";branch=z9hG4bK1;alias", ""))
		get(t, c, "SIP/2.0 200")
		return b.next(t).Flow
	}
	alice := claim(dialSecure(t, secure, a.client("us.example.com", a.issue("alice.example.com"))), "TLS", "127.0.0.1:7061")
	bob := mustAddrPort("127.0.0.1:7062") // nobody listens there
	claim(dialSecure(t, secure, a.client("us.example.com", a.issue("mallory.example.com"))), "TLS", bob.String())
	claim(dialSecure(t, secure, a.client("us.example.com")), "TLS", bob.String())
	claim(dialTCP(t, plain), "TCP", bob.String())
	claim(dialSecure(t, secure, a.client("us.example.com", a.issue("bob.example.com"))), "TLS", "192.0.2.7:7063")

	for _, c := range []struct {
		to   Target
		want Flow
	}{
		{Target{Proto: TLS, Addr: mustAddrPort("127.0.0.1:7061"), Host: "alice.example.com"}, alice},
		{Target{Proto: TLS, Addr: mustAddrPort("127.0.0.1:7061"), Host: "bob.example.com"}, Flow{}},     // the certificate is alice's
		{Target{Proto: TLS, Addr: alice.Remote(), Host: "alice.example.com"}, alice},                    // exactly her connection
		{Target{Proto: TLS, Addr: alice.Remote(), Host: "bob.example.com"}, Flow{}},                     // which is not bob's
		{Target{Proto: TLS, Addr: bob, Host: "bob.example.com"}, Flow{}},                                // mallory's, or nobody's, claims
		{Target{Proto: TCP, Addr: bob, Host: "bob.example.com"}, Flow{}},                                // a claim on TCP
		{Target{Proto: TLS, Addr: mustAddrPort("192.0.2.7:7063"), Host: "bob.example.com"}, Flow{}},     // an address that is not the connection's
		{Target{Proto: TLS, Addr: mustAddrPort("127.0.0.1:7061"), Host: "mallory.example.com"}, Flow{}}, // not at that port
	} {
		f, err := l.Connect(background(), c.to)
		if f != c.want || (err == nil) != (c.want != Flow{}) {
			t.Errorf("to %v (%s): %v, %v; want %v", c.to, c.to.Host, f, err, c.want)
		}
	}
}

// TestAliasIsOfferedOnTLS: the other way round, on a connection that we opened.
func TestAliasIsOfferedOnTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	theirs := newInbox()
	far := serve(t, Options{Security: a.security("far.example.com", "127.0.0.1")}, theirs, "tls://127.0.0.1:0", "tcp://127.0.0.1:0")
	l := serve(t, Options{Security: a.security("us.example.com")}, newInbox(), "tls://127.0.0.1:0")
	f, err := l.Connect(background(), Target{Proto: TLS, Addr: far.Endpoints()[0].Addr, Host: "far.example.com"})
	if err != nil || !f.Aliased() {
		t.Fatalf("%v, %v", f.Aliased(), err)
	}
	port := l.Endpoints()[0].Addr.Port()
	msg, _ := parseText(request("TLS", fmt.Sprintf("127.0.0.1:%d;branch=z9hG4bK1;alias", port), ""))
	if err := f.Send(msg); err != nil {
		t.Fatal(err)
	}
	m := theirs.next(t)
	back, err := far.Connect(background(), Target{Proto: TLS, Addr: l.Endpoints()[0].Addr, Host: "us.example.com"})
	if err != nil || back != m.Flow || m.Flow.Aliased() {
		t.Errorf("%v, %v; want %v", back, err, m.Flow)
	}
	if n := l.Counts().Conns; n != 1 {
		t.Errorf("%d connections", n)
	}
	plain, err := l.Connect(background(), target(TCP, far.Endpoints()[1].Addr))
	if err != nil || plain.Aliased() {
		t.Errorf("%v %v", plain, err)
	}
}
