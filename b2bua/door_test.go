package b2bua

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
)

// passwords are those of users.
type passwords map[string]string

func (u passwords) Credential(name string) (auth.Credential, bool) {
	password, ok := u[name]
	if !ok {
		return auth.Credential{}, false
	}
	return auth.NewCredential(name, "tandem", password), true
}

var shippedLimits = auth.Limits{CallsPerSecond: 500,
	PerSource: auth.PerSource{CallsPerSecond: 20, RegistersPerMinute: 60, AuthFailures: 5, Ban: 10 * time.Minute}}

// guarded is a server for which all peers are strangers, with the users 1001 and 1002.
func guarded(o *Options) {
	o.ACL = trusting(netip.MustParsePrefix("10.9.0.0/16"))
	o.Directory = passwords{"1001": "first", "1002": "second"}
	o.Guard, o.Emergency = Guard{Limits: shippedLimits}, []string{"112"}
}

func trusting(p netip.Prefix) *auth.ACL { return auth.NewACL([]auth.Rule{{Allow: []netip.Prefix{p}}}) }

// authorization is the header line that answers the 401 in text.
func authorization(t *testing.T, text, method, uri, user, password string) string {
	t.Helper()
	m, err := sip.ParseMessage([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	v, err := auth.Answer(headersOf(m.(*sip.Response), "WWW-Authenticate"), method, uri, user, password, nil)
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: " + v + "\r\n"
}

// challenged is the next message: a 401, acknowledged where it must be.
func (p *peer) challenged(method, number string) *sip.Response {
	p.w.t.Helper()
	res := p.response(401)
	p.acknowledges(method, number)
	if method == "INVITE" {
		p.remote, p.target = "<sip:"+number+"@"+p.w.addr.String()+">", ""
	}
	return res
}

func (p *peer) acknowledges(method, number string) {
	if method == "INVITE" {
		p.refusing = true
		p.send("ACK", number, "")
		p.refusing = false
	}
}

// answersTo is the Authorization header of the answer to a 401.
func (p *peer) answersTo(res *sip.Response, method, number, user, password string) string {
	p.w.t.Helper()
	uri := "sip:" + number + "@" + p.w.addr.String()
	if p.target != "" {
		uri = p.target
	}
	v, err := auth.Answer(headersOf(res, "WWW-Authenticate"), method, uri, user, password, nil)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return "Authorization: " + v
}

// tries sends a request, answers its challenge, and gives the final code.
func (p *peer) tries(method, number, body, user, password string, headers ...string) *sip.Response {
	p.w.t.Helper()
	p.send(method, number, body, headers...)
	res := p.challenged(method, number)
	p.send(method, number, body, append(headers, p.answersTo(res, method, number, user, password))...)
	for {
		m := p.recv()
		res, ok := m.(*sip.Response)
		if !ok {
			p.w.t.Fatalf("%s: got %s", p.addr, m)
		}
		if res.StatusCode >= 200 {
			if res.StatusCode >= 300 {
				p.acknowledges(method, number)
			}
			return res
		}
	}
}

// fresh makes the peer's next request one of a new dialog.
func (p *peer) fresh() *peer {
	p.callID, p.local, p.remote, p.target = p.callID+"x", "", "", ""
	return p
}

// registers binds the peer's contact; more are header lines.
func (p *peer) registers(user, password string, headers ...string) *sip.Response {
	p.w.t.Helper()
	return p.fresh().tries("REGISTER", user, "", user, password, headers...)
}

func TestStrangerCostsNothing(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		var tags []string
		for range 3 { // as a client does that does not hear us
			p.cseq = 0
			p.send("INVITE", "700", p.body)
			res := p.response(401)
			tags = append(tags, res.To().Value())
			for _, h := range []string{"Server", "User-Agent", "Allow", "Supported", "Contact"} {
				if v, ok := headerOf(res, h); ok {
					t.Errorf("a stranger learns %s: %s", h, v)
				}
			}
			p.local, p.remote = "", ""
		}
		if tags[0] != tags[1] || tags[1] != tags[2] {
			t.Errorf("To differs between answers to one request: %q", tags) // RFC 3261 §8.2.7
		}
		if n := w.server.Counts(); n != (Counts{}) {
			t.Errorf("strangers left %+v", n)
		}
		if _, used := w.engine.Ports(); used != 0 || len(w.records.open)+len(w.records.finished) != 0 {
			t.Errorf("%d ports, %d records", used, len(w.records.open))
		}
	}, guarded)
}

func TestStrangersGetNothingDone(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		for _, tt := range []struct {
			method string
			code   int
		}{{"OPTIONS", 401}, {"REGISTER", 401}, {"INVITE", 401}, {"BYE", 401}, {"INFO", 401}, {"PUBLISH", 405}, {"FOO", 501}, {"CANCEL", 481}} {
			p := w.peer(1)
			p.send(tt.method, "1001", "")
			p.response(tt.code)
			if n := w.server.Counts(); n != (Counts{}) {
				t.Errorf("%s left %+v", tt.method, n)
			}
			_ = p.conn.Close()
		}
		p := w.peer(2)
		p.local, p.remote = "<sip:a@b>;tag=1", "<sip:1001@c>;tag=2"
		p.send("BYE", "1001", "")
		p.response(481)
		p.send("INVITE", "1001", p.body)
		if res := p.response(481); res.To().Value() != "<sip:1001@c>;tag=2" {
			t.Errorf("To: %s", res.To().Value())
		}
		if n := w.server.Counts(); n != (Counts{}) {
			t.Errorf("requests in unknown dialogs left %+v", n)
		}
	}, guarded)
}

func TestUserCallsAfterTheChallenge(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		if res := p.tries("INVITE", "700", p.body, "1001", "first"); res.StatusCode != 200 {
			t.Fatalf("got %s", res)
		} else {
			p.remote, p.target = res.To().Value(), res.Contact().Address.String()
		}
		p.send("ACK", "700", "")
		p.hangsUp()
		if r := w.last(); r.Call.AuthUser != "1001" {
			t.Errorf("record of %q", r.Call.AuthUser)
		}
	}, guarded)
}

// Who guesses must not see which users there are.
func TestUnknownUsersLookLikeWrongPasswords(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		var seen []string
		for i, user := range []string{"1001", "7777"} {
			for _, method := range []string{"REGISTER", "INVITE", "OPTIONS"} {
				p := w.peer(10*i + len(method))
				res := p.tries(method, user, "", user, "wrong")
				if res.StatusCode != 403 {
					t.Errorf("%s as %s: %d", method, user, res.StatusCode)
				}
				var names []string
				for _, h := range res.Headers() {
					names = append(names, h.Name())
				}
				seen = append(seen, fmt.Sprint(res.StatusCode, res.Reason, names))
				_ = p.conn.Close()
			}
		}
		for i := range 3 {
			if seen[i] != seen[i+3] {
				t.Errorf("a user: %s, none: %s", seen[i], seen[i+3])
			}
		}
	}, guarded)
}

func TestReplayIsChallengedAndNoFailure(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.send("OPTIONS", "1001", "")
		answer := p.answersTo(p.response(401), "OPTIONS", "1001", "1001", "first")
		p.send("OPTIONS", "1001", "", answer)
		p.response(200)
		for range 10 {
			p.send("OPTIONS", "1001", "", answer)
			res := p.response(401)
			if v, _ := headerOf(res, "WWW-Authenticate"); !strings.Contains(v, "stale=true") {
				t.Errorf("a replay gets %s", v)
			}
		}
		q := w.peer(2) // who has seen the answer and sends it from elsewhere
		q.send("OPTIONS", "1001", "", answer)
		if v, _ := headerOf(q.response(401), "WWW-Authenticate"); !strings.Contains(v, "stale=true") {
			t.Errorf("from another address: %s", v)
		}
		time.Sleep(6 * time.Minute)
		p.send("OPTIONS", "1001", "", answer)
		p.response(401)
		if bans := w.server.Bans(); len(bans) != 0 || w.server.limiter.Wait(p.addr.Addr(), "1001") != 0 {
			t.Errorf("counted as failures: %v", bans)
		}
	}, guarded)
}

// logged collects the log.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// lines are those of the security log, without their time.
func (l *logged) lines() (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if _, rest, ok := strings.Cut(line, " level=WARN msg=security "); ok {
			out = append(out, strings.TrimSpace(rest))
		}
	}
	return out
}

func logTo(l *logged) func(*Options) {
	return func(o *Options) { o.Log = slog.New(slog.NewTextHandler(l, nil)) }
}

func TestGuessingIsBanned(t *testing.T) {
	var log logged
	var bans []auth.Ban
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		for n := range 5 {
			if res := p.fresh().tries("REGISTER", "1001", "", "1001", fmt.Sprint("guess", n)); res.StatusCode != 403 {
				t.Fatalf("guess %d: %d", n, res.StatusCode)
			}
		}
		p.fresh().send("REGISTER", "1001", "")
		p.silent(time.Second)
		if len(bans) != 1 || bans[0].Source.String() != "10.0.1.1/32" || bans[0].Until.Sub(bans[0].Since) != 10*time.Minute {
			t.Errorf("told of %+v", bans)
		}
		if q := w.peer(2); q.registers("1001", "first").StatusCode != 200 {
			t.Error("another source pays for it")
		}
		// RFC 3261 has no rule for those in need: whoever has a password may still call for help.
		if res := p.fresh().tries("INVITE", "112", p.body, "1001", "first"); res.StatusCode != 200 {
			t.Errorf("an emergency call from a banned source: %d", res.StatusCode)
		} else {
			p.remote, p.target = res.To().Value(), res.Contact().Address.String()
			p.send("ACK", "112", "")
			p.hangsUp()
		}
		for range 2 {
			if res := p.fresh().tries("INVITE", "112", p.body, "1001", "x"); res.StatusCode != 403 {
				t.Errorf("a guess by an emergency call: %d", res.StatusCode)
			}
		}
		if res := p.fresh().tries("INVITE", "112", p.body, "1001", "x"); res.StatusCode != 503 {
			t.Errorf("the third guess in a second: %d", res.StatusCode)
		}
		time.Sleep(10 * time.Minute)
		if p.registers("1001", "first").StatusCode != 200 {
			t.Error("the ban does not end")
		}
		lines := log.lines()
		want := `event=auth-failed source=10.0.1.1 port=5060 transport=udp method=REGISTER user=1001`
		if len(lines) < 6 || lines[0] != want || lines[5] != `event=banned source=10.0.1.1 port=5060 transport=udp for=10m0s why=auth-failed` {
			t.Errorf("logged %q", lines)
		}
		if strings.Contains(log.buf.String(), "guess") {
			t.Error("the log has what was guessed")
		}
	}, guarded, logTo(&log), func(o *Options) { o.OnBan = func(b auth.Ban) { bans = append(bans, b) } })
}

// A log line is one line, whatever a stranger calls itself.
func TestSecurityLineCannotBeForged(t *testing.T) {
	var log logged
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		name := `x source=10.9.9.9 "y` + strings.Repeat("z", 200)
		p.send("REGISTER", "1001", "")
		p.send("REGISTER", "1001", "", p.answersTo(p.response(401), "REGISTER", "1001", name, "p"))
		p.response(403)
		lines := log.lines()
		if len(lines) != 1 || !strings.HasPrefix(lines[0], `event=auth-failed source=10.0.1.1 `) ||
			!strings.Contains(lines[0], `user="x source=10.9.9.9 \"yzz`) || len(lines[0]) > 200 {
			t.Errorf("logged %q", lines)
		}
	}, guarded, logTo(&log))
}

// Behind the address of a registered phone somebody else may guess: only the name is slowed.
func TestRegisteredAddressIsNotBanned(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.registers("1002", "second")
		for n := range 5 {
			if res := p.fresh().tries("REGISTER", "1001", "", "1001", "guess"); res.StatusCode != 403 {
				t.Fatalf("guess %d: %d", n, res.StatusCode)
			}
		}
		res := p.fresh().tries("REGISTER", "1001", "", "1001", "first")
		if v, _ := headerOf(res, "Retry-After"); res.StatusCode != 503 || v != "1" {
			t.Errorf("the sixth at once: %d, Retry-After %s", res.StatusCode, v)
		}
		if res := p.registers("1002", "second"); res.StatusCode != 200 || len(w.server.Bans()) != 0 {
			t.Errorf("the neighbour: %d; bans %v", res.StatusCode, w.server.Bans())
		}
		time.Sleep(time.Second)
		if res := p.registers("1001", "first"); res.StatusCode != 200 {
			t.Errorf("after its rest: %d", res.StatusCode)
		}
	}, guarded)
}

func TestTrustedSourceIsNotBanned(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		for range 20 {
			p.fresh().send("REGISTER", "1001", "")
			res := p.response(401)
			p.send("REGISTER", "1001", "", p.answersTo(res, "REGISTER", "1001", "1001", "guess"))
			if code := p.recv().(*sip.Response).StatusCode; code != 403 && code != 503 {
				t.Errorf("got %d", code)
			}
		}
		p.fresh().talks("700")
		p.hangsUp()
		if len(w.server.Bans()) != 0 {
			t.Error("a trusted source is banned")
		}
	}, guarded, func(o *Options) {
		o.ACL = trusting(netip.MustParsePrefix("10.0.0.0/8"))
	})
}

func TestRatesOfStrangers(t *testing.T) {
	var log logged
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		answered := 0
		for range 170 {
			p.fresh().send("INVITE", "700", p.body)
			if m, ok := p.within(time.Millisecond); ok {
				answered++
				if code := m.(*sip.Response).StatusCode; code != 401 {
					t.Fatalf("got %d", code)
				}
			}
		}
		// 80 at once and 21 a second: the 170 take a sixth of one.
		if answered < 80 || answered > 90 {
			t.Errorf("%d of 170 at once are answered", answered)
		}
		if lines := log.lines(); len(lines) != 1 || lines[0] != "event=rate-limited source=10.0.1.1 port=5060 transport=udp method=INVITE" {
			t.Errorf("logged %q", lines)
		}
		x := w.wire("tcp", 3)
		codes := map[int]int{}
		for i := range 100 {
			x.send(fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.1.3;branch=z9hG4bK%d\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"+
				"Call-ID: %d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", w.addr, i, i))
			r, _ := x.next(time.Second)
			codes[r.code]++
		}
		if codes[401] < 80 || codes[401] > 85 || codes[401]+codes[503] != 100 {
			t.Errorf("over TCP: %v", codes)
		}
	}, guarded, logTo(&log))
}

// Whoever goes on far beyond its rates is banned, unless a phone is registered there.
func TestFarTooMuchIsBanned(t *testing.T) {
	var log logged
	inWorld(t, answering, func(w *world) {
		for n, registered := range []bool{false, true} {
			p := w.peer(1 + n)
			if registered {
				p.registers("1001", "first")
			}
			for range 300 {
				p.fresh().send("INVITE", "700", p.body)
				p.within(time.Millisecond)
			}
			bans := w.server.Bans()
			if len(bans) != 1 || bans[0].Source.String() != "10.0.1.1/32" || bans[0].Failures != 0 {
				t.Fatalf("after the flood of a registered phone %v: bans %+v", registered, bans)
			}
		}
		if lines := log.lines(); len(lines) != 3 || lines[1] != "event=banned source=10.0.1.1 port=5060 transport=udp for=10m0s why=rate" {
			t.Errorf("logged %q", lines)
		}
	}, guarded, logTo(&log))
}

func TestScannersGetNoAnswer(t *testing.T) {
	var log logged
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.send("OPTIONS", "100", "", "User-Agent: Acrobits")
		p.response(401)
		p.send("OPTIONS", "100", "", "User-Agent: Friendly-Scanner")
		p.silent(time.Second)
		p.send("OPTIONS", "100", "", "User-Agent: Acrobits") // its source is banned
		p.silent(time.Second)
		if b := w.server.Bans(); len(b) != 1 || b[0].Source.String() != "10.0.1.1/32" || b[0].Failures != 0 {
			t.Errorf("bans: %+v", b)
		}
		// Where somebody has a phone, only what says that it is a scanner gets no answer.
		home := w.peer(2)
		if res := home.registers("1001", "first"); res.StatusCode != 200 {
			t.Fatal(res)
		}
		home.fresh().send("OPTIONS", "100", "", "User-Agent: sipcli/v1.8/x")
		home.silent(time.Second)
		home.fresh().send("OPTIONS", "100", "", "User-Agent: Acrobits")
		home.response(401)
		want := []string{
			"event=scanner source=10.0.1.1 port=5060 transport=udp method=OPTIONS",
			"event=banned source=10.0.1.1 port=5060 transport=udp for=10m0s why=scanner",
			"event=scanner source=10.0.1.2 port=5060 transport=udp method=OPTIONS",
		}
		if lines := log.lines(); !slices.Equal(lines, want) {
			t.Errorf("logged %q", lines)
		}
	}, guarded, logTo(&log), func(o *Options) { o.Guard.Scanners = []string{"friendly-scanner", "sipcli/*"} })
}

func TestOverload(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.talks("700")
		q := w.peer(2)
		refused := func(why string) {
			t.Helper()
			before := w.server.Counts().ServerTransactions
			q.fresh().send("INVITE", "700", q.body)
			res := q.response(503)
			q.acknowledges("INVITE", "700")
			if after, ok := headerOf(res, "Retry-After"); !ok || after == "0" {
				t.Errorf("%s: Retry-After %q", why, after)
			}
			synctest.Wait()
			if n := w.server.Counts().ServerTransactions; n != before {
				t.Errorf("%s: the refusal costs a transaction", why)
			}
		}
		refused("one call is allowed")
		q.fresh().talks("112")
		q.hangsUp()
		w.server.SetMaxCalls(0)
		w.server.SetGuard(Guard{Limits: auth.Limits{CallsPerSecond: 2}})
		time.Sleep(time.Minute) // the transactions above end
		for range 2 {
			q.fresh().talks("700")
			q.hangsUp()
		}
		refused("two calls a second are allowed")
		q.fresh().talks("112")
		q.hangsUp()
		time.Sleep(time.Second)
		q.fresh().talks("700")
		q.hangsUp()
		p.hangsUp()
	}, func(o *Options) {
		o.MaxCalls = 1
		o.Guard, o.Emergency = Guard{Limits: shippedLimits}, []string{"112"}
	})
}

func TestOldHashesOnly(t *testing.T) {
	old := auth.NewCredential("1001", "tandem", "first")
	delete(old.HA1, auth.SHA256)
	inWorld(t, answering, func(w *world) {
		w.server.digest.ExpectMD5Only()
		for i, tt := range []struct {
			user, password string
			code           int
		}{{"1001", "first", 200}, {"1001", "wrong", 403}, {"7777", "first", 403}} {
			p := w.peer(1 + i)
			p.send("OPTIONS", "700", "")
			res := p.response(401) // both: RFC 8760 §2.4, the client takes SHA-256
			p.send("OPTIONS", "700", "", p.answersTo(res, "OPTIONS", "700", tt.user, tt.password))
			res = p.response(401)
			if all := headersOf(res, "WWW-Authenticate"); len(all) != 1 || !strings.Contains(all[0], "algorithm=MD5") {
				t.Errorf("%s: challenged with %q", tt.user, all)
			}
			p.send("OPTIONS", "700", "", p.answersTo(res, "OPTIONS", "700", tt.user, tt.password))
			p.response(tt.code)
		}
	}, guarded, func(o *Options) { o.Directory = credentials{"1001": old} })
}

type credentials map[string]auth.Credential

func (c credentials) Credential(name string) (auth.Credential, bool) {
	found, ok := c[name]
	return found, ok
}

func TestRequestsInACallAreConfirmed(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		res := p.tries("INVITE", "700", p.body, "1001", "first")
		p.remote, p.target = res.To().Value(), res.Contact().Address.String()
		p.send("ACK", "700", "")
		p.send("INFO", "700", "")
		p.response(200)
		p.send("BYE", "700", "")
		res = p.response(401)
		p.send("BYE", "700", "", p.answersTo(res, "BYE", "700", "1002", "second"))
		p.response(403)
		p.send("BYE", "700", "")
		res = p.response(401)
		p.send("BYE", "700", "", p.answersTo(res, "BYE", "700", "1001", "first"))
		p.response(200)
	}, guarded, func(o *Options) { o.Guard.InCall = []string{"BYE", "REFER"} })
}

// The digest leak: a phone that we called challenges our BYE, to see a response to guess from.
func TestOurRequestsAnswerNoChallenge(t *testing.T) {
	bridge := func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{})
		return err
	}
	inWorld(t, bridge, func(w *world) {
		p, q := w.peer(1), w.peer(2)
		p.calls("700")
		invite := q.request(sip.INVITE)
		q.answer(invite, 200, "b", q.body)
		q.request(sip.ACK)
		p.response(200)
		p.send("ACK", "700", "")
		p.hangsUp()
		bye := q.request(sip.BYE)
		q.answer(bye, 401, "", "", `WWW-Authenticate: Digest realm="tandem", nonce="n", algorithm=MD5`)
		q.silent(40 * time.Second)
	})
}

// scripted answers hooks.
type scripted struct {
	register func(ctx context.Context, r Registration) (int, error)
	auth     func(ctx context.Context, user, realm string) (auth.Credential, bool, error)
	message  func(ctx context.Context, m Message) (int, error)
}

func (h *scripted) Asks(name string) bool {
	return name == "on_register" && h.register != nil || name == "on_auth" && h.auth != nil || name == "on_message" && h.message != nil
}
func (h *scripted) Register(ctx context.Context, r Registration) (int, error) {
	return h.register(ctx, r)
}
func (h *scripted) Auth(ctx context.Context, user, realm string) (auth.Credential, bool, error) {
	return h.auth(ctx, user, realm)
}
func (h *scripted) Message(ctx context.Context, m Message) (int, error) { return h.message(ctx, m) }

func TestScriptKnowsUsers(t *testing.T) {
	asked := map[string]int{}
	var mu sync.Mutex
	h := &scripted{auth: func(ctx context.Context, user, realm string) (auth.Credential, bool, error) {
		mu.Lock()
		defer mu.Unlock()
		asked[user]++
		if user == "broken" {
			return auth.Credential{}, false, context.DeadlineExceeded
		}
		return auth.NewCredential(user, realm, "lua"), user == "3001", nil
	}}
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		for _, tt := range []struct {
			user, password string
			code           int
		}{{"3001", "lua", 200}, {"3001", "lua", 200}, {"3001", "x", 403}, {"3002", "lua", 403}, {"3002", "lua", 403}, {"1001", "first", 200}, {"broken", "x", 503}} {
			if res := p.fresh().tries("OPTIONS", "700", "", tt.user, tt.password); res.StatusCode != tt.code {
				t.Errorf("%s with %s: %d, want %d", tt.user, tt.password, res.StatusCode, tt.code)
			}
		}
		if asked["3001"] != 1 || asked["3002"] != 1 || asked["1001"] != 0 {
			t.Errorf("asked %v", asked)
		}
		time.Sleep(time.Minute)
		p.fresh().tries("OPTIONS", "700", "", "3001", "lua")
		if asked["3001"] != 2 {
			t.Errorf("asked %v after a minute", asked)
		}
		// Only an answer to a fresh nonce of ours reaches a script.
		p.send("OPTIONS", "700", "", `Authorization: Digest username="4001", realm="tandem", nonce="made-up", uri="sip:x", response="0"`)
		p.response(401)
		if asked["4001"] != 0 {
			t.Error("a script was asked for a made-up nonce")
		}
	}, guarded, func(o *Options) { o.Hooks = h })
}

func TestSlowScripts(t *testing.T) {
	h := &scripted{auth: func(ctx context.Context, user, realm string) (auth.Credential, bool, error) {
		time.Sleep(4900 * time.Millisecond)
		return auth.NewCredential(user, realm, "lua"), true, nil
	}}
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		ask := func(user string) {
			p.fresh().send("OPTIONS", "700", "")
			p.send("OPTIONS", "700", "", p.answersTo(p.response(401), "OPTIONS", "700", user, "lua"))
		}
		for n := range maxAsking {
			ask(strconv.Itoa(n))
			time.Sleep(60 * time.Millisecond)
		}
		ask("0") // waits for the answer that is on its way
		ask("last")
		if v, _ := headerOf(p.response(503), "Retry-After"); v != "2" {
			t.Errorf("Retry-After %q", v)
		}
		for range maxAsking + 1 {
			p.response(200)
		}
	}, guarded, func(o *Options) { o.Hooks, o.Guard.Limits = h, auth.Limits{} })
}

func TestHookHasItsTime(t *testing.T) {
	h := &scripted{auth: func(ctx context.Context, user, realm string) (auth.Credential, bool, error) {
		if user == "panic" {
			panic("in a hook")
		}
		<-ctx.Done()
		return auth.Credential{}, false, ctx.Err()
	}}
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		start := time.Now()
		if res := p.tries("OPTIONS", "700", "", "slow", "x"); res.StatusCode != 503 || time.Since(start) != 5*time.Second {
			t.Errorf("%d after %v", res.StatusCode, time.Since(start))
		}
		if res := p.fresh().tries("OPTIONS", "700", "", "panic", "x"); res.StatusCode != 503 || w.server.Panics() != 1 {
			t.Errorf("%d, %d panics", res.StatusCode, w.server.Panics())
		}
	}, guarded, func(o *Options) { o.Hooks = h })
}

// The CANCEL comes while a script is still being asked who calls.
func TestCancelWhileAScriptIsAsked(t *testing.T) {
	h := &scripted{auth: func(ctx context.Context, user, realm string) (auth.Credential, bool, error) {
		time.Sleep(time.Second)
		return auth.NewCredential(user, realm, "lua"), true, nil
	}}
	waiting := func(ctx context.Context, c *Call) error { <-c.Done(); return nil }
	inWorld(t, waiting, func(w *world) {
		p := w.peer(1)
		p.send("INVITE", "700", p.body)
		res := p.challenged("INVITE", "700")
		p.send("INVITE", "700", p.body, p.answersTo(res, "INVITE", "700", "3001", "lua"))
		p.response(100)
		p.send("CANCEL", "700", "")
		if res := p.recv().(*sip.Response); res.StatusCode != 200 || res.CSeq().MethodName != sip.CANCEL {
			t.Fatalf("got %s", res)
		}
		for {
			res := p.recv().(*sip.Response)
			if res.StatusCode == 487 {
				p.acknowledges("INVITE", "700")
				break
			} else if res.StatusCode >= 200 {
				t.Fatalf("got %s", res)
			}
		}
	}, guarded, func(o *Options) { o.Hooks = h })
}

func TestScriptRefusesRegistration(t *testing.T) {
	var seen Registration
	h := &scripted{register: func(ctx context.Context, r Registration) (int, error) {
		seen = r
		switch r.UserAgent {
		case "Toy":
			return 403, nil
		case "Broken":
			return 0, context.DeadlineExceeded
		case "Bomb":
			panic("in a hook")
		}
		return 0, nil
	}}
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		for agent, code := range map[string]int{"Toy": 403, "Broken": 503, "Bomb": 500, "Fine": 200} {
			if res := p.registers("1001", "first", "User-Agent: "+agent, "Expires: 120"); res.StatusCode != code {
				t.Errorf("%s: %d, want %d", agent, res.StatusCode, code)
			}
			if seen.User != "1001" || seen.Expires != 2*time.Minute || len(seen.Contacts) != 1 || seen.Contacts[0] != "sip:alice@10.0.1.1:5060" ||
				seen.Source.IP != p.addr.Addr() || seen.UserAgent != agent {
				t.Errorf("asked about %+v", seen)
			}
		}
		if n := w.server.o.Registrar.Len(); n != 1 {
			t.Errorf("%d bindings", n)
		}
	}, guarded, func(o *Options) { o.Hooks = h })
}

func TestUserCannotRegisterAnother(t *testing.T) {
	var log logged
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		if res := p.tries("REGISTER", "1002", "", "1001", "first"); res.StatusCode != 403 || w.server.o.Registrar.Len() != 0 {
			t.Errorf("%d, %d bindings", res.StatusCode, w.server.o.Registrar.Len())
		}
		if lines := log.lines(); len(lines) != 1 || !strings.HasPrefix(lines[0], "event=foreign-registration source=10.0.1.1 ") {
			t.Errorf("logged %q", lines)
		}
	}, guarded, logTo(&log))
}
