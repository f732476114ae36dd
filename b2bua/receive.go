package b2bua

import (
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// receiver is the Server as its transaction layer sees it. Its methods run on the
// goroutine that read the message, one after the other for one listener or connection,
// and only sort and post: wire order is mailbox order.
type receiver Server

func (r *receiver) HandleRequest(tx *transaction.Server) {
	s := (*Server)(r)
	req := tx.Request()
	if p := validate(req); p != nil {
		p.respond(tx, dialog.NewTag())
		return
	}
	if tag, ok := req.To().Params.Get("tag"); ok && tag != "" {
		s.inDialog(tx)
		return
	}
	switch req.Method {
	case sip.INVITE:
		s.acceptInvite(tx)
	case sip.REGISTER:
		s.register(tx)
	case sip.OPTIONS:
		s.options(tx)
	case sip.REFER:
		refuse(403, "").respond(tx, dialog.NewTag()) // we call for nobody whom we have not in a call
	case sip.MESSAGE:
		s.message(tx)
	case sip.SUBSCRIBE:
		s.subscribe(tx)
	default: // BYE, INFO… outside a dialog
		refuse(481, "").respond(tx, dialog.NewTag())
	}
}

// inDialog hands a request within a dialog to the call that owns it.
func (s *Server) inDialog(tx *transaction.Server) {
	l := s.legOf(dialog.RequestID(tx.Request()))
	if l == nil {
		s.resubscribe(tx)
		return
	}
	s.confirmUser(tx, l, func() { s.toCall(tx, l) })
}

func (s *Server) toCall(tx *transaction.Server, l *Leg) {
	tx.Watch(l.track.Load())
	switch l.deliverAs(&request{leg: l, tx: tx}, true) {
	case full:
		refuse(503, "", Header{"Retry-After", "1"}).respond(tx, "")
	case gone:
		refuse(481, "").respond(tx, "")
	}
}

func (r *receiver) HandleAck(req *sip.Request, f transport.Flow) {
	s := (*Server)(r)
	if req.To() == nil || req.From() == nil || req.CallID() == nil || req.CSeq() == nil {
		return
	}
	if l := s.legOf(dialog.RequestID(req)); l != nil {
		l.track.Load().received(req)
		l.deliver(&ackReceived{leg: l, req: req})
	}
}

// HandleStray gets 2xx responses to an INVITE whose transaction is gone: the far end has
// not heard our ACK.
func (r *receiver) HandleStray(res *sip.Response, f transport.Flow) {
	s := (*Server)(r)
	if res.To() == nil || res.From() == nil || res.CallID() == nil || res.CSeq() == nil {
		return
	}
	if l := s.legOf(dialog.ResponseID(res)); l != nil {
		l.deliver(&resentAnswer{leg: l, res: res})
	}
}

// HandleBad answers what could be parsed in part.
func (r *receiver) HandleBad(m *transport.Incoming) {
	s := (*Server)(r)
	req, ok := m.Msg.(*sip.Request)
	if !ok || req.Via() == nil {
		return
	}
	code := 400
	if errors.Is(m.Err, transport.ErrTooLarge) {
		code = 513 // RFC 3261 §21.5.7
	}
	_ = s.tx.Reply(req, m.Flow, transaction.NewResponse(req, code, Phrase(code), dialog.NewTag()))
}

func (r *receiver) HandleFlowClosed(f transport.Flow, err error) {
	s := (*Server)(r)
	s.o.Registrar.FlowClosed(f)
	s.trunks.FlowClosed(f)
	s.events.FlowClosed(f)
}

// options answers a ping outside a dialog (RFC 3261 §11.2).
func (s *Server) options(tx *transaction.Server) {
	s.identify(tx, func(_ auth.Identity, p *problem) {
		if p == nil {
			p = refuse(200, "", allowHeader(), Header{"Accept", bodies}, Header{"Supported", supported}, allowEvents())
		}
		p.respond(tx, dialog.NewTag())
	})
}

// unavailable tells the caller to come back.
func unavailable(after time.Duration) *problem {
	return refuse(503, "", Header{"Retry-After", strconv.Itoa(int(after.Seconds()))})
}

// sourceOf describes where a request came from, for log lines.
func sourceOf(f transport.Flow) slog.Attr { return slog.String("source", f.Remote().String()) }
