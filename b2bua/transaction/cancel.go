package transaction

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

// cancels answers a CANCEL, and passes it on to the INVITE it is for (RFC 3261 §9.2).
func (s *Server) cancels(target *serverTx) {
	if target == nil {
		_ = s.Respond(NewResponse(s.req, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist", newTag()))
		return
	}
	target.mu.Lock()
	if target.tag == "" {
		target.tag = newTag()
	}
	ours := target.tag // §9.2: the same as in the responses to the INVITE, where they have one
	var notify func(*sip.Request)
	if target.state == trying || target.state == proceeding {
		notify = target.onCancel
		target.onCancel = nil
	}
	if w := target.watch; w != nil {
		s.Watch(w)
	}
	target.mu.Unlock()
	_ = s.Respond(NewResponse(s.req, sip.StatusOK, "OK", ours))
	if notify != nil {
		notify(s.req)
	}
}

// Cancel gives the INVITE up (RFC 3261 §9.1): the CANCEL goes out once, as soon as there is a
// provisional response, with the given headers. A final response comes to the handler as ever,
// usually 487, perhaps a 2xx that crossed the CANCEL; without one the transaction ends with
// ErrTimeout 64*T1 after the CANCEL. Too late, it does nothing. The error is that of sending.
func (c *Client) Cancel(headers ...sip.Header) error {
	t := c.tx
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.key.method != sip.INVITE || t.cancelled {
		return nil
	}
	switch t.state {
	case trying:
		t.cancelled, t.wanted, t.headers = true, true, headers
	case proceeding:
		t.cancelled, t.headers = true, headers
		return t.sendCancel()
	}
	return nil
}

// sendCancel sends the CANCEL; the caller holds the lock.
func (t *clientTx) sendCancel() error {
	t.wanted = false
	req := t.client.req
	cancel := sip.NewRequest(sip.CANCEL, req.Recipient)
	cancel.AppendHeader(req.Via().Clone()) // §9.1: the same branch, and no other Via
	copyHeaders(cancel, req, "route")
	hops := sip.MaxForwardsHeader(70)
	cancel.AppendHeader(&hops)
	copyHeaders(cancel, req, "from")
	copyHeaders(cancel, req, "to")
	copyHeaders(cancel, req, "call-id")
	cancel.AppendHeader(&sip.CSeqHeader{SeqNo: req.CSeq().SeqNo, MethodName: sip.CANCEL})
	for _, h := range t.headers {
		cancel.AppendHeader(h)
	}
	cancel.SetBody(nil)
	t.expire.set(t.l.o.Clock, t.l.o.Timers.long(), t.l.guard(t.flow, t.expired))
	_, err := t.l.send(t.flow, cancel, ignore{}, t.watch)
	return err
}

// ignore is the handler of a CANCEL: what counts is the INVITE's own final response.
type ignore struct{}

func (ignore) HandleResponse(*Client, *sip.Response) {}
func (ignore) HandleEnd(*Client, error)              {}

// ack acknowledges an INVITE of the peer's. The ACK of a non-2xx is the transaction's; one that
// comes with the branch of an INVITE answered 2xx is the user's, as if it had its own branch.
func (t *serverTx) ack(req *sip.Request, f transport.Flow) {
	t.mu.Lock()
	state := t.state
	if state == completed || state == confirmed {
		s := seenRequest(req)
		s.Again = state == confirmed
		t.saw(s)
	}
	if old := tag(req.To().Params); state == completed && (t.tag == "" || old == "" || old == t.tag) {
		// RFC 3261 §17.2.1: timer I.
		t.state = confirmed
		t.resend.stop()
		if t.reply.Reliable() {
			end := t.end(nil)
			t.mu.Unlock()
			call(end)
			return
		}
		t.expire.set(t.l.o.Clock, t.l.o.Timers.T4, nil)
	}
	t.mu.Unlock()
	if state == accepted {
		t.l.o.Handler.HandleAck(req, f)
	}
}
