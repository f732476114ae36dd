package b2bua

import (
	"context"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
)

// Hangup ends this leg: BYE, or CANCEL while it rings.
func (l *Leg) Hangup(ctx context.Context) error {
	c := l.home
	if l == c.first {
		return c.Hangup(ctx, 0)
	}
	return c.command(ctx, func(o *op) {
		c.finish(o, nil, nil)
		l := l.now()
		if l.state != legEnded {
			l.by = ByScript
			l.hangup(0)
		}
	})
}

// hangup ends the leg from our side; cause is a Q.850 cause or 0.
func (l *Leg) hangup(cause int) {
	switch {
	case l.state == legEnded:
	case l.state != legAnswered && l.inbound():
		l.refuse(causeFailure(cause), nil)
	case l.state != legAnswered:
		l.cancel("")
	case l.unacked:
		// RFC 3261 §15: the callee must not send BYE before the ACK of its 2xx.
		l.byeLater = cause
		l.ended(200, "OK")
	default:
		l.sendBye(cause)
		l.ended(200, "OK")
	}
}

func (l *Leg) sendBye(cause int) {
	req := l.dialog.Request(sip.BYE)
	if h, ok := l.reason(cause); ok {
		req.AppendHeader(h)
	}
	l.request(req, ignore{})
}

// cancel gives up an INVITE of ours. The leg is over for the call; a 2xx that crosses the
// CANCEL is acknowledged and ended when it comes.
func (l *Leg) cancel(reason string) {
	if l.client != nil && l.inviting {
		var hs []sip.Header
		if reason != "" {
			hs = append(hs, sip.NewHeader("Reason", reason))
		} else if h, ok := l.reason(0); ok {
			hs = append(hs, h)
		}
		_ = l.client.Cancel(hs...)
	}
	l.ended(487, Phrase(487))
}

// byeReceived ends the leg from the far side (RFC 3261 §15.1.2).
func (l *Leg) byeReceived(tx *transaction.Server) {
	c := l.call()
	refuse(200, "").respond(tx, "")
	l.explained(tx.Request())
	l.by = ByCallee
	if l == c.caller {
		l.by = ByCaller
		c.released(ByCaller)
	}
	if l.inbound() && l.state != legAnswered { // RFC 3261 §15: a caller may send BYE on an early dialog
		l.refuse(failure(487, ""), nil)
		return
	}
	if l.leaving != nil {
		l.leaving.Stop()
		l.leaving = nil
	}
	l.unacked = false // a BYE also tells that our 2xx was heard
	l.ended(200, "OK")
}

// ignore is for requests whose outcome changes nothing.
type ignore struct{}

func (ignore) HandleResponse(*transaction.Client, *sip.Response) {}
func (ignore) HandleEnd(*transaction.Client, error)              {}
