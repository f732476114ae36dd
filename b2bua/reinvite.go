package b2bua

import (
	"errors"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
)

// reinvited answers an offer within the dialog: the far end moves or holds its media.
func (l *Leg) reinvited(tx *transaction.Server) {
	switch {
	case l.state != legAnswered:
		refuse(500, "", Header{"Retry-After", "2"}).respond(tx, "") // RFC 3261 §14.2
		return
	case l.unacked:
		refuse(491, "").respond(tx, "") // RFC 3261 §14.2
		return
	}
	if p := bodyType(tx.Request()); p != nil {
		p.respond(tx, "")
		return
	}
	body, err := l.renegotiate(tx.Request().Body())
	if err != nil {
		f := mediaFailure(err)
		refuse(f.Code, f.Reason).respond(tx, "")
		return
	}
	res := transaction.NewResponse(tx.Request(), 200, "OK", "")
	res.AppendHeader(l.contact())
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	setBody(res, body)
	l.reinvite, l.unacked = tx, true
	l.call().note(l.name(), "sip", "re-INVITE answered")
	_ = tx.Respond(res)
	l.resend2xx(tx, res)
}

// renegotiate answers an offer, or makes one when there is none (RFC 3261 §14.2).
func (l *Leg) renegotiate(offer []byte) ([]byte, error) {
	if l.media == nil {
		return nil, errors.New("no media")
	}
	if len(offer) == 0 {
		l.awaitACK = true
		return l.media.Offer(), nil
	}
	return l.media.Answer(offer)
}
