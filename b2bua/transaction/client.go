package transaction

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

// ClientHandler gets what becomes of a request that was sent. The calls for one transaction
// come one after the other and under no lock; the first may come before Send has returned.
type ClientHandler interface {
	// HandleResponse gets every provisional response and the final one; of an INVITE also each
	// further 2xx, resent or from another fork, for 64*T1 (RFC 6026). Each 2xx wants an ACK.
	HandleResponse(tx *Client, res *sip.Response)
	// HandleEnd comes once, last: with nil after a final response (after a 2xx to INVITE, when
	// no further one is awaited), with ErrTimeout, or with a transport error.
	HandleEnd(tx *Client, err error)
}

// Client is a request sent. Its methods are safe for use by several goroutines.
type Client struct {
	tx  *clientTx
	req *sip.Request
}

// Request is the request as it was sent, with our Via. It must not be changed.
func (c *Client) Request() *sip.Request {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	return c.req
}

// Flow is the flow that the request went by: not always the one given to Send, see widen.
func (c *Client) Flow() transport.Flow {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	return c.tx.flow
}

// clientTx is the state machine behind a Client.
type clientTx struct {
	l      *Layer
	key    clientKey
	client *Client

	mu        sync.Mutex
	flow      transport.Flow
	given     transport.Flow // by the user; flow is another when the request was too large for it
	handler   ClientHandler  // nil after HandleEnd was queued
	state     state
	out       []byte // what is resent: the request, then the ACK of a non-2xx
	interval  time.Duration
	resend    alarm // A, E
	expire    alarm // B, D, F, K, M, and the wait after a CANCEL
	cancelled bool
	wanted    bool // a CANCEL waits for a provisional response
	headers   []sip.Header
	events    []func() // calls of the handler, in order
	watch     Watcher  // nil: nobody
	answered  string   // the To tag of the first 2xx
	calling   bool     // a goroutine is making them
}

// Send puts our Via on top of req (RFC 3261 §8.1.1.7, §18.1.1, RFC 3581 §3), sends it over f and
// tells h what becomes of it. req belongs to the transaction from then on. After an error h is
// not called.
func (l *Layer) Send(f transport.Flow, req *sip.Request, h ClientHandler) (*Client, error) {
	req.PrependHeader(newVia(f, newBranch()))
	return l.send(f, req, h, nil)
}

func newBranch() string { return cookie + rand.Text() }

func newVia(f transport.Flow, branch string) *sip.ViaHeader {
	at := f.Advertised()
	params := make(sip.HeaderParams, 0, 4)
	params.Add("branch", branch)
	params.Add("rport", "")
	if f.Aliased() {
		params.Add("alias", "") // RFC 5923 §5
	}
	return &sip.ViaHeader{
		ProtocolName:    "SIP",
		ProtocolVersion: "2.0",
		Transport:       f.Proto().Via(),
		Host:            at.Addr().String(),
		Port:            int(at.Port()),
		Params:          params,
	}
}

func (l *Layer) send(f transport.Flow, req *sip.Request, h ClientHandler, w Watcher) (*Client, error) {
	branch, _ := req.Via().Params.Get("branch")
	t := &clientTx{l: l, key: clientKey{branch, req.Method}, flow: f, given: f, handler: h, watch: w, out: transport.Encode(req)}
	c := &Client{t, req}
	t.client = c
	large := len(t.out) > transport.MaxDatagram && f.Widens() && req.Method != sip.CANCEL
	// Locked until all is set: a response or the connection's end comes after that.
	t.mu.Lock()
	l.mu.Lock()
	l.clients[t.key] = t
	l.tie(f, t)
	l.mu.Unlock()
	// Timers B and F.
	t.expire.set(l.o.Clock, l.o.Timers.long(), l.guard(f, t.expired))
	if large {
		t.mu.Unlock()
		l.transport.Widen(f, func(g transport.Flow) { l.transport.Guard(g, func() { t.widen(g) }) })
		return c, nil
	}
	defer t.mu.Unlock()
	if err := t.transmit(); err != nil {
		t.handler = nil
		t.end()
		return nil, fmt.Errorf("send %s: %w", req.Method, err)
	}
	return c, nil
}

// transmit sends the request for the first time; the caller holds the lock.
func (t *clientTx) transmit() error {
	t.saw(seenRequest(t.client.req).sent())
	if err := t.flow.Write(t.out); err != nil {
		return err
	}
	if !t.flow.Reliable() {
		// RFC 3261 §17.1.1.2 and §17.1.2.2: timers A and E.
		t.interval = t.l.o.Timers.T1
		t.resend.set(t.l.o.Clock, t.interval, t.l.guard(t.flow, t.again))
	}
	return nil
}

func (t *clientTx) invite() bool { return t.key.method == sip.INVITE }

// again resends the request (timers A and E).
func (t *clientTx) again() {
	t.mu.Lock()
	due := t.resend.due(t.l.o.Clock)
	switch {
	case !due:
	case t.state == trying, t.state == proceeding && !t.invite():
		t.interval *= 2
		if !t.invite() {
			t.interval = min(t.interval, t.l.o.Timers.T2)
		}
		if t.state == proceeding {
			t.interval = t.l.o.Timers.T2
		}
		t.resend.set(t.l.o.Clock, t.interval, nil)
		t.l.resent.Add(1)
		t.saw(seenRequest(t.client.req).sent().again())
		if err := t.flow.Write(t.out); err != nil {
			t.finish(err)
		}
	}
	t.mu.Unlock()
	t.deliver()
}

// expired ends a transaction whose time is up.
func (t *clientTx) expired() {
	t.mu.Lock()
	if t.expire.due(t.l.o.Clock) {
		var err error
		if t.state == trying || t.state == proceeding {
			err = ErrTimeout
		}
		t.finish(err)
	}
	t.mu.Unlock()
	t.deliver()
}

// fail ends the transaction with its connection.
func (t *clientTx) fail(err error) {
	t.mu.Lock()
	if t.state == trying && t.back() {
		t.mu.Unlock()
		return
	}
	if t.state == accepted || t.state == completed {
		err = nil
	}
	t.finish(err)
	t.mu.Unlock()
	t.deliver()
}

// finish ends the transaction and tells the handler; the caller holds the lock and calls
// deliver without it.
func (t *clientTx) finish(err error) {
	t.tellEnd(err)
	t.end()
}

func (t *clientTx) tellEnd(err error) {
	h, c := t.handler, t.client
	if h == nil {
		return
	}
	t.handler = nil
	t.events = append(t.events, func() { h.HandleEnd(c, err) })
}

// end takes the transaction out; the caller holds the lock.
func (t *clientTx) end() {
	if t.state == terminated {
		return
	}
	t.state = terminated
	t.resend.stop()
	t.expire.stop()
	t.l.mu.Lock()
	delete(t.l.clients, t.key)
	t.l.untie(t.flow, t)
	t.l.mu.Unlock()
	t.out, t.headers = nil, nil
}

// deliver makes the calls that are due, in order and without the lock. When another goroutine
// is at it, that one makes them.
func (t *clientTx) deliver() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calling {
		return
	}
	t.calling = true
	defer func() { t.calling = false }()
	for len(t.events) > 0 {
		f := t.events[0]
		t.events = t.events[1:]
		t.unlocked(f)
	}
	t.events = nil // what was told need not live as long as the transaction
}

func (t *clientTx) unlocked(f func()) {
	t.mu.Unlock()
	defer t.mu.Lock() // also when f panics
	f()
}
