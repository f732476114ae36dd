// Package transaction is RFC 3261 §17 with the corrections of RFC 6026: requests matched to
// their responses, resent where the transport may lose them, and absorbed where the peer resends.
//
// A transaction is a passive state machine with a lock of its own and no goroutine: the
// goroutine that reads a message, or a timer's, steps it and calls the user back, never under a
// lock, so that messages reach the user in wire order.
package transaction

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
	"tandem/clock"
)

// Errors that end a transaction or refuse a call on it.
var (
	// ErrTimeout: no final response came (timers B and F), or no ACK to one (timer H), or the
	// user never answered a request.
	ErrTimeout = errors.New("transaction timed out")
	// ErrEnded: the transaction has its final response, or is over.
	ErrEnded = errors.New("transaction has ended")
)

// Handler is the transaction user. Its methods are called on the goroutine that reads the
// connection, in wire order, and must not block.
type Handler interface {
	// HandleRequest gets each new request but ACK and CANCEL. Respond may be called within it
	// or any time later; OnCancel and OnEnd are set within it.
	HandleRequest(tx *Server)
	// HandleAck gets the ACK of a 2xx.
	HandleAck(req *sip.Request, f transport.Flow)
	// HandleStray gets a 2xx to an INVITE of ours whose transaction is over. It wants an ACK.
	HandleStray(res *sip.Response, f transport.Flow)
	// HandleBad gets a request that is not valid (m.Err), which Reply may answer.
	HandleBad(m *transport.Incoming)
	// HandleFlowClosed tells of a dead connection, after its transactions have ended.
	HandleFlowClosed(f transport.Flow, err error)
}

// Options of a Layer. The zero value of each field means its default.
type Options struct {
	Transport *transport.Layer
	Clock     clock.Clock // clock.System()
	Timers    Timers      // DefaultTimers()
	Log       *slog.Logger
	Handler   Handler
	// MaxServers bounds the server transactions kept, about 1.5 KB each, most of them
	// answered and waiting for resent requests: 300,000. Beyond it requests get 503.
	MaxServers int
}

// Layer matches messages to transactions. It is the transport's Handler.
type Layer struct {
	o         Options
	transport *transport.Layer

	resent atomic.Uint64
	copies atomic.Uint64

	mu      sync.Mutex
	servers map[serverKey]*serverTx
	merged  map[mergeKey]*serverTx
	clients map[clientKey]*clientTx
	flows   map[transport.Flow]map[ender]struct{} // of stream connections
}

// ender is a transaction that ends with its connection.
type ender interface{ fail(err error) }

// New makes a layer. It becomes useful with Transport.Serve(layer).
func New(o Options) *Layer {
	o.Timers = o.Timers.WithDefaults()
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MaxServers == 0 {
		o.MaxServers = 300_000
	}
	return &Layer{
		o:         o,
		transport: o.Transport,
		servers:   map[serverKey]*serverTx{},
		merged:    map[mergeKey]*serverTx{},
		clients:   map[clientKey]*clientTx{},
		flows:     map[transport.Flow]map[ender]struct{}{},
	}
}

// Counts are the transactions there are now.
func (l *Layer) Counts() (servers, clients int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.servers), len(l.clients)
}

// Resent is how many messages were sent again so far for want of an answer.
func (l *Layer) Resent() uint64 { return l.resent.Load() }

// Merged is how many requests were refused so far because the same had come another way.
func (l *Layer) Merged() uint64 { return l.copies.Load() }

// HandleMessage implements transport.Handler.
func (l *Layer) HandleMessage(m *transport.Incoming) {
	switch msg := m.Msg.(type) {
	case *sip.Request:
		if m.Err != nil {
			l.o.Handler.HandleBad(m)
			return
		}
		l.request(msg, m.Flow)
	case *sip.Response:
		// RFC 3261 §8.1.3.3: a second Via means that it is not for us.
		if m.Err == nil && len(msg.GetHeaders("via")) == 1 {
			l.response(msg, m.Flow)
		}
	}
}

// HandleFlowClosed implements transport.Handler.
func (l *Layer) HandleFlowClosed(f transport.Flow, err error) {
	if err == nil {
		err = transport.ErrClosed
	}
	l.mu.Lock()
	left := l.flows[f]
	delete(l.flows, f)
	l.mu.Unlock()
	for tx := range left {
		l.transport.Guard(f, func() { tx.fail(err) })
	}
	l.o.Handler.HandleFlowClosed(f, err)
}

// tie makes tx end with its connection; the caller holds the lock.
func (l *Layer) tie(f transport.Flow, tx ender) {
	if !f.Reliable() || f.IsLoop() {
		return
	}
	set := l.flows[f]
	if set == nil {
		set = map[ender]struct{}{}
		l.flows[f] = set
	}
	set[tx] = struct{}{}
}

// untie undoes tie; the caller holds the lock.
func (l *Layer) untie(f transport.Flow, tx ender) {
	set := l.flows[f]
	delete(set, tx)
	if len(set) == 0 {
		delete(l.flows, f)
	}
}

// guard makes f a timer's function that a panic does not end the process from.
func (l *Layer) guard(f transport.Flow, do func()) func() {
	return func() { l.transport.Guard(f, do) }
}

// later calls f on a goroutine of its own: for what must not run within a caller's Respond.
func (l *Layer) later(flow transport.Flow, f func()) {
	l.o.Clock.AfterFunc(0, l.guard(flow, f))
}
