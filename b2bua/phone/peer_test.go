package phone

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/media"
)

// net is an in-process world for SIP and RTP.
type world struct {
	sip   *transport.Memory
	media *media.Engine
}

// newWorld makes one whose phones share an engine; it ends with the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	e, err := media.New(media.Options{Backend: media.NewMemory(), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return &world{sip: transport.NewMemory(), media: e}
}

func (w *world) phone(t *testing.T, o Options) *Phone {
	t.Helper()
	o.Network, o.Media = w.sip, w.media
	return newPhone(t, o)
}

func newPhone(t *testing.T, o Options) *Phone {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// peer is the far end played by a test, message by message.
type peer struct {
	t     *testing.T
	layer *transport.Layer
	in    chan *transport.Incoming
}

func (w *world) peer(t *testing.T) *peer {
	t.Helper()
	addr := netip.MustParseAddrPort("127.0.0.1:0")
	l, err := transport.New(transport.Options{Network: w.sip, Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: addr}}})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t, l, make(chan *transport.Incoming, 100)}
	l.Serve(p)
	t.Cleanup(func() { l.Close() })
	return p
}

func (p *peer) HandleMessage(m *transport.Incoming)    { p.in <- m }
func (p *peer) HandleFlowClosed(transport.Flow, error) {}

func (p *peer) uri() string { return "sip:peer@" + p.layer.Endpoints()[0].Addr.String() }

// request waits for the next request, which must be of that method.
func (p *peer) request(method sip.RequestMethod) (*sip.Request, transport.Flow) {
	p.t.Helper()
	for {
		m := p.next()
		if req, ok := m.Msg.(*sip.Request); ok {
			if req.Method != method {
				p.t.Fatalf("got %s, want %s", req.Method, method)
			}
			return req, m.Flow
		}
	}
}

// response waits for the next response but 100.
func (p *peer) response() *sip.Response {
	p.t.Helper()
	for {
		if res, ok := p.next().Msg.(*sip.Response); ok && res.StatusCode != 100 {
			return res
		}
	}
}

func (p *peer) next() *transport.Incoming {
	p.t.Helper()
	select {
	case m := <-p.in:
		return m
	case <-time.After(time.Minute):
		p.t.Fatal("nothing came in a minute")
		return nil
	}
}

// quiet checks that nothing comes for d.
func (p *peer) quiet(d time.Duration) {
	p.t.Helper()
	select {
	case m := <-p.in:
		p.t.Errorf("got %s", m.Msg.String())
	case <-time.After(d):
	}
}

// answer sends a response with the peer's Contact, and with SDP if body says so.
func (p *peer) answer(req *sip.Request, f transport.Flow, code int, tag string, body []byte, headers ...sip.Header) {
	p.t.Helper()
	res := transaction.NewResponse(req, code, "Because", tag)
	var contact sip.Uri
	if err := sip.ParseUri(p.uri(), &contact); err != nil {
		p.t.Fatal(err)
	}
	res.AppendHeader(&sip.ContactHeader{Address: contact})
	for _, h := range headers {
		res.AppendHeader(h)
	}
	setBody(res, body)
	if err := f.Send(res); err != nil {
		p.t.Fatal(err)
	}
}

// invite makes an INVITE of the peer to a phone.
func (p *peer) invite(to *Phone, body []byte) (*sip.Request, transport.Flow) {
	p.t.Helper()
	callee, err := ParseURI(to.URI())
	if err != nil {
		p.t.Fatal(err)
	}
	f, err := p.layer.Connect(p.t.Context(), transport.Target{Proto: transport.UDP, Addr: to.layer.Endpoints()[0].Addr})
	if err != nil {
		p.t.Fatal(err)
	}
	from, _ := ParseURI(p.uri())
	req := to.newRequest(sip.INVITE, callee, from, callee, dialog.NewTag(), dialog.NewCallID())
	req.PrependHeader(&sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: from.Host, Port: from.Port,
		Params: sip.HeaderParams{{K: "branch", V: dialog.NewBranch()}}})
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.INVITE})
	req.AppendHeader(&sip.ContactHeader{Address: from})
	setBody(req, body)
	return req, f
}

// within is a context for one step of a test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// ended waits for the end of a call.
func ended(t *testing.T, c *Call) End {
	t.Helper()
	select {
	case <-c.Done():
	case <-within(t, time.Minute).Done():
		t.Fatal("the call does not end")
	}
	return c.End()
}

// sdpOffer is an SDP that anyone can answer; its port is where nobody listens.
const sdpOffer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
	"m=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"

// connected makes a call from one phone to the other, answered.
func connected(t *testing.T, from, to *Phone, o DialOptions) (caller, callee *Call) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	answered := make(chan *Call, 1)
	go func() {
		c, err := to.Accept(ctx)
		if err == nil {
			err = c.Ring()
		}
		if err == nil {
			err = c.Answer()
		}
		if err != nil {
			t.Errorf("accept: %v", err)
		}
		answered <- c
	}()
	caller, err := from.Dial(ctx, to.URI(), o)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	return caller, <-answered
}
