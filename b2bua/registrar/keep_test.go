package registrar

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

// udp is a listener with flows to peers over a memory network.
type udp struct {
	layer *transport.Layer
	at    netip.AddrPort
}

func newUDP(t *testing.T, at string) *udp {
	t.Helper()
	addr := netip.MustParseAddrPort(at)
	l, err := transport.New(transport.Options{Network: transport.NewMemory(), Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: addr}}})
	if err != nil {
		t.Fatal(err)
	}
	return &udp{l, addr}
}

func (u *udp) flow(remote string) transport.Flow {
	return u.layer.FlowOf(u.at, netip.MustParseAddrPort(remote))
}

func (u *udp) bind(t *testing.T, r *Registrar, user, callID string, seq int, from, contact string, more ...string) []string {
	t.Helper()
	code, contacts, err := r.Register(user, register(t, callID, seq, append([]string{"Contact: " + contact}, more...)...), u.flow(from))
	if code != 200 {
		t.Fatalf("%d, %v", code, err)
	}
	return uris(contacts)
}

// Private networks use the same addresses: two phones in two of them are two.
func TestPhonesBehindNATs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := newUDP(t, "10.0.0.1:5060")
		defer u.layer.Close()
		r := New(Options{})
		defer r.Close()
		const inside = "<sip:u@192.168.1.5:5060>"
		u.bind(t, r, "u", "a", 1, "192.0.2.1:1024", inside)
		if got := u.bind(t, r, "u", "b", 1, "192.0.2.2:1024", inside); len(got) != 2 {
			t.Errorf("two homes have one phone: %v", got)
		}
		if got := u.bind(t, r, "u", "c", 1, "192.0.2.2:4711", inside); len(got) != 2 {
			t.Errorf("a phone that restarted is another: %v", got)
		}
		if got := u.bind(t, r, "u", "a", 2, "192.0.2.9:2000", inside); len(got) != 2 {
			t.Errorf("a phone that got a new address is another: %v", got)
		}
		sources := []string{}
		for _, c := range r.Contacts("u") {
			if !c.NAT {
				t.Errorf("%s at %v is not behind a NAT", c.URI.String(), c.Source)
			}
			sources = append(sources, c.Source.String())
		}
		slices.Sort(sources)
		if !slices.Equal(sources, []string{"192.0.2.2:4711", "192.0.2.9:2000"}) {
			t.Errorf("reached at %v", sources)
		}
		u.bind(t, r, "v", "d", 1, "192.0.2.1:5060", "<sip:v@192.0.2.1>")
		if r.Contacts("v")[0].NAT {
			t.Error("who sends from where it says it is is behind a NAT")
		}
		if !r.HasSource(netip.MustParseAddr("192.0.2.9")) || r.HasSource(netip.MustParseAddr("192.0.2.77")) {
			t.Error("sources of registrations are not known")
		}
		u.bind(t, r, "v", "d", 2, "192.0.2.1:5060", "<sip:v@192.0.2.1>", "Expires: 0")
		if r.HasSource(netip.MustParseAddr("192.0.2.1")) {
			t.Error("a source outlives its binding")
		}
		// The same phone by two instances behind two NATs, RFC 5626 §6.
		instance := func(n int) string { return fmt.Sprintf(`%s;+sip.instance="<urn:uuid:%d>"`, inside, n) }
		u.bind(t, r, "w", "e", 1, "192.0.2.5:1", instance(1))
		if got := u.bind(t, r, "w", "f", 1, "192.0.2.5:2", instance(2)); len(got) != 2 {
			t.Errorf("two instances are one: %v", got)
		}
		if got := u.bind(t, r, "w", "g", 1, "192.0.2.6:2", instance(2), "Expires: 120"); len(got) != 2 {
			t.Errorf("an instance is two: %v", got)
		}
	})
}

func TestPings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := newUDP(t, "10.0.0.1:5060")
		defer u.layer.Close()
		pings := map[string][]time.Time{}
		var mu sync.Mutex
		of := func(user string) []time.Time {
			mu.Lock()
			defer mu.Unlock()
			return pings[user]
		}
		r := New(Options{KeepAlive: 25 * time.Second, Ping: func(c Contact) {
			mu.Lock()
			defer mu.Unlock()
			pings[c.User] = append(pings[c.User], time.Now())
		}})
		defer r.Close()
		for n := range 1000 {
			u.bind(t, r, fmt.Sprint(n), "a", 1, fmt.Sprintf("192.0.2.1:%d", 1000+n), "<sip:u@192.168.1.5>", "Expires: 120")
		}
		u.bind(t, r, "open", "a", 1, "192.0.2.2:5060", "<sip:open@192.0.2.2>", "Expires: 120")
		u.bind(t, r, "path", "a", 1, "192.0.2.2:5060", "<sip:path@192.168.1.5>", "Expires: 120", "Path: <sip:p.example;lr>")
		time.Sleep(110 * time.Second)
		synctest.Wait()
		perTick, most := map[time.Time]int{}, 0
		for n := range 1000 {
			list := of(fmt.Sprint(n))
			if len(list) < 4 || len(list) > 5 {
				t.Fatalf("%d pings in 110 s", len(list))
			}
			for i, p := range list {
				perTick[p]++
				if i > 0 && p.Sub(list[i-1]) != 25*time.Second {
					t.Fatalf("pinged after %v", p.Sub(list[i-1]))
				}
			}
		}
		for _, n := range perTick {
			most = max(most, n)
		}
		if most > 40 { // ten on average
			t.Errorf("%d pings at once", most)
		}
		if len(of("open"))+len(of("path")) > 0 {
			t.Error("a contact that is not behind a NAT is pinged")
		}
		time.Sleep(time.Minute) // all have expired
		synctest.Wait()
		if r.Len() != 0 || r.wheel.count != 0 || r.wheel.timer != nil {
			t.Errorf("%d bindings, %d in the wheel, timer %v", r.Len(), r.wheel.count, r.wheel.timer)
		}
		u.bind(t, r, "again", "a", 1, "192.0.2.1:99", "<sip:u@192.168.1.5>")
		time.Sleep(26 * time.Second)
		synctest.Wait()
		if len(of("again")) == 0 {
			t.Error("the wheel does not turn again")
		}
	})
}

func TestDropUsers(t *testing.T) {
	t.Parallel()
	var changes []string
	r := New(Options{OnChange: func(c Change) { changes = append(changes, string(c.Kind)+" "+c.Contact.User) }})
	defer r.Close()
	for _, user := range []string{"1", "2", "3"} {
		if code, _, _ := r.Register(user, register(t, user, 1, "Contact: <sip:a@h>, <sip:b@h>"), transport.Flow{}); code != 200 {
			t.Fatal(code)
		}
	}
	changes = nil
	r.DropUsers(func(user string) bool { return user == "2" })
	if len(r.Contacts("2")) != 0 || r.Len() != 4 || !slices.Equal(changes, []string{"dropped 2", "dropped 2"}) {
		t.Errorf("%d left, changes %v", r.Len(), changes)
	}
}

// What a restart keeps is what was there before, and CSeq goes on.
func TestRestore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := newUDP(t, "10.0.0.1:5060")
		defer u.layer.Close()
		before := New(Options{})
		u.bind(t, before, "u", "a", 7, "192.0.2.1:1024", "<sip:u@192.168.1.5>;q=0.5", "Expires: 120")
		u.bind(t, before, "v", "b", 1, "192.0.2.1:1025", "<sip:v@192.168.1.6>", "Expires: 60")
		kept := before.All()
		before.Close()
		time.Sleep(time.Minute)

		var changes []Change
		after := New(Options{OnChange: func(c Change) { changes = append(changes, c) }})
		defer after.Close()
		gone := kept[0]
		gone.User, gone.Flow = "w", transport.Flow{}
		if n := after.Restore(append(kept, gone)); n != 1 || len(changes) != 0 {
			t.Errorf("%d restored, changes %v", n, changes)
		}
		c := after.Contacts("u")
		if len(c) != 1 || c[0].ID != kept[0].ID || c[0].Q != 0.5 || c[0].CSeq != 7 || !c[0].NAT || c[0].Flow.Remote().String() != "192.0.2.1:1024" {
			t.Errorf("restored %+v", c)
		}
		if code, _, _ := after.Register("u", register(t, "a", 7, "Contact: <sip:u@192.168.1.5>"), u.flow("192.0.2.1:1024")); code != 500 {
			t.Errorf("an old CSeq: %d", code)
		}
		time.Sleep(62 * time.Second)
		synctest.Wait()
		if after.Len() != 0 || len(changes) != 1 || changes[0].Kind != Expired {
			t.Errorf("%d bindings, changes %v", after.Len(), changes)
		}
	})
}

// RFC 3327: the connection was the proxy's, the phone is still there.
func TestPathOutlivesFlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, _, hangUp := flows(t)
		r := New(Options{})
		defer r.Close()
		for user, path := range map[string][]string{"direct": nil, "proxied": {"Path: <sip:p.example;lr>"}} {
			req := register(t, user, 1, append(path, "Contact: <sip:u@h>")...)
			if code, _, _ := r.Register(user, req, a); code != 200 {
				t.Fatal(code)
			}
		}
		hangUp()
		if len(r.Contacts("direct")) != 0 || len(r.Contacts("proxied")) != 1 {
			t.Errorf("with a dead connection: %v, %v", r.Contacts("direct"), r.Contacts("proxied"))
		}
		r.FlowClosed(a)
		c := r.Contacts("proxied")
		if r.Len() != 1 || len(c) != 1 || !c[0].Flow.IsZero() || !c[0].Source.IsValid() {
			t.Errorf("afterwards: %+v", c)
		}
		if _, ok := r.FlowUser(a, "proxied"); ok {
			t.Error("the dead flow still has a user")
		}
	})
}

func TestFirstHop(t *testing.T) {
	t.Parallel()
	r := New(Options{})
	defer r.Close()
	contact := `Contact: <sip:u@h>;reg-id=1;+sip.instance="<urn:uuid:1>"`
	for _, tt := range []struct {
		name  string
		lines []string
		code  int
	}{
		{"direct", []string{contact, "Supported: outbound"}, 200},
		{"a proxy without outbound", []string{contact, "Supported: outbound", "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK2", "Path: <sip:p.example;lr>"}, 439},
		{"a proxy with it", []string{contact, "Supported: gruu,outbound", "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK2", "Path: <sip:core.example;lr>, <sip:tok@p.example;lr;ob>"}, 200},
		{"not asked for", []string{contact, "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK2"}, 200},
	} {
		req := register(t, tt.name, 1, append([]string{"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"}, tt.lines...)...)
		if code, _, err := r.Register("u", req, transport.Flow{}); code != tt.code {
			t.Errorf("%s: %d (%v), want %d", tt.name, code, err, tt.code)
		}
		if want := strings.Contains(strings.Join(tt.lines, ""), "outbound"); Outbound(req) != want {
			t.Errorf("%s: outbound %v", tt.name, !want)
		}
	}
}

func TestAsked(t *testing.T) {
	t.Parallel()
	req := register(t, "a", 1, "Contact: <sip:u@h>;expires=90, <sip:v@h>", "Expires: 120")
	var got []time.Duration
	for _, h := range req.GetHeaders("contact") {
		got = append(got, Asked(h.(*sip.ContactHeader), req))
	}
	if !slices.Equal(got, []time.Duration{90 * time.Second, 2 * time.Minute}) {
		t.Errorf("asked for %v", got)
	}
}
