package b2bua

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/trunk"
	"tandem/store"
)

// withTrunks gives a server trunks. Only 10.0.1.1, the first peer, is trusted.
func withTrunks(configs ...trunk.Config) func(*Options) {
	return func(o *Options) {
		o.Trunks = trunk.New(trunk.Options{Transport: o.Transport, Log: o.Log})
		o.Trunks.Configure(configs)
		o.ACL = auth.NewACL([]auth.Rule{{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.1.1/32")}}})
		o.Emergency = []string{"112"}
	}
}

func trunkHosts(t *testing.T, list ...string) []trunk.Host {
	t.Helper()
	var out []trunk.Host
	for _, s := range list {
		h, err := trunk.ParseHost(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, h)
	}
	return out
}

// carrier is a trunk whose hosts are the peers of these numbers.
func carrier(t *testing.T, peers ...int) trunk.Config {
	c := trunk.Config{Name: "carrier", Trust: true}
	for _, n := range peers {
		c.Hosts = append(c.Hosts, trunkHosts(t, fmt.Sprintf("10.0.1.%d", n))...)
	}
	return c
}

func toTrunk(opts DialOptions) handlerFunc {
	return func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"trunk:carrier/" + c.Number()}, opts)
		return err
	}
}

// talksTo answers an INVITE with 200 and takes its ACK.
func (p *peer) talksTo(invite *sip.Request) *sip.Request {
	p.w.t.Helper()
	p.answer(invite, 200, "b", p.body)
	return p.request(sip.ACK)
}

// challenge refuses a request and takes the ACK of an INVITE.
func (p *peer) challenge(req *sip.Request, code int, headers ...string) {
	p.w.t.Helper()
	p.answer(req, code, "c", "", headers...)
	p.local = "" // no dialog yet
	if req.Method == sip.INVITE {
		p.request(sip.ACK)
	}
}

func credentialsOf(m headerSource) string {
	v, _ := headerOf(m, "Proxy-Authorization")
	w, _ := headerOf(m, "Authorization")
	return v + w
}

func TestTrunkChallengesEverything(t *testing.T) {
	cfg := carrier(t, 2)
	cfg.Username, cfg.Password = "me", "secret"
	inWorld(t, toTrunk(DialOptions{}), func(w *world) {
		a, b := w.peer(1), w.peer(2)
		nonce := auth.NewDigest(auth.DigestOptions{Realm: "carrier"})
		cred := auth.NewCredential("me", "carrier", "secret")
		check := func(req *sip.Request, header string) {
			t.Helper()
			v, _ := headerOf(req, header)
			if v := nonce.Verify(serverAddr.Addr(), string(req.Method), v, cred, true); v != auth.OK {
				t.Errorf("%s: credentials %v:\n%s", req.Method, v, req)
			}
		}
		challenges := func(header string) (h []string) {
			for _, v := range nonce.Challenge(serverAddr.Addr(), false) {
				h = append(h, header+": "+v)
			}
			return h
		}
		a.calls("+4420")
		first := b.request(sip.INVITE)
		if credentialsOf(first) != "" || first.Recipient.String() != "sip:+4420@10.0.1.2" || first.To().Address.String() != "sip:+4420@10.0.1.2" {
			t.Errorf("INVITE:\n%s", first)
		}
		b.challenge(first, 407, challenges("Proxy-Authenticate")...)
		second := b.request(sip.INVITE)
		check(second, "Proxy-Authorization")
		if second.CSeq().SeqNo != first.CSeq().SeqNo+1 || second.CallID().Value() != first.CallID().Value() || second.From().Value() != first.From().Value() {
			t.Errorf("the second INVITE is not the first one again:\n%s", second)
		}
		ack := b.talksTo(second)
		if credentialsOf(ack) != credentialsOf(second) { // RFC 3261 §13.2.2.4
			t.Errorf("ACK:\n%s", ack)
		}
		a.response(200)
		a.send("ACK", "", "")

		time.Sleep(time.Second)
		a.hangsUp()
		bye := b.request(sip.BYE)
		check(bye, "Proxy-Authorization") // at once, by what was learned
		b.challenge(bye, 401, challenges("WWW-Authenticate")...)
		again := b.request(sip.BYE)
		check(again, "Proxy-Authorization")
		check(again, "Authorization")
		if again.CSeq().SeqNo != bye.CSeq().SeqNo+1 || again.To().Value() != bye.To().Value() {
			t.Errorf("BYE again:\n%s", again)
		}
		b.answer(again, 200, "", "")
		r := w.last()
		if r.Call.Direction != store.Outbound || r.Call.Trunk != "carrier" || r.Call.State != store.StateAnswered || len(r.Legs) != 2 ||
			r.Legs[1].Trunk != "carrier" || r.Legs[0].Trunk != "" || r.Legs[1].Target != "trunk:carrier/+4420" {
			t.Errorf("record: %+v %+v", r.Call, r.Legs)
		}

		// The next call is not challenged: it carries the nonce with a count that grows.
		a.target, a.local, a.callID = "", "", "second"
		a.calls("+4421")
		known := b.request(sip.INVITE)
		if c := credentialsOf(known); !strings.Contains(c, "nc=") || strings.Contains(c, "nc=00000001") {
			t.Errorf("credentials of the next call: %s", c)
		}
		b.challenge(known, 403)
		a.response(403)
		a.refused()
	}, withTrunks(cfg))
}

func TestTrunkWithAWrongPassword(t *testing.T) {
	cfg := carrier(t, 2)
	cfg.Username, cfg.Password = "me", "wrong"
	inWorld(t, toTrunk(DialOptions{}), func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("+4420")
		ask := `Proxy-Authenticate: Digest realm="carrier", nonce="%d", qop="auth"`
		b.challenge(b.request(sip.INVITE), 407, fmt.Sprintf(ask, 1))
		b.challenge(b.request(sip.INVITE), 407, fmt.Sprintf(ask, 2))
		a.response(407)
		a.refused()
		b.silent(time.Second)
	}, withTrunks(cfg))
}

// A dialog that was moved to a stranger gives nobody a response to guess from.
func TestStrangersLearnNoResponse(t *testing.T) {
	cfg := carrier(t, 2)
	cfg.Username, cfg.Password = "me", "secret"
	inWorld(t, toTrunk(DialOptions{}), func(w *world) {
		a, b, stranger := w.peer(1), w.peer(2), w.peer(9)
		a.calls("+4420")
		invite := b.request(sip.INVITE)
		b.addr = stranger.addr // its Contact
		b.answer(invite, 200, "b", b.body)
		a.response(200)
		a.send("ACK", "", "")
		stranger.request(sip.ACK)
		a.hangsUp()
		bye := stranger.request(sip.BYE)
		stranger.challenge(bye, 401, `WWW-Authenticate: Digest realm="carrier", nonce="1", qop="auth"`)
		if credentialsOf(bye) != "" {
			t.Errorf("BYE:\n%s", bye)
		}
		stranger.silent(time.Minute)
	}, withTrunks(cfg))
}

func TestTrunkReinviteIsChallenged(t *testing.T) {
	cfg := carrier(t, 2)
	cfg.Username, cfg.Password = "me", "secret"
	inWorld(t, toTrunk(DialOptions{}), func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("+4420")
		b.talksTo(b.request(sip.INVITE))
		a.response(200)
		a.send("ACK", "", "")
		a.send("INVITE", "", strings.Replace(a.body, "a=rtpmap:0", "a=sendonly\r\na=rtpmap:0", 1)) // hold is carried over
		a.response(200)
		a.send("ACK", "", "")
		re := b.request(sip.INVITE)
		b.challenge(re, 407, `Proxy-Authenticate: Digest realm="carrier", nonce="1", qop="auth"`)
		again := b.request(sip.INVITE)
		if credentialsOf(again) == "" || string(again.Body()) != string(re.Body()) || again.CSeq().SeqNo != re.CSeq().SeqNo+1 {
			t.Errorf("re-INVITE:\n%s", again)
		}
		b.answer(again, 200, "", strings.Replace(b.body, "a=rtpmap:0", "a=recvonly\r\na=rtpmap:0", 1))
		ack := b.request(sip.ACK)
		if credentialsOf(ack) != credentialsOf(again) || ack.CSeq().SeqNo != again.CSeq().SeqNo {
			t.Errorf("ACK:\n%s", ack)
		}
		a.hangsUp()
		b.hungUp()
	}, withTrunks(cfg))
}

func TestFailover(t *testing.T) {
	for name, dies := range map[string]func(b *peer){
		"503":    func(b *peer) { b.challenge(b.request(sip.INVITE), 503) },
		"silent": func(b *peer) { b.request(sip.INVITE); _ = b.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, toTrunk(DialOptions{}), func(w *world) {
				a, b, c := w.peer(1), w.peer(2), w.peer(3)
				began := time.Now()
				a.calls("+4420")
				dies(b)
				invite := c.request(sip.INVITE)
				if took := time.Since(began); took > silenceLimit+time.Second {
					t.Errorf("the next host was tried after %v", took)
				}
				if invite.Recipient.String() != "sip:+4420@10.0.1.3" {
					t.Errorf("INVITE %s", invite.Recipient.String())
				}
				c.talksTo(invite)
				a.response(200)
				a.send("ACK", "", "")
				a.hangsUp()
				c.hungUp()
				r := w.last()
				if len(r.Legs) != 3 || r.Legs[1].SIPCode == 200 || r.Legs[2].SIPCode != 200 || r.Call.State != store.StateAnswered {
					t.Errorf("legs: %+v", r.Legs)
				}
				tr, _ := w.server.trunks.Trunk("carrier")
				if st := tr.Status(); st.Calls != 0 || st.Outbound != 1 || st.Success != 1 {
					t.Errorf("status: %+v", st)
				}
			}, withTrunks(carrier(t, 2, 3)))
		})
	}
}

func TestBusyIsNoReasonToTryElsewhere(t *testing.T) {
	inWorld(t, toTrunk(DialOptions{}), func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		a.calls("+4420")
		b.challenge(b.request(sip.INVITE), 486)
		a.response(486)
		a.refused()
		c.silent(time.Minute)
	}, withTrunks(carrier(t, 2, 3)))
}

// An answer of the host that was given up comes too late: it is acknowledged and ended.
func TestLateAnswerOfADeadHost(t *testing.T) {
	inWorld(t, toTrunk(DialOptions{}), func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		a.calls("+4420")
		late := b.request(sip.INVITE)
		c.talksTo(c.request(sip.INVITE))
		a.response(200)
		a.send("ACK", "", "")
		b.answer(late, 200, "b", b.body)
		for range 2 {
			switch req := b.recvRequest(); req.Method {
			case sip.ACK:
			case sip.BYE:
				b.answer(req, 200, "", "")
			default:
				t.Errorf("got:\n%s", req)
			}
		}
		a.hangsUp()
		c.hungUp()
	}, withTrunks(carrier(t, 2, 3)))
}

// recvRequest is the next request that is not an INVITE sent again.
func (p *peer) recvRequest() *sip.Request {
	p.w.t.Helper()
	for {
		req, ok := p.recv().(*sip.Request)
		if !ok {
			p.w.t.Fatal("a response")
		}
		if req.Method != sip.INVITE {
			return req
		}
	}
}

func TestAllHostsAreDead(t *testing.T) {
	cfg := carrier(t, 2, 3)
	cfg.Check = 30 * time.Second
	inWorld(t, toTrunk(DialOptions{}), func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		for _, p := range []*peer{b, c} {
			p.answer(p.request(sip.OPTIONS), 200, "x", "")
		}
		time.Sleep(36 * time.Second) // the probes after these get no answer
		a.calls("+4420")
		a.response(503)
		a.refused()
		r := w.last()
		if r.Call.Direction != store.Outbound || r.Call.SIPCode != 503 || !strings.Contains(r.Legs[1].Reason, "no host of trunk carrier is up") {
			t.Errorf("record: %+v %+v", r.Call, r.Legs)
		}
	}, withTrunks(cfg))
}

func TestBadTrunkTargets(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		for _, target := range []string{"trunk:carrier", "trunk:carrier/", "trunk:/1", "trunk:carrier/1 2", "trunk:carrier/1\r\nX: y", "trunk:"} {
			if _, err := c.BridgeTo(ctx, []string{target}, DialOptions{}); err == nil {
				t.Errorf("%q is taken", target)
			}
		}
		res, err := c.BridgeTo(ctx, []string{"trunk:other/123"}, DialOptions{})
		if err != nil || res.Code != 503 || res.State != StateFailed || !strings.Contains(res.Reason, "other") {
			t.Errorf("a trunk that there is not: %+v, %v", res, err)
		}
		return nil
	}, func(w *world) {
		a := w.peer(1)
		a.calls("700")
		a.response(503)
		a.refused()
	}, withTrunks(carrier(t, 2)))
}

func TestCallsFromATrunk(t *testing.T) {
	for _, c := range []struct {
		name         string
		place        trunk.Place
		uri, to      string
		header       string
		rules        string
		number, from string
	}{
		{name: "request URI", uri: "02071838750", to: "1", number: "02071838750", from: "alice"},
		{name: "to", place: trunk.InTo, uri: "1", to: "02071838750", number: "02071838750", from: "alice"},
		{name: "called party", place: trunk.InCalledPartyID, uri: "1", to: "2", header: "P-Called-Party-ID: <sip:+4420@us>", number: "+4420", from: "alice"},
		{name: "no called party", place: trunk.InCalledPartyID, uri: "1", to: "2", number: "1", from: "alice"},
		{name: "our Contact", uri: "TOKEN", to: "+4420", number: "+4420", from: "alice"},
		{name: "rewritten", uri: "02071838750", to: "1", rules: `^0`, number: "+442071838750", from: "+44lice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := carrier(t, 2)
			cfg.Number, cfg.Username = c.place, "me"
			if c.rules != "" {
				r, _ := trunk.NewRule(c.rules, "+44")
				f, _ := trunk.NewRule("^a", "+44")
				cfg.RewriteIn, cfg.RewriteFromIn = trunk.Rules{r}, trunk.Rules{f}
			}
			got := make(chan string, 1)
			inWorld(t, func(ctx context.Context, call *Call) error {
				got <- fmt.Sprint(call.Trunk(), " ", call.Number(), " ", call.From().User, " ", call.User())
				return call.Reject(ctx, 486, "", nil)
			}, func(w *world) {
				b := w.peer(2)
				tr, _ := w.server.trunks.Trunk("carrier")
				uri := strings.ReplaceAll(c.uri, "TOKEN", tr.Token())
				b.local, b.remote = "<sip:alice@10.0.1.2>;tag=1", "<sip:"+c.to+"@10.0.0.1>"
				var headers []string
				if c.header != "" {
					headers = append(headers, c.header)
				}
				b.send("INVITE", uri, b.body, headers...)
				b.response(100)
				if line, want := <-got, fmt.Sprint("carrier ", c.number, " ", c.from, " "); line != want {
					t.Errorf("got %q; want %q", line, want)
				}
				b.response(486)
				b.refused()
				r := w.last()
				if r.Call.Direction != store.Inbound || r.Call.Trunk != "carrier" || r.Call.ToUser != c.number || r.Call.FromUser != c.from || r.Legs[0].Trunk != "carrier" {
					t.Errorf("record: %+v", r.Call)
				}
			}, withTrunks(cfg))
		})
	}
}

func TestWhoIsNotATrunk(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error { return c.Reject(ctx, 486, "", nil) }, func(w *world) {
		b, stranger := w.peer(2), w.peer(9)
		b.send("OPTIONS", "", "")
		b.response(200)
		stranger.send("OPTIONS", "", "")
		stranger.response(401)
		stranger.send("INVITE", "100", stranger.body)
		stranger.response(401)
		stranger.refused()
		// Credentials of ours are checked on a trunk's requests too.
		b.local, b.cseq = "", 100
		b.send("INVITE", "100", b.body, `Authorization: Digest realm="tandem", username="x", nonce="1", uri="sip:x", response="1"`)
		b.response(401)
		b.refused()
		b.local, b.cseq = "", 200
		b.send("INVITE", "100", b.body, `Authorization: Digest realm="elsewhere", username="x", nonce="1", uri="sip:x", response="1"`)
		b.response(100)
		b.response(486)
		b.refused()
	}, withTrunks(carrier(t, 2)))
}

func TestTrunkLimits(t *testing.T) {
	cfg := carrier(t, 2)
	cfg.MaxCalls = 1
	inWorld(t, func(ctx context.Context, c *Call) error {
		if c.Trunk() == "" {
			return toTrunk(DialOptions{})(ctx, c)
		}
		if err := c.Answer(ctx, nil); err != nil {
			return nil
		}
		<-c.Done()
		return nil
	}, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		b.talks("100")
		other := *b
		other.callID, other.local = "other", ""
		other.send("INVITE", "100", b.body)
		if res := other.response(503); res.GetHeader("Retry-After") == nil {
			t.Error("503 without Retry-After")
		}
		other.refused()
		a.calls("+4420")
		a.response(503)
		a.refused()
		if r := w.last(); r.Call.SIPCode != 503 || !strings.Contains(r.Legs[1].Reason, "as many calls") {
			t.Errorf("record: %+v", r.Legs)
		}
		// An emergency call goes out all the same.
		a.callID, a.local, a.target = "emergency", "", ""
		a.calls("112")
		b2 := *b
		b2.talksTo(b2.request(sip.INVITE))
		a.response(200)
		a.send("ACK", "", "")
		a.hangsUp()
		b2.hungUp()
		b.hangsUp()
		synctest.Wait()
		tr, _ := w.server.trunks.Trunk("carrier")
		if st := tr.Status(); st.Calls != 0 || st.Inbound != 1 || st.Outbound != 1 {
			t.Errorf("at the end: %+v", st)
		}
		a.callID, a.local, a.target = "again", "", ""
		a.calls("+4420")
		b2.challenge(b2.request(sip.INVITE), 486)
		a.response(486)
		a.refused()
	}, withTrunks(cfg))
}

func TestRedirectsReachNoTrunk(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.5"}, DialOptions{})
		return err
	}, func(w *world) {
		a, b, p := w.peer(1), w.peer(2), w.peer(5)
		a.calls("100")
		p.challenge(p.request(sip.INVITE), 302, "Contact: <trunk:carrier/+4420>", "Contact: <user:1001>", "Contact: <route:700>")
		a.response(302)
		a.refused()
		b.silent(time.Minute)
	}, withTrunks(carrier(t, 2)))
}

func TestReloadDropsNoCall(t *testing.T) {
	cfg := carrier(t, 2)
	cfg.Username, cfg.Password = "me", "secret"
	inWorld(t, toTrunk(DialOptions{}), func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("+4420")
		b.talksTo(b.request(sip.INVITE))
		a.response(200)
		a.send("ACK", "", "")
		w.server.trunks.Configure(nil)
		b.silent(time.Minute)
		a.hangsUp()
		bye := b.request(sip.BYE) // and it can still prove who it is
		b.challenge(bye, 407, `Proxy-Authenticate: Digest realm="carrier", nonce="1", qop="auth"`)
		if again := b.hungUp(); credentialsOf(again) == "" {
			t.Errorf("BYE:\n%s", again)
		}
		if r := w.last(); r.Call.Trunk != "carrier" || r.Call.State != store.StateAnswered {
			t.Errorf("record: %+v", r.Call)
		}
	}, withTrunks(cfg))
}

// The registrar of a trunk names the proxy that calls are to pass (RFC 3608).
func TestCallsTakeTheServiceRoute(t *testing.T) {
	cfg := carrier(t, 2)
	cfg.Register, cfg.Username = true, "me"
	inWorld(t, toTrunk(DialOptions{}), func(w *world) {
		a, registrar, edge := w.peer(1), w.peer(2), w.peer(3)
		registrar.answer(registrar.request(sip.REGISTER), 200, "r", "", "Service-Route: <sip:10.0.1.3;lr>, <sip:10.0.1.2;lr>", "Expires: 3600")
		synctest.Wait()
		a.calls("+4420")
		invite := edge.request(sip.INVITE)
		if invite.Recipient.String() != "sip:+4420@10.0.1.2" || strings.Join(headersOf(invite, "Route"), ",") != "<sip:10.0.1.3;lr>,<sip:10.0.1.2;lr>" {
			t.Errorf("INVITE:\n%s", invite)
		}
		edge.talksTo(invite)
		a.response(200)
		a.send("ACK", "", "")
		a.hangsUp()
		edge.hungUp()
		// The server takes its binding back when it closes.
		go func() {
			for {
				m, ok := registrar.within(2 * time.Minute)
				if !ok {
					return
				}
				if req, ok := m.(*sip.Request); ok {
					registrar.answer(req, 200, "r", "")
				}
			}
		}()
	}, withTrunks(cfg))
}

func TestPhonesLearnTheServiceRoute(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		res := p.registers("1001", "first")
		if got := strings.Join(headersOf(res, "Service-Route"), " "); got != "<sip:edge.example;lr> <sip:core.example;lr>" {
			t.Errorf("Service-Route: %s", got)
		}
		if _, told := headerOf(p.registers("1001", "wrong"), "Service-Route"); told {
			t.Error("a stranger learns it")
		}
	}, guarded, func(o *Options) { o.ServiceRoute = []string{"sip:edge.example;lr", "sip:core.example;lr"} })
}

// Trunks are for scripts: a phone that names a carrier's address, in a redirection or a REFER,
// is not put through to it, whatever the carrier lets pass from here.
func TestFarEndsCannotNameTrunks(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b, carrier := w.peer(1), w.peer(2), w.peer(3)
		a.calls("200")
		b.answer(b.request(sip.INVITE), 302, "b", "", "Contact: <sip:+88299@10.0.1.3>")
		b.request(sip.ACK)
		a.response(181)
		a.response(403)
		a.refused()
		carrier.silent(time.Second)
	}, withTrunks(carrier(t, 3)))
}

func TestReferCannotNameTrunks(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b, carrier := w.peer(1), w.peer(2), w.peer(3)
		w.connects(a, b)
		a.refers("<sip:+88299@10.0.1.3>")
		a.notified(100)
		a.notified(403)
		carrier.silent(time.Second)
		a.hangsUp()
		b.hungUp()
	}, withTrunks(carrier(t, 3)))
}
