package trunk

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func invite(uri, to string) *sip.Request {
	var u, t sip.Uri
	_ = sip.ParseUri(uri, &u)
	_ = sip.ParseUri(to, &t)
	req := sip.NewRequest(sip.INVITE, u)
	req.AppendHeader(&sip.ToHeader{Address: t})
	return req
}

func TestMatch(t *testing.T) {
	net := func(s ...string) (out []netip.Prefix) {
		for _, p := range s {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	list := []Config{
		{Name: "one", Hosts: hosts(t, "10.0.2.1"), Username: "u1"},
		{Name: "two", Hosts: hosts(t, "10.0.2.1:5070"), Username: "u2"},
		{Name: "net", Hosts: hosts(t, "10.0.2.9"), Match: net("198.51.100.0/24", "2001:db8::/32")},
		{Name: "name", Hosts: hosts(t, "sip.example")},
	}
	inWorld(t, list, func(w *world) {
		w.names.set("sip.example", "10.0.2.7")
		w.set.Configure(nil)
		w.set.Configure(list)
		w.sleep(time.Second)
		token := func(name string) string {
			tr, _ := w.set.Trunk(name)
			return tr.Token()
		}
		for _, c := range []struct{ from, uri, to, want string }{
			{"10.0.2.1:5060", "sip:100@us", "sip:100@us", "one"},
			{"10.0.2.1:40000", "sip:100@us", "sip:100@us", "one"}, // the first of two
			{"10.0.2.1:5070", "sip:100@us", "sip:100@us", "two"},  // by its port
			{"10.0.2.1:5060", "sip:" + token("two") + "@us", "sip:100@us", "two"},
			{"10.0.2.1:5070", "sip:" + token("one") + "@us", "sip:u2@us", "one"}, // the Contact is surer
			{"10.0.2.1:5060", "sip:100@us", "sip:u2@us", "two"},
			{"10.0.2.1:5060", "sip:u2@us", "sip:100@us", "two"},
			{"10.0.2.7:5060", "sip:100@us", "sip:100@us", "name"},
			{"10.0.2.9:5060", "sip:100@us", "sip:100@us", ""}, // match replaces the hosts' addresses
			{"198.51.100.77:1", "sip:100@us", "sip:100@us", "net"},
			{"[2001:db8:5::1]:1", "sip:100@us", "sip:100@us", "net"},
			{"[::ffff:198.51.100.77]:1", "sip:100@us", "sip:100@us", "net"},
			{"203.0.113.1:5060", "sip:" + token("one") + "@us", "sip:u1@us", ""}, // no Contact opens the door
		} {
			got := ""
			if tr := w.set.Match(netip.MustParseAddrPort(c.from), invite(c.uri, c.to)); tr != nil {
				got = tr.Name()
			}
			if got != c.want {
				t.Errorf("%s calls %s: trunk %q; want %q", c.from, c.uri, got, c.want)
			}
		}
	})
}

func TestReloadKeepsWhatIsKnown(t *testing.T) {
	c := two(t)
	c[0].MaxCalls = 2
	inWorld(t, c, func(w *world) {
		a, b := w.carrier(hostA), w.carrier(hostB)
		a.always(0)
		w.sleep(10 * time.Second)
		w.expect("carrier", hostB, hostA)
		tr, _ := w.set.Trunk("carrier")
		seat, err := tr.Enter(true, false)
		if err != nil {
			t.Fatal(err)
		}

		c2 := two(t)
		c2[0].MaxCalls = 1
		c2 = append(c2, Config{Name: "more", Hosts: hosts(t, hostB)})
		w.set.Configure(c2)
		w.expect("carrier", hostB, hostA) // nothing was forgotten
		if _, err := tr.Enter(true, false); !errors.Is(err, ErrFull) {
			t.Errorf("the new limit is not in force: %v", err)
		}
		if st := w.status("carrier"); st.Calls != 1 || st.MaxCalls != 1 {
			t.Errorf("status: %+v", st)
		}
		if names := w.trunkNames(); !slices.Equal(names, []string{"carrier", "more"}) {
			t.Errorf("trunks: %v", names)
		}

		c3 := two(t)
		c3[0].Hosts = hosts(t, hostB)
		w.set.Configure(c3)
		w.expect("carrier", hostB)
		w.set.Configure(nil)
		if n := w.set.All(); len(n) != 0 {
			t.Errorf("%d trunks left", len(n))
		}
		seat.Leave(&Outcome{Code: 200, PDD: time.Second}) // of a trunk that is gone
		probes, _ := b.requests(sip.OPTIONS)
		w.sleep(5 * time.Minute)
		if later, _ := b.requests(sip.OPTIONS); len(later) != len(probes) {
			t.Error("a trunk that was taken out is still probed")
		}
	})
}

func (w *world) trunkNames() (out []string) {
	for _, t := range w.set.All() {
		out = append(out, t.Name())
	}
	return out
}

func TestSeatsAndRates(t *testing.T) {
	inWorld(t, []Config{{Name: "carrier", Hosts: hosts(t, hostA), MaxCalls: 3, CallsPerSecond: 2}}, func(w *world) {
		tr, _ := w.set.Trunk("carrier")
		enter := func(free bool) (*Seat, error) { return tr.Enter(true, free) }
		s1, err1 := enter(false)
		s2, err2 := enter(false)
		if _, err := enter(false); !errors.Is(err, ErrRate) || err1 != nil || err2 != nil {
			t.Fatalf("%v %v %v; want two and then a limit", err1, err2, err)
		}
		w.sleep(500 * time.Millisecond)
		s3, err := enter(false)
		if err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Second)
		if _, err := enter(false); !errors.Is(err, ErrFull) {
			t.Fatalf("a fourth: %v", err)
		}
		emergency, err := enter(true)
		if err != nil {
			t.Fatalf("an emergency call: %v", err)
		}
		for _, l := range []struct {
			seat *Seat
			o    *Outcome
		}{
			{s1, &Outcome{Code: 200, PDD: 3 * time.Second}}, {s1, &Outcome{Code: 500}}, // only the first time counts
			{s2, &Outcome{Code: 486, PDD: time.Second}}, {s3, &Outcome{Cancelled: true}}, {emergency, nil}, {nil, nil},
		} {
			l.seat.Leave(l.o)
		}
		st := w.status("carrier")
		if st.Calls != 0 || st.Outbound != 4 || st.Success != 0.5 || st.MedianPDD != 2*time.Second {
			t.Errorf("status: %+v", st)
		}
		for range 3 * kept {
			s, err := enter(true)
			if err != nil {
				t.Fatal(err)
			}
			s.Leave(&Outcome{Code: 503, Reason: "Service Unavailable"})
		}
		if st = w.status("carrier"); st.Success != 0 || st.MedianPDD != 0 || st.LastError != "Service Unavailable" || len(tr.usage.recent) != kept {
			t.Errorf("status: %+v", st)
		}
	})
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	rules := func(pairs ...string) (rs Rules) {
		for i := 0; i < len(pairs); i += 2 {
			r, err := NewRule(pairs[i], pairs[i+1])
			if err != nil {
				t.Fatal(err)
			}
			rs = append(rs, r)
		}
		return rs
	}
	uk := rules(`^00`, `+`, `^0([1-9]\d+)$`, `+44\1`, `^(\d{6})$`, `+4420\1\0`)
	for in, want := range map[string]string{
		"0049301234": "+49301234", "02071838750": "+442071838750", "123456": "+4420123456123456", "+1555": "+1555", "": "",
	} {
		if got := uk.Apply(in); got != want {
			t.Errorf("%q becomes %q; want %q", in, got, want)
		}
	}
	if got := rules(`a`, `$1\x`).Apply("bab"); got != `b$1\xb` {
		t.Errorf("a dollar is no group: %q", got)
	}
	for _, bad := range [][2]string{{`(`, ``}, {`a`, `\1`}, {`a`, "b\r\n"}} {
		if _, err := NewRule(bad[0], bad[1]); err == nil {
			t.Errorf("%q → %q is taken", bad[0], bad[1])
		}
	}
}

func TestHeaderPolicy(t *testing.T) {
	t.Parallel()
	p := HeaderPolicy{Pass: []string{"X-*", "User-to-User", "*-Id*"}, Drop: []string{"x-secret*", "Diversion"}}
	for name, want := range map[string]bool{
		"X-Account": true, "x-": true, "X-Secret-Key": false, "USER-TO-USER": true, "User-to-Users": false, "A-Id": true, "A-Identity": true,
		"Diversion": false, "Subject": false,
	} {
		if got := p.Passes(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !p.Drops("diversion") || p.Drops("X-Account") {
		t.Error("Drops")
	}
}

func TestParseHost(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"SIP1.Carrier.example": "sip1.carrier.example", "a:5070": "a:5070", "192.0.2.1": "192.0.2.1", "192.0.2.1:5070": "192.0.2.1:5070",
		"2001:db8::1": "[2001:db8::1]", "[2001:db8::1]": "[2001:db8::1]", "[2001:db8::1]:5070": "[2001:db8::1]:5070",
	} {
		h, err := ParseHost(in)
		if err != nil || h.String() != want {
			t.Errorf("%q: %v, %v; want %s", in, h, err, want)
		}
	}
	for _, bad := range []string{"", ":5060", "a:0", "a:70000", "a:b", "sip:a@b", "a b", "[::1", "[::g]:5060", "a\r\nb", "udp://a"} {
		if h, err := ParseHost(bad); err == nil {
			t.Errorf("%q is read as %v", bad, h)
		}
	}
}

func FuzzParseHost(f *testing.F) {
	f.Add("[2001:db8::1]:5070")
	f.Add("sip.example:5060")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHost(s)
		if err != nil {
			return
		}
		again, err := ParseHost(h.String())
		if err != nil || again != h || strings.ContainsAny(h.String(), " \r\n@;/") {
			t.Errorf("%q: %+v, again %+v, %v", s, h, again, err)
		}
	})
}
