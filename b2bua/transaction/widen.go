package transaction

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

// widen sends a request that is too large for a datagram, over the stream that was found for it
// or, where there is none, as a datagram after all (RFC 3261 §18.1.1).
func (t *clientTx) widen(f transport.Flow) {
	t.mu.Lock()
	if t.state == trying {
		t.turn(f)
		err := t.transmit()
		if err != nil && f != t.given {
			t.turn(t.given)
			err = t.transmit()
		}
		if err != nil {
			t.finish(err)
		}
	}
	t.mu.Unlock()
	t.deliver()
}

// back sends the request as a datagram when the stream that was found for it has died before
// anything was answered; false when that is no way. The branch stays: should the peer have read
// the request after all, it knows this one for the same. The caller holds the lock.
func (t *clientTx) back() bool {
	if t.flow == t.given {
		return false
	}
	t.l.transport.Narrow(t.given)
	t.turn(t.given)
	return t.transmit() == nil
}

// turn makes f the way of the request, with a Via that says so; the caller holds the lock.
func (t *clientTx) turn(f transport.Flow) {
	if f == t.flow {
		return
	}
	t.l.mu.Lock()
	t.l.untie(t.flow, t)
	t.l.tie(f, t)
	t.l.mu.Unlock()
	t.flow = f
	// Others may be reading the request as it was.
	req := reroute(t.client.req, f)
	t.client.req, t.out = req, transport.Encode(req)
}

// reroute is req with our Via for another flow.
func reroute(req *sip.Request, f transport.Flow) *sip.Request {
	branch, _ := req.Via().Params.Get("branch")
	req = req.Clone()
	req.RemoveHeader("Via")
	req.PrependHeader(newVia(f, branch))
	return req
}

// SendAck sends the ACK of a 2xx, which is no transaction (RFC 3261 §13.2.2.4), with a Via of
// its own. To send the same once more, keep its encoded form and Flow.Write it.
func (l *Layer) SendAck(f transport.Flow, ack *sip.Request) error {
	if ack.Via() == nil {
		ack.PrependHeader(newVia(f, newBranch()))
	}
	b := transport.Encode(ack)
	if len(b) <= transport.MaxDatagram || !f.Widens() {
		return f.Write(b)
	}
	l.transport.Widen(f, func(g transport.Flow) {
		if g != f {
			b = transport.Encode(reroute(ack, g))
		}
		_ = g.Write(b) // the peer resends its 2xx when no ACK comes
	})
	return nil
}
