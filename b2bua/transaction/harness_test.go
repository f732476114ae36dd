package transaction_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// rig is a transaction layer on a memory network, with a wire-level peer on UDP. It lives in a
// synctest bubble, so its time is exact.
type rig struct {
	*testing.T
	net   *transport.Memory
	tl    *transport.Layer
	tx    *transaction.Layer
	user  *user
	peer  *peer
	start time.Time
}

// user is a transaction user that notes what it is told; the hooks act on it.
type user struct {
	mu      sync.Mutex
	servers []*transaction.Server
	log     []string
	request func(*transaction.Server)
}

func (u *user) note(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.log = append(u.log, fmt.Sprintf(format, args...))
}

func (u *user) seen() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Join(u.log, " | ")
}

func (u *user) last() *transaction.Server {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.servers) == 0 {
		return nil
	}
	return u.servers[len(u.servers)-1]
}

func (u *user) HandleRequest(s *transaction.Server) {
	u.note("%s", s.Request().Method)
	u.mu.Lock()
	u.servers = append(u.servers, s)
	u.mu.Unlock()
	s.OnCancel(func(*sip.Request) { u.note("cancelled") })
	s.OnEnd(func(err error) { u.note("end %v", err) })
	if u.request != nil {
		u.request(s)
	}
}
func (u *user) HandleAck(req *sip.Request, _ transport.Flow)    { u.note("ack %s", req.CallID().Value()) }
func (u *user) HandleStray(res *sip.Response, _ transport.Flow) { u.note("stray %d", res.StatusCode) }
func (u *user) HandleBad(m *transport.Incoming)                 { u.note("bad %v", m.Err) }
func (u *user) HandleFlowClosed(transport.Flow, error)          { u.note("flow closed") }

func (u *user) HandleResponse(_ *transaction.Client, res *sip.Response) {
	u.note("%d", res.StatusCode)
}
func (u *user) HandleEnd(_ *transaction.Client, err error) { u.note("end %v", err) }

// arrival is a message that the peer got, with when.
type arrival struct {
	at  time.Duration
	msg sip.Message
	raw string
}

// peer is the far end of the wire.
type peer struct {
	r    *rig
	pc   net.PacketConn
	to   net.Addr
	mu   sync.Mutex
	got  []arrival
	done chan struct{}
}

func inBubble(t *testing.T, f func(r *rig)) { inBubbleWith(t, transaction.Options{}, f) }

func inBubbleWith(t *testing.T, o transaction.Options, f func(r *rig)) {
	t.Helper()
	bubble(t, o, func(m *transport.Memory) transport.Network { return m }, f)
}

// inBubbleOn has the layer on a network that behaves in its own way.
func inBubbleOn(t *testing.T, n func(*transport.Memory) transport.Network, f func(r *rig)) {
	t.Helper()
	bubble(t, transaction.Options{}, n, f)
}

func bubble(t *testing.T, o transaction.Options, n func(*transport.Memory) transport.Network, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, net: transport.NewMemory(), user: &user{}, start: time.Now()}
		var err error
		r.tl, err = transport.New(transport.Options{Network: n(r.net), Log: quiet(), Listen: []transport.Endpoint{
			endpoint(t, "udp://127.0.0.1:5060"), endpoint(t, "tcp://127.0.0.1:5060")}})
		if err != nil {
			t.Fatal(err)
		}
		o.Transport, o.Handler, o.Log = r.tl, r.user, quiet()
		r.tx = transaction.New(o)
		r.tl.Serve(r.tx)
		r.peer = r.newPeer("127.0.0.1:5070")
		f(r)
		r.peer.close()
		r.tl.Close()
	})
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func endpoint(t testing.TB, s string) transport.Endpoint {
	t.Helper()
	e, err := transport.ParseEndpoint(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (r *rig) newPeer(addr string) *peer {
	r.Helper()
	pc, err := r.net.ListenPacket(netip.MustParseAddrPort(addr))
	if err != nil {
		r.Fatal(err)
	}
	p := &peer{r: r, pc: pc, to: net.UDPAddrFromAddrPort(r.tl.Endpoints()[0].Addr), done: make(chan struct{})}
	go p.read()
	return p
}

func (p *peer) read() {
	defer close(p.done)
	buf := make([]byte, 65536)
	for {
		n, _, err := p.pc.ReadFrom(buf)
		if err != nil {
			return
		}
		msg, err := sip.ParseMessage(append([]byte(nil), buf[:n]...))
		if err != nil {
			p.r.Errorf("peer got %q: %v", buf[:n], err)
			continue
		}
		p.mu.Lock()
		p.got = append(p.got, arrival{time.Since(p.r.start), msg, string(buf[:n])})
		p.mu.Unlock()
	}
}

func (p *peer) close() {
	p.pc.Close()
	<-p.done
}

func (p *peer) send(text string) {
	p.r.Helper()
	if _, err := p.pc.WriteTo([]byte(text), p.to); err != nil {
		p.r.Fatal(err)
	}
	synctest.Wait()
}

// take gives what arrived since the last take.
func (p *peer) take() []arrival {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.got
	p.got = nil
	return got
}

// times are the arrivals since the last take, like "INVITE@500ms 180@2s".
func (p *peer) times() string {
	var out []string
	for _, a := range p.take() {
		out = append(out, fmt.Sprintf("%s@%v", what(a.msg), a.at))
	}
	return strings.Join(out, " ")
}

func (p *peer) names() string {
	var out []string
	for _, a := range p.take() {
		out = append(out, what(a.msg))
	}
	return strings.Join(out, " ")
}

func what(m sip.Message) string {
	switch m := m.(type) {
	case *sip.Request:
		return string(m.Method)
	case *sip.Response:
		return fmt.Sprint(m.StatusCode)
	}
	return "?"
}

func (r *rig) want(what, got, want string) {
	r.Helper()
	if got != want {
		r.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// wantEmpty checks that no transaction is left.
func (r *rig) wantEmpty() {
	r.Helper()
	synctest.Wait()
	if s, c := r.tx.Counts(); s != 0 || c != 0 {
		r.Errorf("left: %d server and %d client transactions", s, c)
	}
}

// flow is the one to the peer.
func (r *rig) flow() transport.Flow {
	r.Helper()
	f, err := r.tl.Connect(r.Context(), transport.Target{Proto: transport.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:5070")})
	if err != nil {
		r.Fatal(err)
	}
	return f
}

// sendRequest sends a request of ours to the peer; the user notes what becomes of it.
func (r *rig) sendRequest(method sip.RequestMethod) *transaction.Client {
	r.Helper()
	c, err := r.tx.Send(r.flow(), ourRequest(method), r.user)
	if err != nil {
		r.Fatal(err)
	}
	synctest.Wait()
	return c
}

func ourRequest(method sip.RequestMethod) *sip.Request {
	var uri sip.Uri
	if err := sip.ParseUri("sip:bob@127.0.0.1:5070", &uri); err != nil {
		panic(err)
	}
	req := sip.NewRequest(method, uri)
	req.AppendHeader(sip.NewHeader("Route", "<sip:127.0.0.1:5070;lr>"))
	req.AppendHeader(&sip.FromHeader{Address: uri, Params: sip.HeaderParams{{K: "tag", V: "ours"}}})
	req.AppendHeader(&sip.ToHeader{Address: uri})
	id := sip.CallIDHeader("our-call")
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 7, MethodName: method})
	req.SetBody(nil)
	return req
}

// answer is a response of the peer to a request that it got.
func answer(req sip.Message, code int, toTag string) string {
	res := transaction.NewResponse(req.(*sip.Request), code, "Reason", toTag)
	return res.String()
}

// theirs is a request from the peer.
func theirs(method, branch string) string {
	return theirsTo(method, branch, "<sip:alice@127.0.0.1>")
}

func theirsTo(method, branch, to string) string {
	seq := method
	return method + " sip:alice@127.0.0.1 SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 127.0.0.1:5070;branch=" + branch + "\r\n" +
		"From: <sip:bob@127.0.0.1>;tag=theirs\r\n" +
		"To: " + to + "\r\n" +
		"Call-ID: their-call\r\n" +
		"CSeq: 3 " + seq + "\r\n" +
		"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
}

// respond answers the newest request that the user got.
func (r *rig) respond(code int) {
	r.Helper()
	s := r.user.last()
	if err := s.Respond(transaction.NewResponse(s.Request(), code, "Reason", "we")); err != nil {
		r.Errorf("respond %d: %v", code, err)
	}
	synctest.Wait()
}
