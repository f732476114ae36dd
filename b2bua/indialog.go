package b2bua

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
)

// request is a request within a dialog that came from the network.
type request struct {
	leg *Leg
	tx  *transaction.Server
}

func (e *request) apply(c *Call) {
	l, req := e.leg, e.tx.Request()
	if l.state == legEnded && req.Method != sip.BYE {
		refuse(481, "").respond(e.tx, "")
		return
	}
	d := l.dialogOf(req)
	if d == nil {
		refuse(481, "").respond(e.tx, "")
		return
	}
	if err := d.Receive(req); err != nil {
		refuse(500, "Out of Order").respond(e.tx, "") // RFC 3261 §12.2.2
		return
	}
	switch req.Method {
	case sip.BYE:
		l.byeReceived(e.tx)
	case sip.INVITE:
		l.reinvited(e.tx)
	case sip.UPDATE:
		l.updated(e.tx)
	case sip.PRACK:
		l.pracked(e.tx)
	case sip.OPTIONS:
		refuse(200, "", allowHeader(), Header{"Accept", bodies}).respond(e.tx, "")
	case sip.INFO, sip.MESSAGE:
		l.passOn(e.tx)
	case sip.REFER:
		l.referred(e.tx)
	case sip.NOTIFY:
		l.notified(e.tx)
	case sip.SUBSCRIBE:
		refuse(489, "", allowEvents()).respond(e.tx, "") // RFC 6665 §4.5.2: not within a call's dialog
	default:
		refuse(405, "", allowHeader()).respond(e.tx, "")
	}
}

// dialogOf is the dialog of the leg that a request of the far end belongs to: the one that
// stands, or an early one.
func (l *Leg) dialogOf(req *sip.Request) *dialog.Dialog {
	id := dialog.RequestID(req)
	for _, d := range l.dialogs {
		if d.ID() == id {
			return d
		}
	}
	return nil
}
