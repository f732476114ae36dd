package b2bua

import (
	"cmp"
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

	"tandem/b2bua/auth"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transport"
	"tandem/media"
	"tandem/store"
)

// world is a server on a network in memory, with time that moves when all wait.
type world struct {
	t       *testing.T
	net     *transport.Memory
	server  *Server
	records *records
	engine  *media.Engine
	air     *media.Memory // that its media go by
	addr    netip.AddrPort
}

type handlerFunc func(ctx context.Context, c *Call) error

func (f handlerFunc) ServeCall(ctx context.Context, c *Call) error { return f(ctx, c) }

// records keeps what a server writes down.
type records struct {
	mu       sync.Mutex
	open     map[string]*store.Call
	finished []store.Record
}

func (r *records) Open(c *store.Call)   { r.set(c) }
func (r *records) Update(c *store.Call) { r.set(c) }
func (r *records) set(c *store.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[c.ID] = c
}

func (r *records) Finish(c *store.Call, legs []store.Leg, events []store.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c.ID)
	r.finished = append(r.finished, store.Record{Call: *c, Legs: legs, Events: events})
}

type noUsers struct{}

func (noUsers) Credential(string) (auth.Credential, bool) { return auth.Credential{}, false }

var serverAddr = netip.MustParseAddrPort("10.0.0.1:5060")

// inWorld runs test in a bubble with a server that trusts everybody.
func inWorld(t *testing.T, h handlerFunc, test func(w *world), change ...func(*Options)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, h, change...)
		defer w.close()
		test(w)
	})
}

func newWorld(t *testing.T, h handlerFunc, change ...func(*Options)) *world {
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := &world{t: t, net: transport.NewMemory(), addr: serverAddr, records: &records{open: map[string]*store.Call{}}}
	tl, err := transport.New(transport.Options{Network: w.net, Log: log, Listen: []transport.Endpoint{
		{Proto: transport.UDP, Addr: w.addr}, {Proto: transport.TCP, Addr: w.addr}}})
	if err != nil {
		t.Fatal(err)
	}
	w.air = media.NewMemory()
	if w.engine, err = media.New(media.Options{Backend: w.air, Workers: 1, PortMin: 10000, PortMax: 20000}); err != nil {
		t.Fatal(err)
	}
	all := auth.NewACL([]auth.Rule{{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
	o := Options{Transport: tl, Media: w.engine, Handler: h, Directory: noUsers{}, Registrar: registrar.New(registrar.Options{}),
		Journal: w.records, ACL: all, Log: log, Recordings: t.TempDir()}
	for _, f := range change {
		f(&o)
	}
	if w.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

// close ends the server and checks that nothing of any call is left.
func (w *world) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.server.Close(ctx); err != nil {
		w.t.Errorf("calls left at the end: %v", err)
	}
	w.server.trunks.Close(ctx)
	time.Sleep(time.Minute) // virtual: every transaction times out
	synctest.Wait()
	if n := w.server.Counts(); n != (Counts{}) {
		w.t.Errorf("left at the end: %+v", n)
	}
	w.server.o.Registrar.Close()
	if err := w.server.o.Transport.Close(); err != nil {
		w.t.Error(err)
	}
	_ = w.engine.Close()
}

// last is the newest finished record, once there is one.
func (w *world) last() store.Record {
	w.t.Helper()
	for range 700 {
		synctest.Wait()
		w.records.mu.Lock()
		n := len(w.records.finished)
		if n > 0 {
			defer w.records.mu.Unlock()
			return w.records.finished[n-1]
		}
		w.records.mu.Unlock()
		time.Sleep(100 * time.Millisecond) // virtual
	}
	w.t.Fatal("no record was finished")
	return store.Record{}
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// peer is the far end of a dialog, written out by hand so that it can misbehave.
type peer struct {
	w      *world
	conn   net.PacketConn
	addr   netip.AddrPort
	from   netip.AddrPort // where the last message came from
	body   string         // SDP it offers and answers with
	parted string         // the header that tells of other bodies; SDP if empty

	callID, local, remote string // From/To as they stand in requests of ours
	cseq                  int
	invite                *sip.Request // the INVITE it received
	target                string       // the server's Contact
	refusing              bool         // the ACK is of a failure
}

// peer number n is at 10.0.1.n.
func (w *world) peer(n int) *peer {
	return w.peerAt(n, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(n)}), 5060))
}

func (w *world) peerAt(n int, addr netip.AddrPort) *peer {
	conn, err := w.net.ListenPacket(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	body := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n"+
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n", addr.Addr())
	return &peer{w: w, conn: conn, addr: addr, body: body,
		callID: fmt.Sprintf("call-%d-%s", n, strings.NewReplacer("/", "-", ",", "").Replace(w.t.Name()))}
}

func (p *peer) write(text string) {
	p.w.t.Helper()
	if _, err := p.conn.WriteTo([]byte(text), net.UDPAddrFromAddrPort(p.w.addr)); err != nil {
		p.w.t.Fatal(err)
	}
}

// send sends a request within the call it makes or has; headers may replace the usual ones.
func (p *peer) send(method, number, body string, headers ...string) {
	p.w.t.Helper()
	if method != "ACK" && method != "CANCEL" {
		p.cseq++
	}
	uri := p.target
	if uri == "" {
		uri = "sip:" + number + "@" + p.w.addr.String()
	}
	if p.local == "" {
		p.local = fmt.Sprintf("<sip:alice@%s>;tag=a%d", p.addr.Addr(), p.cseq)
		p.remote = "<sip:" + number + "@" + p.w.addr.String() + ">"
	}
	branch := fmt.Sprintf("z9hG4bK-%s-%d-%s", p.callID, p.cseq, map[bool]string{true: "ack"}[method == "ACK" && p.target != "" && !p.refusing])
	lines := []string{
		fmt.Sprintf("%s %s SIP/2.0", method, uri),
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=%s", p.addr, branch),
		"From: " + p.local, "To: " + p.remote, "Call-ID: " + p.callID,
		fmt.Sprintf("CSeq: %d %s", p.cseq, method),
		"Max-Forwards: 70",
	}
	if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Contact:") }) {
		lines = append(lines, fmt.Sprintf("Contact: <sip:alice@%s>", p.addr))
	}
	lines = append(lines, headers...)
	if body != "" && !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Content-Type:") }) {
		lines = append(lines, cmp.Or(p.parted, "Content-Type: application/sdp"))
	}
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)), "", body)
	p.write(strings.Join(lines, "\r\n"))
}

// refused acknowledges a failure of a request within the dialog (RFC 3261 §17.1.1.3).
func (p *peer) refused() {
	p.w.t.Helper()
	p.refusing = true
	p.send("ACK", "", "")
	p.refusing = false
}

// recv is the next message, which must come within 40 s.
func (p *peer) recv() sip.Message {
	p.w.t.Helper()
	m, ok := p.within(40 * time.Second)
	if !ok {
		p.w.t.Fatalf("%s: nothing came", p.addr)
	}
	return m
}

func (p *peer) within(d time.Duration) (sip.Message, bool) {
	p.w.t.Helper()
	buf := make([]byte, 65536)
	_ = p.conn.SetReadDeadline(time.Now().Add(d))
	n, from, err := p.conn.ReadFrom(buf)
	if err != nil {
		return nil, false
	}
	p.from = from.(*net.UDPAddr).AddrPort()
	m, err := sip.ParseMessage(buf[:n])
	if err != nil {
		p.w.t.Fatalf("%s received what does not parse: %v\n%s", p.addr, err, buf[:n])
	}
	return m, true
}

// silent fails if anything comes within d.
func (p *peer) silent(d time.Duration) {
	p.w.t.Helper()
	if m, ok := p.within(d); ok {
		p.w.t.Fatalf("%s: unexpected:\n%s", p.addr, m)
	}
}

// response is the next message, which must be a response with that code.
func (p *peer) response(code int) *sip.Response {
	p.w.t.Helper()
	m := p.recv()
	res, ok := m.(*sip.Response)
	if !ok || res.StatusCode != code {
		p.w.t.Fatalf("%s: want %d, got:\n%s", p.addr, code, m)
	}
	if res.CSeq().MethodName == sip.INVITE && code > 100 {
		p.remote = res.To().Value()
		if c := res.Contact(); c != nil {
			p.target = c.Address.String()
		}
	}
	return res
}

// request is the next message, which must be a request with that method.
func (p *peer) request(method sip.RequestMethod) *sip.Request {
	p.w.t.Helper()
	m := p.recv()
	req, ok := m.(*sip.Request)
	if !ok || req.Method != method {
		p.w.t.Fatalf("%s: want %s, got:\n%s", p.addr, method, m)
	}
	if method == sip.INVITE {
		p.invite = req
		p.callID, p.cseq = req.CallID().Value(), 100
		p.local, p.remote = req.To().Value(), req.From().Value()
		p.target = req.Contact().Address.String()
	}
	return req
}

// answer responds to a request the server sent; a tag is added to To when given.
func (p *peer) answer(req *sip.Request, code int, tag, body string, headers ...string) {
	p.w.t.Helper()
	to := req.To().Value()
	if tag != "" && !strings.Contains(to, "tag=") {
		to += ";tag=" + tag
		p.local = to
	}
	lines := []string{fmt.Sprintf("SIP/2.0 %d %s", code, Phrase(code))}
	for _, v := range req.GetHeaders("Via") {
		lines = append(lines, "Via: "+v.Value())
	}
	lines = append(lines, "From: "+req.From().Value(), "To: "+to, "Call-ID: "+req.CallID().Value(), "CSeq: "+req.CSeq().Value())
	if code < 300 {
		lines = append(lines, fmt.Sprintf("Contact: <sip:bob@%s>", p.addr))
	}
	lines = append(lines, headers...)
	if body != "" {
		lines = append(lines, cmp.Or(p.parted, "Content-Type: application/sdp"))
	}
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)), "", body)
	p.write(strings.Join(lines, "\r\n"))
}

// calls dials a number and returns once the server has said 100.
func (p *peer) calls(number string) {
	p.w.t.Helper()
	p.send("INVITE", number, p.body)
	p.response(100)
}

// talks dials, is answered and acknowledges.
func (p *peer) talks(number string) {
	p.w.t.Helper()
	p.calls(number)
	for {
		m := p.recv()
		res, ok := m.(*sip.Response)
		if !ok || res.StatusCode >= 300 {
			p.w.t.Fatalf("%s: not answered:\n%s", p.addr, m)
		}
		if res.StatusCode >= 200 {
			p.remote, p.target = res.To().Value(), res.Contact().Address.String()
			break
		}
	}
	p.send("ACK", number, "")
}

// hangsUp sends BYE and waits for its answer.
func (p *peer) hangsUp() {
	p.w.t.Helper()
	p.send("BYE", "", "")
	p.response(200)
}

// hungUp waits for a BYE and answers it.
func (p *peer) hungUp() *sip.Request {
	p.w.t.Helper()
	req := p.request(sip.BYE)
	p.answer(req, 200, "", "")
	return req
}
