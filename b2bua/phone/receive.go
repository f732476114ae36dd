package phone

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// handler takes what the transaction layer hands up.
type handler Phone

func (h *handler) HandleRequest(tx *transaction.Server) {
	p, req := (*Phone)(h), tx.Request()
	id := dialog.RequestID(req)
	switch {
	case id.LocalTag != "":
		c := p.find(callKey{id.CallID, id.LocalTag})
		if c == nil && req.Method == sip.NOTIFY && p.subscribed(callKey{id.CallID, id.LocalTag}) {
			p.answerPlain(nil, tx, "")
			return
		}
		if c == nil {
			respond(tx, 481, "")
			return
		}
		c.received(tx)
	case req.Method == sip.INVITE:
		p.invited(tx)
	case req.Method == sip.OPTIONS, req.Method == sip.MESSAGE, req.Method == sip.NOTIFY:
		p.answerPlain(nil, tx, dialog.NewTag())
	default:
		respond(tx, 405, dialog.NewTag(), sip.NewHeader("Allow", allow))
	}
}

func (h *handler) HandleAck(req *sip.Request, _ transport.Flow) {
	id := dialog.RequestID(req)
	if c := (*Phone)(h).find(callKey{id.CallID, id.LocalTag}); c != nil {
		c.acked(req)
	}
}

func (h *handler) HandleStray(res *sip.Response, _ transport.Flow) {
	id := dialog.ResponseID(res)
	if c := (*Phone)(h).find(callKey{id.CallID, id.LocalTag}); c != nil {
		c.strayed(res, id)
	}
}

// strayed takes a 2xx whose transaction is over: the ACK to it was lost, or it
// comes from one more fork.
func (c *Call) strayed(res *sip.Response, id dialog.ID) {
	c.mu.Lock()
	d, seq := c.dialog, res.CSeq().SeqNo
	if first := c.invite.CSeq(); !c.incoming && first.SeqNo == seq {
		c.mu.Unlock()
		c.accepted(res)
		return
	}
	if d == nil || d.ID() != id {
		c.mu.Unlock()
		return
	}
	ack := d.Ack(seq)
	c.mu.Unlock()
	c.sendAck(d, ack)
}

func (h *handler) HandleBad(*transport.Incoming) {}

// HandleFlowClosed leaves calls alone: the next request opens a new connection.
func (h *handler) HandleFlowClosed(transport.Flow, error) {}

// received takes a request within the call's dialog.
func (c *Call) received(tx *transaction.Server) {
	req := tx.Request()
	c.mu.Lock()
	d := c.dialogOf(req)
	if d == nil || c.state == Ended && req.Method != sip.BYE {
		c.mu.Unlock()
		respond(tx, 481, "")
		return
	}
	if err := d.Receive(req); err != nil {
		c.mu.Unlock()
		respond(tx, 500, "")
		return
	}
	c.mu.Unlock()
	switch req.Method {
	case sip.BYE:
		respond(tx, 200, "")
		c.finish(End{By: "remote"})
	case sip.INVITE:
		c.reinvited(tx, d)
	case sip.UPDATE:
		c.updated(tx, d)
	case sip.OPTIONS, sip.INFO, sip.MESSAGE, sip.NOTIFY, sip.REFER:
		c.phone.answerPlain(c, tx, "")
	default:
		respond(tx, 405, "", sip.NewHeader("Allow", allow))
	}
}

// dialogOf is the dialog that a request of the peer belongs to; mu is held.
func (c *Call) dialogOf(req *sip.Request) *dialog.Dialog {
	id := dialog.RequestID(req)
	if c.dialog != nil && c.dialog.ID() == id {
		return c.dialog
	}
	if f := c.forks[id.RemoteTag]; f != nil {
		return f.dialog
	}
	return nil
}

// answerPlain answers a request that changes nothing here, as OnRequest wants or with 200.
func (p *Phone) answerPlain(c *Call, tx *transaction.Server, tag string) {
	code := 0
	if p.o.OnRequest != nil {
		code = p.o.OnRequest(c, tx.Request())
	}
	switch {
	case code != 0:
		respond(tx, code, tag)
	case tx.Request().Method == sip.OPTIONS:
		respond(tx, 200, tag, sip.NewHeader("Allow", allow), sip.NewHeader("Accept", sdpType))
	case tx.Request().Method == sip.REFER:
		respond(tx, 603, tag) // only a test that watches for it can mean us to follow
	default:
		respond(tx, 200, tag)
	}
}
