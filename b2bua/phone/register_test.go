package phone

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// office is a registrar with one user, 1001, made of the parts that a server has.
type office struct {
	layer     *transport.Layer
	digest    *auth.Digest
	registrar *registrar.Registrar
	cred      auth.Credential
	asked     int // REGISTERs that were right
}

func (w *world) office(t *testing.T, o registrar.Options, algorithms ...auth.Algorithm) *office {
	t.Helper()
	addr := netip.MustParseAddrPort("127.0.0.1:0")
	l, err := transport.New(transport.Options{Network: w.sip, Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: addr}}})
	if err != nil {
		t.Fatal(err)
	}
	s := &office{
		layer: l, registrar: registrar.New(o), cred: auth.NewCredential("1001", "office", "secret"),
		digest: auth.NewDigest(auth.DigestOptions{Realm: "office", Algorithms: algorithms, Lifetime: time.Minute}),
	}
	l.Serve(transaction.New(transaction.Options{Transport: l, Handler: s}))
	t.Cleanup(func() { s.registrar.Close(); l.Close() })
	return s
}

func (s *office) uri() string { return "sip:" + s.layer.Endpoints()[0].Addr.String() }

func (s *office) HandleRequest(tx *transaction.Server) {
	req := tx.Request()
	verdict := auth.Foreign
	for _, h := range headerValues(req, "Authorization") {
		if user, ok := s.digest.Username(h); ok {
			verdict = s.digest.Verify(tx.Flow().Remote().Addr(), string(req.Method), h, s.cred, user == s.cred.User)
		}
	}
	switch verdict {
	case auth.OK:
	case auth.Bad:
		respond(tx, 403, "t")
		return
	default:
		var asks []sip.Header
		for _, v := range s.digest.Challenge(tx.Flow().Remote().Addr(), verdict == auth.Stale) {
			asks = append(asks, sip.NewHeader("WWW-Authenticate", v))
		}
		respond(tx, 401, "t", asks...)
		return
	}
	code, contacts, err := s.registrar.Register("1001", req, tx.Flow())
	headers := []sip.Header{sip.NewHeader("Min-Expires", "1800")}
	if err == nil {
		s.asked++
		headers = nil
		for _, c := range contacts {
			headers = append(headers, c.Header(time.Now()))
		}
	}
	respond(tx, code, "t", headers...)
}

func (s *office) HandleAck(*sip.Request, transport.Flow)    {}
func (s *office) HandleStray(*sip.Response, transport.Flow) {}
func (s *office) HandleBad(*transport.Incoming)             {}
func (s *office) HandleFlowClosed(transport.Flow, error)    {}

func TestRegister(t *testing.T) {
	for _, algorithms := range [][]auth.Algorithm{nil, {auth.MD5}, {auth.SHA256}} {
		t.Run("", func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				s := w.office(t, registrar.Options{}, algorithms...)
				p := w.phone(t, Options{User: "1001", Password: "secret", Server: s.uri(), Domain: "example.com", Expires: 10 * time.Minute})
				if err := p.Register(t.Context()); err != nil {
					t.Fatal(err)
				}
				bound := s.registrar.Contacts("1001")
				if len(bound) != 1 || bound[0].URI.String() != p.URI() || time.Until(bound[0].Expires) != 10*time.Minute {
					t.Fatalf("bound: %+v", bound)
				}
				// It stays bound, nonces growing stale on the way, and to one contact.
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := len(s.registrar.Contacts("1001")); n != 1 || s.asked != 8 {
					t.Errorf("after an hour %d contacts by %d REGISTERs", n, s.asked)
				}
				if err := p.Unregister(t.Context()); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := s.registrar.Len(); n != 0 || s.asked != 9 {
					t.Errorf("after unregistering %d contacts by %d REGISTERs", n, s.asked)
				}
			})
		})
	}
}

// RFC 3261 §10.2.8.
func TestRegisterTooBrief(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.office(t, registrar.Options{MinExpires: 30 * time.Minute})
		p := w.phone(t, Options{User: "1001", Password: "secret", Server: s.uri(), Expires: time.Minute})
		if err := p.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := time.Until(s.registrar.Contacts("1001")[0].Expires); left != 30*time.Minute {
			t.Errorf("bound for %v", left)
		}
	})
}

func TestRegisterRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.office(t, registrar.Options{})
		for _, tt := range []struct {
			user, password string
			want           int
		}{{"1001", "wrong", 403}, {"1002", "secret", 403}, {"", "", 401}} {
			p := w.phone(t, Options{User: tt.user, Password: tt.password, Server: s.uri()})
			if no, ok := errors.AsType[*Rejected](p.Register(t.Context())); !ok || no.Code != tt.want {
				t.Errorf("%s with %q: %v, want %d", tt.user, tt.password, no, tt.want)
			}
		}
		if s.registrar.Len() != 0 {
			t.Error("somebody is bound")
		}
	})
}

// A proxy and a server each challenge; the ACK of the 2xx carries both answers,
// and a BYE may be challenged as well.
func TestChallengedTwice(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, far := w.phone(t, Options{User: "u", Password: "p"}), w.peer(t)
		proxy := auth.NewDigest(auth.DigestOptions{Realm: "proxy"})
		home := auth.NewDigest(auth.DigestOptions{Realm: "home"})
		verify := func(d *auth.Digest, req *sip.Request, header string) {
			t.Helper()
			values := headerValues(req, header)
			if len(values) != 1 || d.Verify(netip.Addr{}, "INVITE", values[0], auth.NewCredential("u", d.Realm(), "p"), true) != auth.OK {
				t.Errorf("%s: %q", header, values)
			}
		}
		c, err := a.Invite(t.Context(), far.uri(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		first, f := far.request(sip.INVITE)
		far.answer(first, f, 407, "x", nil, sip.NewHeader("Proxy-Authenticate", proxy.Challenge(netip.Addr{}, false)[0]))
		far.request(sip.ACK)
		second, _ := far.request(sip.INVITE)
		verify(proxy, second, "Proxy-Authorization")
		far.answer(second, f, 401, "y", nil, sip.NewHeader("WWW-Authenticate", home.Challenge(netip.Addr{}, false)[1]))
		far.request(sip.ACK)
		third, _ := far.request(sip.INVITE)
		verify(proxy, third, "Proxy-Authorization")
		verify(home, third, "Authorization")
		if id := third.CallID().Value(); id != first.CallID().Value() || third.CSeq().SeqNo != 3 {
			t.Errorf("Call-ID %s, CSeq %d", id, third.CSeq().SeqNo)
		}
		far.answer(third, f, 200, "z", []byte(sdpOffer))
		ack, _ := far.request(sip.ACK)
		for _, name := range []string{"Proxy-Authorization", "Authorization"} { // RFC 3261 §13.2.2.4
			if got, want := headerValues(ack, name), headerValues(third, name); !slices.Equal(got, want) {
				t.Errorf("the ACK has %s %q, the INVITE %q", name, got, want)
			}
		}
		if err := c.Answered(t.Context()); err != nil {
			t.Fatal(err)
		}
		hung := make(chan error, 1)
		go func() { hung <- c.Hangup(t.Context()) }()
		bye, _ := far.request(sip.BYE)
		far.answer(bye, f, 401, "", nil, sip.NewHeader("WWW-Authenticate", home.Challenge(netip.Addr{}, false)[0]))
		again, _ := far.request(sip.BYE)
		if again.CSeq().SeqNo != bye.CSeq().SeqNo+1 || !strings.Contains(headerValues(again, "Authorization")[0], "SHA-256") {
			t.Errorf("BYE is %s", again)
		}
		far.answer(again, f, 200, "", nil)
		if err := <-hung; err != nil {
			t.Errorf("hang up: %v", err)
		}
	})
}

// A wrong password is told once, not tried again and again; a stale nonce is tried again.
func TestChallengesEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, far := w.phone(t, Options{User: "u", Password: "wrong"}), w.peer(t)
		home := auth.NewDigest(auth.DigestOptions{Realm: "home"})
		for _, stale := range []bool{false, true} {
			c, err := a.Invite(t.Context(), far.uri(), DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			rounds := 0
			for c.State() != Ended {
				req, f := far.request(sip.INVITE)
				far.answer(req, f, 401, "y", nil, sip.NewHeader("WWW-Authenticate", home.Challenge(netip.Addr{}, stale)[0]))
				far.request(sip.ACK)
				synctest.Wait()
				rounds++
			}
			if e := ended(t, c); e.Code != 401 || rounds != map[bool]int{false: 2, true: 5}[stale] {
				t.Errorf("stale %v: %d rounds, %+v", stale, rounds, e)
			}
		}
	})
}
