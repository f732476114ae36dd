package transaction

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

// receive steps the transaction by a response.
func (t *clientTx) receive(res *sip.Response, f transport.Flow) {
	stray := false
	t.mu.Lock()
	t.sawResponse(res)
	switch {
	case t.state == trying || t.state == proceeding:
		t.tell(res)
		if t.invite() {
			t.stepInvite(res)
		} else {
			t.stepOther(res)
		}
	case t.state == accepted && res.IsSuccess():
		t.tell(res)
	case t.state == completed && t.invite() && res.IsSuccess():
		// RFC 3261 §16.7: a proxy forwards the 2xx of a late fork even after a final failure.
		stray = true
	case t.state == completed && t.invite() && res.StatusCode >= 300:
		// Our ACK was lost (RFC 3261 §17.1.1.2).
		t.saw(Seen{Sent: true, Again: true, Method: sip.ACK, Seq: seenResponse(res).Seq})
		if err := t.flow.Write(t.out); err != nil {
			t.finish(nil)
		}
	}
	t.mu.Unlock()
	t.deliver()
	if stray {
		t.l.o.Handler.HandleStray(res, f)
	}
}

// sawResponse tells the watcher of a response, which may be a repetition; the caller holds the lock.
func (t *clientTx) sawResponse(res *sip.Response) {
	s := seenResponse(res)
	switch {
	case t.watch == nil || t.state == terminated:
		return
	case t.state == accepted && res.IsSuccess():
		s.Again = res.To() != nil && tag(res.To().Params) == t.answered // another tag is another fork
	case t.state == completed:
		s.Again = !t.invite() || !res.IsSuccess()
	case res.IsSuccess() && res.To() != nil:
		t.answered = tag(res.To().Params)
	}
	t.watch.Seen(s)
}

func (t *clientTx) tell(res *sip.Response) {
	if h, c := t.handler, t.client; h != nil {
		t.events = append(t.events, func() { h.HandleResponse(c, res) })
	}
}

// stepInvite is RFC 3261 §17.1.1.2 as RFC 6026 §8.4 corrects it.
func (t *clientTx) stepInvite(res *sip.Response) {
	first := t.state == trying
	switch {
	case res.IsProvisional():
		t.state = proceeding
		if first {
			t.resend.stop()
			t.expire.stop()
			if t.wanted {
				_ = t.sendCancel() // if it fails, so does its timer or the connection
			}
		}
	case res.IsSuccess():
		t.state = accepted
		t.resend.stop()
		t.out = nil
		t.expire.set(t.l.o.Clock, t.l.o.Timers.long(), t.l.guard(t.flow, t.expired)) // timer M
	default:
		t.state = completed
		t.resend.stop()
		ack := t.ackOf(res)
		t.out = transport.Encode(ack)
		t.saw(seenRequest(ack).sent())
		err := t.flow.Write(t.out)
		t.tellEnd(nil)
		t.client = nil
		if err != nil || t.flow.Reliable() {
			t.end() // timer D is zero
			return
		}
		t.expire.set(t.l.o.Clock, t.l.o.Timers.D, t.l.guard(t.flow, t.expired))
	}
}

// stepOther is RFC 3261 §17.1.2.2.
func (t *clientTx) stepOther(res *sip.Response) {
	if res.IsProvisional() {
		t.state = proceeding
		return
	}
	t.state = completed
	t.resend.stop()
	t.tellEnd(nil)
	t.client, t.out = nil, nil
	if t.flow.Reliable() {
		t.end() // timer K is zero
		return
	}
	t.expire.set(t.l.o.Clock, t.l.o.Timers.T4, t.l.guard(t.flow, t.expired))
}

// ackOf is the ACK of a final response other than 2xx (RFC 3261 §17.1.1.3).
func (t *clientTx) ackOf(res *sip.Response) *sip.Request {
	req := t.client.req
	ack := sip.NewRequest(sip.ACK, req.Recipient)
	ack.AppendHeader(req.Via().Clone())
	copyHeaders(ack, req, "route")
	hops := sip.MaxForwardsHeader(70)
	ack.AppendHeader(&hops)
	copyHeaders(ack, req, "from")
	copyHeaders(ack, res, "to")
	copyHeaders(ack, req, "call-id")
	ack.AppendHeader(&sip.CSeqHeader{SeqNo: req.CSeq().SeqNo, MethodName: sip.ACK})
	ack.SetBody(nil)
	return ack
}
