package transaction

import (
	"errors"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

var errNoVia = errors.New("request without Via")

// state of a transaction, client or server.
type state uint8

const (
	trying     state = iota // nothing answered yet; a client INVITE's Calling
	proceeding              // answered provisionally
	accepted                // RFC 6026: an INVITE answered 2xx
	completed               // answered finally, resendings are absorbed
	confirmed               // a server INVITE whose non-2xx got its ACK
	terminated
)

// Server is a request received, to be answered. Its methods are safe for use by several
// goroutines.
type Server struct {
	tx  *serverTx
	req *sip.Request
}

// Request is the request as it came, with received and rport set. It must not be changed.
func (s *Server) Request() *sip.Request { return s.req }

// Flow is the flow that the request came over.
func (s *Server) Flow() transport.Flow { return s.tx.flow }

// Respond sends a response: provisional ones, then one final. After a 2xx to INVITE, Respond
// sends the 2xx again each time it is called (RFC 6026 §7.1), until 64*T1 have passed; a final
// non-2xx is resent by the transaction itself until it is acknowledged. ErrEnded tells that
// the request has its final response. Other errors end the transaction.
func (s *Server) Respond(res *sip.Response) error { return s.tx.respond(res) }

// OnCancel sets what a CANCEL of this INVITE calls while it has no final response. The CANCEL
// itself has then been answered; the INVITE still wants its 487.
func (s *Server) OnCancel(f func(cancel *sip.Request)) {
	s.tx.mu.Lock()
	defer s.tx.mu.Unlock()
	s.tx.onCancel = f
}

// OnEnd sets what is called once when the transaction is over: with nil; with ErrTimeout when
// a final non-2xx got no ACK or the user gave no answer to a non-INVITE within 64*T1; or with a
// transport error. After a transaction has ended it is called at once.
func (s *Server) OnEnd(f func(err error)) {
	t := s.tx
	t.mu.Lock()
	if t.state != terminated {
		t.onEnd = f
		t.mu.Unlock()
		return
	}
	err := t.err
	t.mu.Unlock()
	f(err)
}

// serverTx is the state machine behind a Server. It outlives the user's interest in the request
// by 32 s on UDP, so it holds no more than it then needs.
type serverTx struct {
	l      *Layer
	key    serverKey
	merge  mergeKey
	flow   transport.Flow // the request's
	reply  transport.Flow // the responses'
	invite bool

	mu       sync.Mutex
	state    state
	req      *sip.Request // until the first response
	last     []byte       // the last response, to be sent again
	code     int          // of it
	seq      uint32       // of the request's CSeq
	watch    Watcher      // nil: nobody
	tag      string       // our To tag
	interval time.Duration
	resend   alarm // 100 Trying, then G
	expire   alarm // H, I, J, L
	onCancel func(*sip.Request)
	onEnd    func(error)
	err      error
}

// start sets the timer of a request not yet answered.
func (t *serverTx) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != trying {
		return
	}
	if t.invite {
		t.resend.set(t.l.o.Clock, t.l.o.Timers.Trying, t.l.guard(t.flow, t.remind))
		return
	}
	// A client has given up by then (timer F), so an answer would help nobody.
	t.expire.set(t.l.o.Clock, t.l.o.Timers.long(), t.l.guard(t.flow, t.expired))
}

// remind serves the timer of an INVITE that sends something by itself: 100 Trying while the
// user is silent, then the final response until its ACK comes (G).
func (t *serverTx) remind() {
	t.mu.Lock()
	if !t.resend.due(t.l.o.Clock) {
		t.mu.Unlock()
		return
	}
	if t.state == trying {
		res := NewResponse(t.req, sip.StatusTrying, "Trying", "")
		_ = t.send(res, transport.Encode(res)) // an error has ended the transaction
		t.mu.Unlock()
		return
	}
	var end func()
	if t.state == completed {
		// RFC 3261 §17.2.1: timer G.
		t.l.resent.Add(1)
		if err := t.reply.Write(t.last); err != nil {
			end = t.end(err)
		} else {
			t.sawAgain()
			t.interval = min(2*t.interval, t.l.o.Timers.T2)
			t.resend.set(t.l.o.Clock, t.interval, nil)
		}
	}
	t.mu.Unlock()
	call(end)
}

// again answers a resent request with what it was answered before, if anything.
func (t *serverTx) again() {
	t.mu.Lock()
	t.saw(Seen{Again: true, Method: t.key.method, Seq: t.seq})
	var end func()
	if (t.state == proceeding || t.state == completed) && t.last != nil {
		if err := t.reply.Write(t.last); err != nil {
			end = t.end(err)
		} else {
			t.sawAgain()
		}
	}
	t.mu.Unlock()
	call(end)
}

// expired ends a transaction whose time is up.
func (t *serverTx) expired() {
	t.mu.Lock()
	if !t.expire.due(t.l.o.Clock) {
		t.mu.Unlock()
		return
	}
	var err error
	unanswered := t.state == trying || t.state == proceeding
	if unanswered || t.invite && t.state == completed {
		err = ErrTimeout // no answer from the user, or timer H: no ACK
	}
	end := t.end(err)
	t.mu.Unlock()
	call(end)
}

// fail ends the transaction with its connection.
func (t *serverTx) fail(err error) {
	t.mu.Lock()
	if t.state == accepted || t.state == completed || t.state == confirmed {
		err = nil // it was answered; what it waited for cannot come any more
	}
	end := t.end(err)
	t.mu.Unlock()
	call(end)
}

// end terminates; the caller holds the lock, and calls what is returned without it.
func (t *serverTx) end(err error) func() {
	if t.state == terminated {
		return nil
	}
	t.state, t.err = terminated, err
	t.resend.stop()
	t.expire.stop()
	t.req, t.last = nil, nil
	f := t.onEnd
	t.onEnd, t.onCancel = nil, nil
	t.l.mu.Lock()
	delete(t.l.servers, t.key)
	t.unmerge()
	t.l.untie(t.flow, t)
	t.l.mu.Unlock()
	if f == nil {
		return nil
	}
	return func() { f(err) }
}

// unmerge takes the request out of those whose copies are refused; the caller holds the
// layer's lock.
func (t *serverTx) unmerge() {
	if t.merge != (mergeKey{}) && t.l.merged[t.merge] == t {
		delete(t.l.merged, t.merge)
	}
}

func call(f func()) {
	if f != nil {
		f()
	}
}
