package trunk

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/miekg/dns"

	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// world is a set of trunks on a network in memory, with time that moves when all wait.
type world struct {
	*testing.T
	net   *transport.Memory
	names *names
	layer *transport.Layer
	set   *Set
	log   *logBuffer
	start func() // the trunks, once the carriers are there that the test begins with
}

// sleep starts the trunks, if they are not yet, and lets time pass.
func (w *world) sleep(d time.Duration) {
	w.start()
	time.Sleep(d)
}

// settle waits until nothing moves.
func (w *world) settle() {
	w.start()
	synctest.Wait()
}

var ours = netip.MustParseAddrPort("10.0.0.1:5060")

// inWorld runs test with trunks that are started when it first waits.
func inWorld(t *testing.T, configs []Config, test func(w *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, net: transport.NewMemory(), log: &logBuffer{}}
		w.names = newNames(t, w.net)
		log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		var err error
		w.layer, err = transport.New(transport.Options{Network: w.net, Log: log, DNS: []netip.AddrPort{nameServer}, Listen: []transport.Endpoint{
			{Proto: transport.UDP, Addr: ours}, {Proto: transport.TCP, Addr: ours}}})
		if err != nil {
			t.Fatal(err)
		}
		w.set = New(Options{Transport: w.layer, Log: log})
		tx := transaction.New(transaction.Options{Transport: w.layer, Log: log, Handler: user{w.set}})
		w.layer.Serve(tx)
		w.start = sync.OnceFunc(func() { w.set.Start(tx) })
		defer func() {
			w.start()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			w.set.Close(ctx)
			time.Sleep(time.Minute) // virtual: every transaction times out
			_ = w.layer.Close()
			if t.Failed() {
				t.Log(w.log.String())
			}
		}()
		w.set.Configure(configs)
		test(w)
	})
}

// user takes what the transaction layer has no use for.
type user struct{ set *Set }

func (user) HandleRequest(s *transaction.Server) {
	_ = s.Respond(transaction.NewResponse(s.Request(), 405, "Method Not Allowed", "x"))
}
func (user) HandleAck(*sip.Request, transport.Flow)         {}
func (user) HandleStray(*sip.Response, transport.Flow)      {}
func (user) HandleBad(*transport.Incoming)                  {}
func (u user) HandleFlowClosed(f transport.Flow, err error) { u.set.FlowClosed(f) }

// names is a DNS of A records, at an address of the network.
type names struct {
	mu sync.Mutex
	by map[string][]string
}

var nameServer = netip.MustParseAddrPort("10.0.0.53:53")

func newNames(t *testing.T, n transport.Network) *names {
	t.Helper()
	conn, err := n.ListenPacket(nameServer)
	if err != nil {
		t.Fatal(err)
	}
	z := &names{by: map[string][]string{}}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: conn, Handler: z, NotifyStartedFunc: func() { close(started) }}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.ActivateAndServe() })
	<-started
	t.Cleanup(func() {
		_ = s.Shutdown()
		wg.Wait()
	})
	return z
}

func (n *names) set(name string, addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.by[name+"."] = addrs
}

func (n *names) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	if addrs := n.by[q.Question[0].Name]; len(addrs) == 0 {
		m.Rcode = dns.RcodeNameError
	} else if q.Question[0].Qtype == dns.TypeA {
		for _, a := range addrs {
			m.Answer = append(m.Answer, &dns.A{A: net.ParseIP(a), Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}})
		}
	}
	_ = w.WriteMsg(m)
}

type logBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

// carrier is a host of a trunk, answering as its function says.
type carrier struct {
	w    *world
	conn net.PacketConn
	addr string

	mu     sync.Mutex
	answer func(req *sip.Request) (code int, headers []string) // 0: silence
	got    []*sip.Request
	at     []time.Time
}

// carrier listens at addr and answers every request 200.
func (w *world) carrier(addr string) *carrier {
	w.Helper()
	conn, err := w.net.ListenPacket(netip.MustParseAddrPort(addr))
	if err != nil {
		w.Fatal(err)
	}
	c := &carrier{w: w, conn: conn, addr: addr}
	c.says(func(*sip.Request) (int, []string) { return 200, nil })
	go c.serve()
	w.Cleanup(c.close)
	return c
}

func (c *carrier) close() { _ = c.conn.Close() }

func (c *carrier) says(f func(req *sip.Request) (int, []string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

func (c *carrier) always(code int, headers ...string) {
	c.says(func(*sip.Request) (int, []string) { return code, headers })
}

func (c *carrier) serve() {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		m, err := sip.ParseMessage(buf[:n])
		req, ok := m.(*sip.Request)
		if err != nil || !ok {
			c.w.Errorf("%s received %q: %v", c.addr, buf[:n], err)
			return
		}
		c.mu.Lock()
		code, headers := c.answer(req)
		if !slices.ContainsFunc(c.got, func(r *sip.Request) bool { return r.Via().Value() == req.Via().Value() }) {
			c.got, c.at = append(c.got, req), append(c.at, time.Now())
		}
		c.mu.Unlock()
		if code > 0 {
			_, _ = c.conn.WriteTo([]byte(response(req, code, headers)), from)
		}
	}
}

func response(req *sip.Request, code int, headers []string) string {
	lines := []string{fmt.Sprintf("SIP/2.0 %d Answer", code), "Via: " + req.Via().Value(), "From: " + req.From().Value(),
		"To: " + req.To().Value() + ";tag=t", "Call-ID: " + req.CallID().Value(), "CSeq: " + req.CSeq().Value()}
	lines = append(append(lines, headers...), "Content-Length: 0", "", "")
	return strings.Join(lines, "\r\n")
}

// requests that came with a method, and when.
func (c *carrier) requests(method sip.RequestMethod) (reqs []*sip.Request, at []time.Time) {
	c.w.settle()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range c.got {
		if r.Method == method {
			reqs, at = append(reqs, r), append(at, c.at[i])
		}
	}
	return reqs, at
}

// last is the newest request with a method.
func (c *carrier) last(method sip.RequestMethod) *sip.Request {
	c.w.Helper()
	reqs, _ := c.requests(method)
	if len(reqs) == 0 {
		c.w.Fatalf("%s: no %s came", c.addr, method)
	}
	return reqs[len(reqs)-1]
}

func header(m sip.Message, name string) string {
	if hs := m.GetHeaders(name); len(hs) > 0 {
		return hs[0].Value()
	}
	return ""
}

// tries are the addresses of the trunk's hops, in order.
func (w *world) tries(name string) []string {
	w.settle()
	t, ok := w.set.Trunk(name)
	if !ok {
		w.Fatalf("no trunk %s", name)
	}
	out := []string{}
	for _, h := range t.Hops() {
		out = append(out, h.Target.Addr.String())
	}
	return out
}

func (w *world) expect(name string, want ...string) {
	w.Helper()
	if got := w.tries(name); !slices.Equal(got, want) {
		w.Errorf("%v: hops of %s are %v; want %v", time.Now().Format("04:05"), name, got, want)
	}
}

func (w *world) status(name string) Status {
	w.settle()
	t, ok := w.set.Trunk(name)
	if !ok {
		w.Fatalf("no trunk %s", name)
	}
	return t.Status()
}

func hosts(t testing.TB, list ...string) []Host {
	t.Helper()
	var out []Host
	for _, s := range list {
		h, err := ParseHost(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, h)
	}
	return out
}
