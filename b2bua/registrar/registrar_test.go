package registrar

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

// register parses a REGISTER with these header lines.
func register(t testing.TB, callID string, cseq int, lines ...string) *sip.Request {
	t.Helper()
	text := fmt.Sprintf("REGISTER sip:example.com SIP/2.0\r\nTo: <sip:u@example.com>\r\nFrom: <sip:u@example.com>;tag=t\r\n"+
		"Call-ID: %s\r\nCSeq: %d REGISTER\r\n", callID, cseq)
	for _, l := range lines {
		text += l + "\r\n"
	}
	m, err := sip.ParseMessage([]byte(text + "\r\n"))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return m.(*sip.Request)
}

func uris(contacts []Contact) []string {
	var out []string
	for _, c := range contacts {
		out = append(out, c.URI.String())
	}
	return out
}

// mustRegister registers for user u and gives what is bound then.
func mustRegister(t testing.TB, r *Registrar, req *sip.Request) []string {
	t.Helper()
	code, contacts, err := r.Register("u", req, transport.Flow{})
	if code != 200 || err != nil {
		t.Fatalf("%d, %v", code, err)
	}
	return uris(contacts)
}

// RFC 3261 §10.3: one user's life, step by step.
func TestRegister(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		defer r.Close()
		steps := []struct {
			name   string
			callID string
			cseq   int
			lines  []string
			code   int
			want   []string
		}{
			{"query", "a", 1, nil, 200, nil},
			{"add", "a", 2, []string{"Contact: <sip:u@192.0.2.1>", "Expires: 600"}, 200, []string{"sip:u@192.0.2.1"}},
			{"same CSeq again", "a", 2, []string{"Contact: <sip:u@192.0.2.1>"}, 500, nil},
			{"refresh", "a", 3, []string{"Contact: <sip:u@192.0.2.1>;expires=900"}, 200, []string{"sip:u@192.0.2.1"}},
			{"older CSeq of another Call-ID", "b", 1, []string{"Contact: <sip:u@192.0.2.1>;q=0.5"}, 200, []string{"sip:u@192.0.2.1"}},
			{"best first", "c", 1, []string{"Contact: <sip:u@192.0.2.2>;q=0.2, <sip:u@192.0.2.3>"}, 200,
				[]string{"sip:u@192.0.2.3", "sip:u@192.0.2.1", "sip:u@192.0.2.2"}},
			{"query again", "z", 1, nil, 200, []string{"sip:u@192.0.2.3", "sip:u@192.0.2.1", "sip:u@192.0.2.2"}},
			{"one bad contact, nothing done", "c", 2, []string{"Contact: <sip:u@192.0.2.9>, <tel:+15551234>"}, 400, nil},
			{"one stale CSeq, nothing done", "c", 1, []string{"Contact: <sip:u@192.0.2.9>, <sip:u@192.0.2.2>"}, 500, nil},
			{"too brief", "c", 3, []string{"Contact: <sip:u@192.0.2.9>;expires=59"}, 423, nil},
			{"remove one", "c", 4, []string{"Contact: <sip:u@192.0.2.2>;expires=0"}, 200, []string{"sip:u@192.0.2.3", "sip:u@192.0.2.1"}},
			{"remove what is not there", "c", 5, []string{"Contact: <sip:u@192.0.2.77>;expires=0"}, 200, []string{"sip:u@192.0.2.3", "sip:u@192.0.2.1"}},
			{"star without Expires", "d", 1, []string{"Contact: *"}, 400, nil},
			{"star with another", "d", 1, []string{"Contact: *", "Contact: <sip:u@192.0.2.1>", "Expires: 0"}, 400, nil},
			{"star too late", "c", 1, []string{"Contact: *", "Expires: 0"}, 500, nil},
			{"star", "d", 1, []string{"Contact: *", "Expires: 0"}, 200, nil},
			{"bad q", "d", 2, []string{"Contact: <sip:u@192.0.2.1>;q=2"}, 400, nil},
			{"bad path", "d", 2, []string{"Contact: <sip:u@192.0.2.1>", "Path: <sip:p.example;lr"}, 400, nil},
			{"long URI", "d", 2, []string{"Contact: <sip:u@" + strings.Repeat("x", 600) + ">"}, 400, nil},
		}
		for _, s := range steps {
			before := uris(r.Contacts("u"))
			code, contacts, err := r.Register("u", register(t, s.callID, s.cseq, s.lines...), transport.Flow{})
			if code != s.code || (err == nil) != (code == 200) || !slices.Equal(uris(contacts), s.want) {
				t.Errorf("%s: %d %v (%v), want %d %v", s.name, code, uris(contacts), err, s.code, s.want)
			}
			if now := uris(r.Contacts("u")); code != 200 && !slices.Equal(now, before) {
				t.Errorf("%s: refused, yet %v became %v", s.name, before, now)
			}
			time.Sleep(time.Second)
		}
		if r.Len() != 0 {
			t.Errorf("%d bindings left", r.Len())
		}
	})
}

func TestExpiryTimes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		lines []string
		want  time.Duration
	}{
		{[]string{"Contact: <sip:u@h>"}, time.Hour},
		{[]string{"Contact: <sip:u@h>", "Expires: 120"}, 2 * time.Minute},
		{[]string{"Contact: <sip:u@h>;EXPIRES=90", "Expires: 120"}, 90 * time.Second},
		{[]string{"Contact: <sip:u@h>", "Expires: 100000"}, 2 * time.Hour},
		{[]string{"Contact: <sip:u@h>;expires=99999999999999999999"}, 2 * time.Hour},
		{[]string{"Contact: <sip:u@h>;expires=soon"}, time.Hour}, // RFC 3261 §20.19
		{[]string{"Contact: <sip:u@h>;expires=-5"}, time.Hour},
		{[]string{"Contact: <sip:u@h>;expires=60"}, time.Minute},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			r := New(Options{})
			defer r.Close()
			mustRegister(t, r, register(t, "a", 1, tt.lines...))
			c := r.Contacts("u")[0]
			if got := c.Expires.Sub(time.Now()); got != tt.want {
				t.Errorf("%q: %v, want %v", tt.lines, got, tt.want)
			}
			if v := c.Header(time.Now()).Value(); v != fmt.Sprintf("<sip:u@h>;expires=%d", int(tt.want.Seconds())) {
				t.Errorf("%q is answered with %s", tt.lines, v)
			}
			time.Sleep(tt.want - time.Nanosecond)
			if len(r.Contacts("u")) != 1 {
				t.Errorf("%q: gone too early", tt.lines)
			}
			time.Sleep(time.Nanosecond)
			if len(r.Contacts("u")) != 0 {
				t.Errorf("%q: still there", tt.lines)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if r.Len() != 0 {
				t.Errorf("%q: still held", tt.lines)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{MaxContacts: 3, MaxBindings: 4})
		defer r.Close()
		var got []string
		for i := range 5 {
			got = mustRegister(t, r, register(t, fmt.Sprint("c", i), 1, fmt.Sprintf("Contact: <sip:u@192.0.2.%d>", i)))
			time.Sleep(time.Second)
		}
		if want := []string{"sip:u@192.0.2.4", "sip:u@192.0.2.3", "sip:u@192.0.2.2"}; !slices.Equal(got, want) {
			t.Errorf("after five phones: %v, want the last three %v", got, want)
		}
		four := register(t, "x", 1, "Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>, <sip:d@h>")
		if code, _, _ := r.Register("u", four, transport.Flow{}); code != 400 {
			t.Errorf("four contacts at once: %d, want 400", code)
		}
		one := func(user string, n int) int {
			code, _, _ := r.Register(user, register(t, "y", n, fmt.Sprintf("Contact: <sip:v%d@h>", n)), transport.Flow{})
			return code
		}
		if a, b := one("v", 1), one("v", 2); a != 200 || b != 503 {
			t.Errorf("the fourth and fifth binding in all: %d and %d, want 200 and 503", a, b)
		}
		if code := mustRegister(t, r, register(t, "z", 1, "Contact: <sip:u@192.0.2.200>")); len(code) != 3 {
			t.Errorf("a full registrar refuses to swap one contact for another: %v", code)
		}
	})
}

// RFC 5626 §6: the same phone from a new address replaces its old contact.
func TestInstanceReplacesContact(t *testing.T) {
	t.Parallel()
	r := New(Options{})
	defer r.Close()
	const instance = `;+sip.instance="<urn:uuid:1>";reg-id=`
	mustRegister(t, r, register(t, "a", 1, "Contact: <sip:u@192.0.2.1:1000>"+instance+"1"))
	got := mustRegister(t, r, register(t, "b", 1, "Contact: <sip:u@192.0.2.1:2000>"+instance+"1"))
	if !slices.Equal(got, []string{"sip:u@192.0.2.1:2000"}) {
		t.Errorf("bound: %v", got)
	}
	if got := mustRegister(t, r, register(t, "b", 2, "Contact: <sip:u@192.0.2.1:3000>"+instance+"2")); len(got) != 2 {
		t.Errorf("a second flow of the phone: %v", got)
	}
	if v := r.Contacts("u")[0].Header(time.Now()).Value(); !strings.Contains(v, `+sip.instance="<urn:uuid:1>"`) {
		t.Errorf("answered with %s", v)
	}
}

func TestDetailsAreKept(t *testing.T) {
	t.Parallel()
	r := New(Options{})
	defer r.Close()
	mustRegister(t, r, register(t, "a", 5, "Contact: <sip:u@192.0.2.1>;q=0.3", "User-Agent: "+strings.Repeat("é", 100),
		"Path: <sip:p1.example;lr>, \"x,y\" <sip:p2.example;lr>", "Path: <sip:p3.example;lr>"))
	c := r.All()[0]
	if c.User != "u" || c.CallID != "a" || c.CSeq != 5 || c.Q != 0.3 || len(c.UserAgent) != 128 {
		t.Errorf("%+v", c)
	}
	var path []string
	for _, p := range c.Path {
		path = append(path, p.Host)
	}
	if !slices.Equal(path, []string{"p1.example", "p2.example", "p3.example"}) {
		t.Errorf("path %v", path)
	}
}

// RFC 3261 §19.1.4, with its own examples.
func TestEqualURI(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want bool
	}{
		{"sip:alice@AtLanTa.CoM;Transport=tcp", "sip:alice@atlanta.com;transport=TCP", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
		{"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
		{"sip:ALICE@atlanta.com", "sip:alice@atlanta.com", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
		{"sip:bob@biloxi.com;transport=udp", "sip:bob@biloxi.com", false},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
		{"sip:bob@biloxi.com", "sips:bob@biloxi.com", false},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
	}
	for _, tt := range tests {
		var a, b sip.Uri
		if err := sip.ParseUri(tt.a, &a); err != nil {
			t.Fatal(err)
		}
		if err := sip.ParseUri(tt.b, &b); err != nil {
			t.Fatal(err)
		}
		if equalURI(&a, &b) != tt.want || equalURI(&b, &a) != tt.want {
			t.Errorf("%s and %s: %v, want %v", tt.a, tt.b, !tt.want, tt.want)
		}
	}
}

// flows opens two TCP connections over a memory network and gives them as a server sees them.
func flows(t *testing.T) (a, b transport.Flow, close func()) {
	t.Helper()
	net := transport.NewMemory()
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	server, err := transport.New(transport.Options{Network: net, Listen: []transport.Endpoint{{Proto: transport.TCP, Addr: loopback}}})
	if err != nil {
		t.Fatal(err)
	}
	server.Serve(ignore{})
	client, err := transport.New(transport.Options{Network: net, Listen: []transport.Endpoint{{Proto: transport.TCP, Addr: loopback}}})
	if err != nil {
		t.Fatal(err)
	}
	client.Serve(ignore{})
	a, err = client.Connect(t.Context(), transport.Target{Proto: transport.TCP, Addr: server.Endpoints()[0].Addr})
	if err != nil {
		t.Fatal(err)
	}
	b, err = server.Connect(t.Context(), transport.Target{Proto: transport.TCP, Addr: client.Endpoints()[0].Addr})
	if err != nil {
		t.Fatal(err)
	}
	return a, b, func() { client.Close(); server.Close() }
}

type ignore struct{}

func (ignore) HandleMessage(*transport.Incoming)      {}
func (ignore) HandleFlowClosed(transport.Flow, error) {}

func TestFlows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b, hangUp := flows(t)
		var changes []string
		r := New(Options{OnChange: func(c Change) { changes = append(changes, string(c.Kind)+" "+c.Contact.User) }})
		defer r.Close()
		bind := func(user string, f transport.Flow, n int) {
			t.Helper()
			req := register(t, user, n, fmt.Sprintf("Contact: <sip:%s@h>", user))
			if code, _, err := r.Register(user, req, f); code != 200 {
				t.Fatalf("%d, %v", code, err)
			}
		}
		bind("1001", a, 1)
		check := func(f transport.Flow, from, want string) {
			t.Helper()
			if got, ok := r.FlowUser(f, from); got != want || ok != (want != "") {
				t.Errorf("flow user for From %q is %q, want %q", from, got, want)
			}
		}
		check(a, "anonymous", "1001")
		check(b, "1001", "")
		check(transport.Flow{}, "1001", "")
		bind("1002", a, 1)
		check(a, "anonymous", "")
		check(a, "1002", "1002")
		bind("1002", b, 2) // moved
		check(b, "x", "1002")
		check(a, "1002", "1001")
		if got := r.Contacts("1002")[0]; got.Flow != b || got.Source != b.Remote() {
			t.Errorf("1002 is reached over %v", got.Flow)
		}
		r.FlowClosed(a)
		r.FlowClosed(a)
		check(a, "x", "")
		if len(r.All()) != 1 || r.All()[0].User != "1002" {
			t.Errorf("left: %v", r.All())
		}
		hangUp()
		if got := r.Contacts("1002"); len(got) != 0 {
			t.Errorf("offered over a dead connection: %v", got)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		want := []string{"added 1001", "added 1002", "refreshed 1002", "closed 1001", "expired 1002"}
		if !slices.Equal(changes, want) {
			t.Errorf("changes %v, want %v", changes, want)
		}
	})
}

// A proxy brings all phones over one flow: each is found, moves and leaves by itself.
func TestManyOverOneFlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b, hangUp := flows(t)
		defer hangUp()
		r := New(Options{})
		defer r.Close()
		const users = 500
		at := map[string]transport.Flow{}
		for n := 1; n < 5000; n++ {
			user := fmt.Sprint("u", rand.IntN(users))
			f := []transport.Flow{a, a, b, {}}[rand.IntN(4)]
			expires := "3600"
			if f.IsZero() {
				f, expires = a, "0"
			}
			req := register(t, user, n, fmt.Sprintf("Contact: <sip:%s@h>", user), "Expires: "+expires)
			if code, _, err := r.Register(user, req, f); code != 200 {
				t.Fatalf("%d, %v", code, err)
			}
			if at[user] = f; expires == "0" {
				delete(at, user)
			}
		}
		over := map[transport.Flow]int{}
		for i := range users {
			user := fmt.Sprint("u", i)
			f, bound := at[user]
			over[f]++
			for _, g := range []transport.Flow{a, b} {
				if got, ok := r.FlowUser(g, user); bound && (ok && got == user) != (g == f) {
					t.Fatalf("%s over %v: %q", user, g, got)
				}
			}
		}
		r.FlowClosed(a)
		if n := r.Len(); n != over[b] {
			t.Errorf("%d left, want the %d over the other flow", n, over[b])
		}
		r.FlowClosed(b)
		if n := r.Len(); n != 0 || len(r.flows) != 0 {
			t.Errorf("%d left over %d flows", n, len(r.flows))
		}
	})
}

func TestOnChangeMayCallBack(t *testing.T) {
	t.Parallel()
	var r *Registrar
	var seen []string
	r = New(Options{OnChange: func(c Change) {
		seen = append(seen, string(c.Kind))
		if c.Kind == Added {
			mustRegister(t, r, register(t, "b", 1, "Contact: *", "Expires: 0"))
		}
	}})
	defer r.Close()
	mustRegister(t, r, register(t, "a", 1, "Contact: <sip:u@h>"))
	if !slices.Equal(seen, []string{"added", "removed"}) || r.Len() != 0 {
		t.Errorf("seen %v, %d left", seen, r.Len())
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	added, removed := 0, 0
	r := New(Options{OnChange: func(c Change) {
		if c.Kind == Added {
			added++
		} else {
			removed++
		}
	}})
	defer r.Close()
	done := make(chan int)
	for g := range 8 {
		go func() {
			bad := 0
			for i := range 200 {
				user := fmt.Sprint("u", (g+i)%16)
				req := register(t, fmt.Sprint(g), 2*i+1, fmt.Sprintf("Contact: <sip:x%d@h>", g))
				gone := register(t, fmt.Sprint(g), 2*i+2, fmt.Sprintf("Contact: <sip:x%d@h>;expires=0", g))
				if code, _, _ := r.Register(user, req, transport.Flow{}); code != 200 {
					bad++
				}
				r.Contacts(user)
				r.All()
				if code, _, _ := r.Register(user, gone, transport.Flow{}); code != 200 {
					bad++
				}
			}
			done <- bad
		}()
	}
	for range 8 {
		if bad := <-done; bad != 0 {
			t.Errorf("%d refused", bad)
		}
	}
	if r.Len() != 0 || added != 1600 || removed != 1600 {
		t.Errorf("%d left, %d added, %d removed", r.Len(), added, removed)
	}
}

func FuzzRegister(f *testing.F) {
	f.Add("<sip:u@h>;expires=60;q=0.1", "60", "<sip:p;lr>")
	f.Add("*", "0", `"a,b" <sip:p>,`)
	f.Fuzz(func(t *testing.T, contact, expires, path string) {
		text := "REGISTER sip:e SIP/2.0\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContact: " + contact + "\r\nExpires: " + expires + "\r\nPath: " + path + "\r\n\r\n"
		m, err := sip.ParseMessage([]byte(text))
		req, ok := m.(*sip.Request)
		if err != nil || !ok {
			return
		}
		r := New(Options{})
		defer r.Close()
		code, contacts, err := r.Register("u", req, transport.Flow{})
		if (code == 200) != (err == nil) {
			t.Errorf("%d with %v", code, err)
		}
		for _, c := range contacts {
			if left := time.Until(c.Expires); left > 2*time.Hour || left < 59*time.Second {
				t.Errorf("bound for %v", left)
			}
			_ = c.Header(time.Now()).String()
		}
	})
}

func BenchmarkRefresh(b *testing.B) {
	const users = 100_000
	r := New(Options{})
	defer r.Close()
	reqs := make([]*sip.Request, users)
	for i := range reqs {
		reqs[i] = register(b, fmt.Sprint(i), 1, fmt.Sprintf("Contact: <sip:u%d@192.0.2.1:5060>", i))
		r.Register(fmt.Sprint("u", i), reqs[i], transport.Flow{})
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		req := reqs[i%users]
		req.CSeq().SeqNo++
		r.Register(fmt.Sprint("u", i%users), req, transport.Flow{})
		i++
	}
}
