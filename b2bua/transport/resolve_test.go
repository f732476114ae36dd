package transport

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// resolved is where uri leads, in order: "udp:192.0.2.1:5060 …", or the error.
func resolved(t testing.TB, l *Layer, text string) string {
	t.Helper()
	targets, err := l.Resolve(background(), uri(t, text))
	if err != nil {
		return "error: " + err.Error()
	}
	var all []string
	for _, x := range targets {
		all = append(all, x.String())
	}
	return strings.Join(all, " ")
}

func wantResolved(t testing.TB, l *Layer, cases map[string]string) {
	t.Helper()
	for in, want := range cases {
		got := resolved(t, l, in)
		if got != want && !(want == "error" && strings.HasPrefix(got, "error")) {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestResolveWithoutLookups(t *testing.T) {
	t.Parallel()
	l := serve(t, Options{Network: NewMemory()}, newInbox(), "udp://127.0.0.1:5060", "udp://[::1]:5060")
	wantResolved(t, l, map[string]string{
		"sip:a@192.0.2.9":                           "udp:192.0.2.9:5060",
		"sip:192.0.2.9:5080;transport=TCP":          "tcp:192.0.2.9:5080",
		"sip:a@[2001:db8::9]":                       "udp:[2001:db8::9]:5060",
		"sip:a@[2001:db8::9]:7;transport=tcp":       "tcp:[2001:db8::9]:7",
		"sips:a@192.0.2.9":                          "tls:192.0.2.9:5061",
		"sips:a@192.0.2.9;transport=tcp":            "tls:192.0.2.9:5061",
		"sips:a@192.0.2.9:7":                        "tls:192.0.2.9:7",
		"sips:a@192.0.2.9;transport=ws":             "wss:192.0.2.9:443",
		"sips:a@192.0.2.9;transport=udp":            "error",
		"sip:a@192.0.2.9;transport=tls":             "tls:192.0.2.9:5061",
		"sip:a@192.0.2.9;transport=ws":              "ws:192.0.2.9:80",
		"sip:a@example.com;maddr=192.0.2.5":         "udp:192.0.2.5:5060",
		"sip:a@localhost:5090":                      "udp:127.0.0.1:5090 udp:[::1]:5090",
		"sip:a@[::ffff:192.0.2.2]":                  "udp:192.0.2.2:5060",
		"sip:a@192.0.2.9;transport=carrier-pigeons": "error",
		"sip:a@example.com":                         "error: resolve example.com: no name server",
		"tel:+441632960000":                         "error",
	})
}

// carrier is a domain with everything that RFC 3263 knows.
func carrier() []string {
	return []string{
		"carrier.example. 60 IN NAPTR 20 10 \"s\" \"SIP+D2U\" \"\" _sip._udp.carrier.example.",
		"carrier.example. 60 IN NAPTR 10 20 \"s\" \"SIP+D2T\" \"\" _sip._tcp.carrier.example.",
		"carrier.example. 60 IN NAPTR 10 10 \"S\" \"sips+d2t\" \"\" _sips._tcp.carrier.example.",
		"carrier.example. 60 IN NAPTR 5 10 \"s\" \"SIP+D2S\" \"\" _sip._sctp.carrier.example.", // not spoken
		"carrier.example. 60 IN NAPTR 1 10 \"u\" \"E2U+sip\" \"!^.*$!sip:x@y!\" .",
		"carrier.example. 60 IN A 192.0.2.99",
		"_sip._udp.carrier.example. 60 IN SRV 10 0 5060 one.carrier.example.",
		"_sip._udp.carrier.example. 60 IN SRV 20 0 5070 two.carrier.example.",
		"_sip._tcp.carrier.example. 60 IN SRV 10 0 5080 one.carrier.example.",
		"_sips._tcp.carrier.example. 60 IN SRV 10 0 5081 one.carrier.example.",
		"one.carrier.example. 60 IN A 192.0.2.1",
		"one.carrier.example. 60 IN AAAA 2001:db8::1",
		"two.carrier.example. 60 IN CNAME alias.carrier.example.",
		"alias.carrier.example. 60 IN A 192.0.2.2",
		// SRV without NAPTR.
		"_sip._udp.srv.example. 60 IN SRV 1 1 5060 one.carrier.example.",
		"_sip._tcp.srv.example. 60 IN SRV 1 1 5061 alias.carrier.example.",
		"srv.example. 60 IN A 192.0.2.98",
		// Addresses alone.
		"plain.example. 60 IN A 192.0.2.3",
		"plain.example. 60 IN A 192.0.2.4",
		"six.example. 60 IN AAAA 2001:db8::6",
		// A service that there is not.
		"_sip._udp.none.example. 60 IN SRV 0 0 0 .",
		"none.example. 60 IN A 192.0.2.97",
		// A NAPTR that leads straight to addresses.
		"direct.example. 60 IN NAPTR 1 1 \"a\" \"SIP+D2T\" \"\" plain.example.",
	}
}

func TestResolveByDNS(t *testing.T) {
	t.Parallel()
	z := newZone(t, System(), "127.0.0.1:0", carrier()...)
	l := serve(t, Options{DNS: []netip.AddrPort{z.addr}}, newInbox(), "udp://127.0.0.1:0", "tcp://127.0.0.1:0")
	tls, tcp, udp := "tls:192.0.2.1:5081", "tcp:192.0.2.1:5080", "udp:192.0.2.1:5060 udp:192.0.2.2:5070"
	wantResolved(t, l, map[string]string{
		"sip:a@Carrier.Example":                "" + tls + " " + tcp + " " + udp,
		"sips:a@carrier.example":               tls,
		"sip:a@carrier.example;transport=udp":  udp,
		"sip:a@carrier.example;transport=tcp":  tcp,
		"sip:a@carrier.example:5060":           "udp:192.0.2.99:5060", // a port: no SRV (RFC 3263 §4.2)
		"sip:a@carrier.example:9":              "udp:192.0.2.99:9",
		"sips:a@carrier.example:9":             "tls:192.0.2.99:9",
		"sip:a@srv.example":                    "udp:192.0.2.1:5060 tcp:192.0.2.2:5061",
		"sip:a@srv.example;transport=tls":      "tls:192.0.2.98:5061",
		"sip:a@plain.example":                  "udp:192.0.2.3:5060 udp:192.0.2.4:5060",
		"sip:a@plain.example;transport=ws":     "ws:192.0.2.3:80 ws:192.0.2.4:80",
		"sips:a@plain.example":                 "tls:192.0.2.3:5061 tls:192.0.2.4:5061",
		"sip:a@two.carrier.example":            "udp:192.0.2.2:5060",
		"sip:a@x.example;maddr=plain.example":  "udp:192.0.2.3:5060 udp:192.0.2.4:5060",
		"sip:a@direct.example":                 "tcp:192.0.2.3:5060 tcp:192.0.2.4:5060",
		"sip:a@none.example":                   "error: resolve none.example: no address of a family that we listen on",
		"sip:a@six.example":                    "error", // no IPv6 listener
		"sip:a@nowhere.example":                "error: resolve nowhere.example: no such host",
		"sip:a@x.invalid":                      "error: resolve x.invalid: no such host",
		"sip:a@" + strings.Repeat("a.", 200):   "error",
		"sip:a@" + strings.Repeat("a", 70):     "error",
		"sip:a@carrier.example;transport=sctp": "error",
	})
	if n := z.count("x.invalid A"); n != 0 {
		t.Errorf("asked for a name that cannot be %d times", n)
	}
	targets, err := l.Resolve(background(), uri(t, "sip:a@carrier.example"))
	if err != nil || targets[0].Host != "carrier.example" {
		t.Errorf("TLS would verify %q: %v", targets[0].Host, err) // RFC 5922 §4: the URI's domain, not the SRV's
	}
	for _, x := range targets {
		if x.Fixed {
			t.Errorf("%v is fixed", x)
		}
	}
	targets, err = l.Resolve(background(), uri(t, "sip:a@carrier.example;transport=udp"))
	if err != nil || !targets[0].Fixed {
		t.Errorf("%v, %v", targets, err)
	}
}

func TestResolveBothFamilies(t *testing.T) {
	t.Parallel()
	n := routedNetwork{NewMemory()}
	z := newZone(t, n, "10.0.0.53:53", carrier()...)
	l := serve(t, Options{Network: n, DNS: []netip.AddrPort{z.addr}}, newInbox(), "udp://127.0.0.1:5060", "udp://[::1]:5060", "tcp://[::1]:5060")
	wantResolved(t, l, map[string]string{
		"sip:a@one.carrier.example":               "udp:[2001:db8::1]:5060 udp:192.0.2.1:5060",
		"sip:a@one.carrier.example;transport=tcp": "tcp:[2001:db8::1]:5060 tcp:192.0.2.1:5060",
		"sip:a@six.example":                       "udp:[2001:db8::6]:5060",
	})
	noRoute := unroutedNetwork{n.Memory}
	l6 := serve(t, Options{Network: noRoute, DNS: []netip.AddrPort{z.addr}}, newInbox(), "udp://127.0.0.1:5070", "udp://[::1]:5070")
	wantResolved(t, l6, map[string]string{"sip:a@one.carrier.example": "udp:192.0.2.1:5060 udp:[2001:db8::1]:5060"})
}

// unroutedNetwork is a host without IPv6 beyond itself.
type unroutedNetwork struct{ *Memory }

func (unroutedNetwork) Route(remote netip.AddrPort) (netip.Addr, error) {
	if remote.Addr().Is6() {
		return netip.Addr{}, errors.New("network is unreachable")
	}
	return netip.MustParseAddr("192.168.1.2"), nil
}

func TestDNSOrderByPriorityAndWeight(t *testing.T) {
	t.Parallel()
	list := []*dns.SRV{
		{Priority: 20, Weight: 0, Target: "backup."},
		{Priority: 10, Weight: 60, Target: "big."},
		{Priority: 10, Weight: 0, Target: "never."},
		{Priority: 10, Weight: 20, Target: "small1."},
		{Priority: 10, Weight: 20, Target: "small2."},
	}
	first := map[string]int{}
	const rounds = 20_000
	for range rounds {
		out := order(list)
		if len(out) != len(list) || out[len(out)-1].Target != "backup." {
			t.Fatalf("%v", out)
		}
		first[out[0].Target]++
	}
	for name, share := range map[string]float64{"big.": 0.6, "small1.": 0.2, "small2.": 0.2, "never.": 0.01} {
		if got := float64(first[name]) / rounds; got < share-0.02 || got > share+0.02 {
			t.Errorf("%s first in %.3f of the rounds, want %.2f", name, got, share)
		}
	}
	if first["never."] == 0 {
		t.Error("RFC 2782 leaves a record without weight a small chance")
	}
	if len(order(nil)) != 0 {
		t.Error("something out of nothing")
	}
}

// dnsBubble has a name server and a layer on a memory network in virtual time.
func dnsBubble(t *testing.T, f func(t *testing.T, l *Layer, z, second *zone)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := NewMemory()
		z := newZone(t, n, "10.0.0.53:53", carrier()...)
		second := newZone(t, n, "10.0.0.54:53", carrier()...)
		l := serve(t, Options{Network: n, DNS: []netip.AddrPort{z.addr, second.addr}}, newInbox(), "udp://127.0.0.1:5060", "tcp://127.0.0.1:5060")
		f(t, l, z, second)
		l.Close()
	})
}

func TestDNSAnswersLastAsLongAsTheyHold(t *testing.T) {
	t.Parallel()
	dnsBubble(t, func(t *testing.T, l *Layer, z, _ *zone) {
		first := resolved(t, l, "sip:a@carrier.example")
		asked := z.count("")
		time.Sleep(59 * time.Second)
		if got := resolved(t, l, "sip:a@carrier.example"); got != first || z.count("") != asked {
			t.Errorf("asked again within the time to live: %d, then %d", asked, z.count(""))
		}
		time.Sleep(2 * time.Second)
		z.set(t, "carrier.example. 60 IN A 192.0.2.50")
		if got := resolved(t, l, "sip:a@carrier.example"); got != "udp:192.0.2.50:5060" {
			t.Errorf("the old answer stays: %s", got)
		}
		// That there is nothing holds for as long as the zone says (RFC 2308), here 30 s.
		resolved(t, l, "sip:a@nowhere.example")
		asked = z.count("nowhere.example A")
		time.Sleep(29 * time.Second)
		resolved(t, l, "sip:a@nowhere.example")
		if n := z.count("nowhere.example A"); n != asked {
			t.Errorf("asked for nothing again: %d, then %d", asked, n)
		}
		time.Sleep(2 * time.Second)
		resolved(t, l, "sip:a@nowhere.example")
		if n := z.count("nowhere.example A"); n != asked+1 {
			t.Errorf("not asked again: %d", n)
		}
		// A time to live of zero is for this once.
		z.set(t, "now.example. 0 IN A 192.0.2.60")
		for range 3 {
			resolved(t, l, "sip:a@now.example:5060")
		}
		if n := z.count("now.example A"); n != 3 {
			t.Errorf("asked %d times of 3", n)
		}
	})
}

func TestDNSServersThatFail(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(z *zone){
		"silent":  func(z *zone) { z.silent = true },
		"broken":  func(z *zone) { z.rcode = dns.RcodeServerFailure },
		"refuses": func(z *zone) { z.rcode = dns.RcodeRefused },
		"lies":    func(z *zone) { z.wrong = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dnsBubble(t, func(t *testing.T, l *Layer, z, second *zone) {
				z.behave(fault)
				start := time.Now()
				if got := resolved(t, l, "sip:a@plain.example:5060"); got != "udp:192.0.2.3:5060 udp:192.0.2.4:5060" {
					t.Error(got)
				}
				if d := time.Since(start); d > queryTimeout {
					t.Errorf("took %v", d)
				}
				// The one that answered is asked first from then on.
				asked := z.count("")
				resolved(t, l, "sip:a@one.carrier.example:5060")
				if z.count("") != asked {
					t.Error("the dead server is asked first again")
				}
				// Nobody answers any more: what was known stands (RFC 8767), what was not is an error.
				second.behave(fault)
				time.Sleep(2 * time.Minute)
				if got := resolved(t, l, "sip:a@plain.example:5060"); got != "udp:192.0.2.3:5060 udp:192.0.2.4:5060" {
					t.Error(got)
				}
				start = time.Now()
				if got := resolved(t, l, "sip:a@two.carrier.example:5060"); !strings.HasPrefix(got, "error") {
					t.Error(got)
				}
				if d := time.Since(start); d > 4*queryTimeout {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}

// TestDNSServersThatStumbleOverNAPTR: some answer nothing but addresses.
func TestDNSServersThatStumbleOverNAPTR(t *testing.T) {
	t.Parallel()
	dnsBubble(t, func(t *testing.T, l *Layer, z, second *zone) {
		only := func(z *zone) {
			z.records = nil
			rr, _ := dns.NewRR("plain.example. 60 IN A 192.0.2.3")
			z.records = append(z.records, rr)
		}
		z.behave(only)
		second.behave(only)
		if got := resolved(t, l, "sip:a@plain.example"); got != "udp:192.0.2.3:5060" {
			t.Error(got)
		}
	})
}

func TestDNSAnswersTooLargeForADatagram(t *testing.T) {
	t.Parallel()
	records := []string{}
	for i := range 200 {
		records = append(records, fmt.Sprintf("many.example. 60 IN A 10.0.%d.%d", i/100, i%100+1))
	}
	z := newZone(t, System(), "127.0.0.1:0", records...)
	z.behave(func(z *zone) { z.cut = true })
	l := serve(t, Options{DNS: []netip.AddrPort{z.addr}}, newInbox(), "udp://127.0.0.1:0")
	targets, err := l.Resolve(background(), uri(t, "sip:a@many.example:5060"))
	if err != nil || len(targets) != maxTargets {
		t.Errorf("%d targets, %v", len(targets), err)
	}
	if n := z.count("many.example A"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestDNSAsksOnceForAllWhoWait(t *testing.T) {
	t.Parallel()
	dnsBubble(t, func(t *testing.T, l *Layer, z, _ *zone) {
		z.behave(func(z *zone) { z.silent = true })
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got := resolved(t, l, "sip:a@plain.example:5060"); strings.HasPrefix(got, "error") {
					t.Error(got)
				}
			})
		}
		wg.Go(func() { // one that stops waiting does not stop the others
			if _, err := l.Resolve(ctx, uri(t, "sip:a@plain.example:5060")); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if n := z.count("plain.example A"); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestDNSCacheStaysBounded(t *testing.T) {
	t.Parallel()
	z := newZone(t, System(), "127.0.0.1:0")
	l := serve(t, Options{DNS: []netip.AddrPort{z.addr}}, newInbox(), "udp://127.0.0.1:0")
	for i := range maxAnswers + 500 {
		resolved(t, l, fmt.Sprintf("sip:a@host%d.example:5060", i))
	}
	l.names.mu.Lock()
	defer l.names.mu.Unlock()
	if n := len(l.names.kept); n != maxAnswers || len(l.names.asking) != 0 {
		t.Errorf("%d answers kept, %d being asked", n, len(l.names.asking))
	}
}

func TestDeadTargetsComeLast(t *testing.T) {
	t.Parallel()
	dnsBubble(t, func(t *testing.T, l *Layer, _, _ *zone) {
		one := Target{Proto: UDP, Addr: mustAddrPort("192.0.2.3:5060")}
		two := Target{Proto: UDP, Addr: mustAddrPort("192.0.2.4:5060")}
		is := func(want string) {
			t.Helper()
			wantResolved(t, l, map[string]string{"sip:a@plain.example": want})
		}
		l.Avoid(one, 0)
		is("udp:192.0.2.4:5060 udp:192.0.2.3:5060")
		time.Sleep(avoidTime + time.Second)
		is("udp:192.0.2.3:5060 udp:192.0.2.4:5060")
		l.Avoid(one, 2*time.Minute) // Retry-After: 120
		time.Sleep(119 * time.Second)
		is("udp:192.0.2.4:5060 udp:192.0.2.3:5060")
		l.Avoid(two, time.Hour)
		is("udp:192.0.2.3:5060 udp:192.0.2.4:5060") // all dead: as ever
		l.Works(one)
		is("udp:192.0.2.3:5060 udp:192.0.2.4:5060")
		time.Sleep(maxAvoid)
		is("udp:192.0.2.3:5060 udp:192.0.2.4:5060")
		l.Avoid(Target{Proto: TCP, Addr: one.Addr}, 0)
		is("udp:192.0.2.3:5060 udp:192.0.2.4:5060") // TCP there is another thing
		for i := range 3 * maxNoted {
			l.Avoid(Target{Proto: UDP, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5060)}, 0)
		}
		if n := len(l.dead.by); n > maxNoted {
			t.Errorf("%d dead targets remembered", n)
		}
	})
}

func TestHostsFileAndSearchList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hosts, resolv := filepath.Join(dir, "hosts"), filepath.Join(dir, "resolv.conf")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(hosts, "# comment\n127.0.0.5 gateway Gateway.example # trailing\n::1 gateway\nnonsense x\n127.0.0.6\n")
	write(resolv, "search corp.example other.example\nnameserver 192.0.2.53\nnameserver bad\nnameserver 2001:db8::53\n")
	z := newZone(t, System(), "127.0.0.1:0", "pbx.other.example. 60 IN A 192.0.2.7", "a.b. 60 IN A 192.0.2.8", "a.b.corp.example. 60 IN A 192.0.2.9")
	l := serve(t, Options{DNS: []netip.AddrPort{z.addr}}, newInbox(), "udp://127.0.0.1:0")
	l.names.files.hostsPath, l.names.files.resolvPath = hosts, resolv
	wantResolved(t, l, map[string]string{
		"sip:a@gateway":         "udp:127.0.0.5:5060",
		"sip:a@GATEWAY.example": "udp:127.0.0.5:5060",
		"sip:a@pbx":             "udp:192.0.2.7:5060",
		"sip:a@a.b":             "udp:192.0.2.8:5060", // as it stands, before any search
	})
	conf := l.names.files.conf(time.Now())
	if fmt.Sprint(conf.servers) != "[192.0.2.53:53 [2001:db8::53]:53]" {
		t.Errorf("servers %v", conf.servers)
	}
	write(hosts, "127.0.0.55 gateway\n")
	now := time.Now().Add(checkFiles + time.Second)
	if got := l.names.files.addrs(now, "gateway"); fmt.Sprint(got) != "[127.0.0.55]" {
		t.Errorf("a changed file is not read: %v", got)
	}
	if conf := readResolv(filepath.Join(dir, "none")); fmt.Sprint(conf.servers) != "[127.0.0.1:53]" {
		t.Errorf("%v", conf)
	}
}

// FuzzNames: whatever a name server says is turned into a bounded answer or an error.
func FuzzNames(f *testing.F) {
	m := new(dns.Msg).SetQuestion("carrier.example.", dns.TypeNAPTR)
	m.Response = true
	for _, text := range carrier() {
		rr, err := dns.NewRR(text)
		if err != nil {
			f.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	b, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, "carrier.example")
	f.Add(b, "two.carrier.example")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		r := new(dns.Msg)
		if r.Unpack(b) != nil {
			return
		}
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeNAPTR} {
			a := read(r, question{name, kind})
			if len(a.records) > maxRecords || a.ttl < 0 || a.ttl > maxTTL {
				t.Errorf("%d records for %v", len(a.records), a.ttl)
			}
			for _, rr := range a.records {
				if rr.Header().Rrtype != kind {
					t.Errorf("%v is not %s", rr, dns.TypeToString[kind])
				}
			}
		}
	})
}
