package transport

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// zone is a name server for tests: it knows the records it was given, answers over UDP and TCP
// at one address, and counts what it is asked.
type zone struct {
	addr netip.AddrPort

	mu      sync.Mutex
	records []dns.RR
	asked   map[string]int // "name TYPE"
	rcode   int            // answered to everything, when not 0
	silent  bool
	cut     bool // answers over UDP are truncated
	wrong   bool // answers are to another question
}

const testSOA = "example.com. 60 IN SOA ns.example.com. admin.example.com. 1 60 60 60 30"

// newZone serves records in zone file form on a network at addr (port 0 for any).
func newZone(t testing.TB, n Network, addr string, records ...string) *zone {
	t.Helper()
	z := &zone{asked: map[string]int{}}
	z.set(t, records...)
	pc, err := n.ListenPacket(mustAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	z.addr = addrPort(pc.LocalAddr())
	ln, err := n.Listen(z.addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var servers []*dns.Server
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: z}, {Listener: ln, Handler: z}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		wg.Go(func() { _ = s.ActivateAndServe() })
		<-started
		servers = append(servers, s)
	}
	t.Cleanup(func() {
		for _, s := range servers {
			_ = s.Shutdown()
		}
		wg.Wait()
	})
	return z
}

func (z *zone) set(t testing.TB, records ...string) {
	t.Helper()
	var parsed []dns.RR
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil || rr == nil {
			t.Fatalf("%s: %v", text, err)
		}
		parsed = append(parsed, rr)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = parsed
}

// behave changes how the server answers.
func (z *zone) behave(change func(z *zone)) {
	z.mu.Lock()
	defer z.mu.Unlock()
	change(z)
}

// count is how often a question was asked, "example.com NAPTR", and all of them for "".
func (z *zone) count(q string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	if q != "" {
		return z.asked[q]
	}
	sum := 0
	for _, n := range z.asked {
		sum += n
	}
	return sum
}

func (z *zone) ServeDNS(w dns.ResponseWriter, req *dns.Msg) {
	q := req.Question[0]
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked[strings.TrimSuffix(strings.ToLower(q.Name), ".")+" "+dns.TypeToString[q.Qtype]]++
	if z.silent {
		return
	}
	m := new(dns.Msg).SetReply(req)
	if z.rcode != 0 {
		m.Rcode = z.rcode
	} else {
		z.answer(m, q)
	}
	if z.wrong {
		m.Question[0].Name = "evil.example."
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp && z.cut {
		m.Answer, m.Truncated = nil, true
	}
	_ = w.WriteMsg(m)
}

func (z *zone) answer(m *dns.Msg, q dns.Question) {
	known := false
	name := strings.ToLower(q.Name)
	for i := 0; i < len(z.records); i++ {
		h := z.records[i].Header()
		if strings.ToLower(h.Name) != name {
			continue
		}
		known = true
		switch rr := z.records[i].(type) {
		case *dns.CNAME:
			m.Answer = append(m.Answer, rr)
			if q.Qtype != dns.TypeCNAME && len(m.Answer) < 8 {
				name, i = strings.ToLower(rr.Target), -1 // and the records there, as a resolver gives them
			}
		default:
			if h.Rrtype == q.Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
	}
	if len(m.Answer) == 0 {
		soa, _ := dns.NewRR(testSOA)
		m.Ns = []dns.RR{soa}
		if !known {
			m.Rcode = dns.RcodeNameError
		}
	}
}
