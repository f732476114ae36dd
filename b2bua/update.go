package b2bua

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
)

// updated answers UPDATE (RFC 3311 §5.2): an offer, before or after the answer to the
// INVITE, or no more than a sign of life.
func (l *Leg) updated(tx *transaction.Server) {
	req := tx.Request()
	offer, p := description(req)
	if p != nil {
		p.respond(tx, "")
		return
	}
	refresh, p := askedRefresh(req, l.call().server.o.SessionExpires)
	if p == nil && len(offer) > 0 {
		p = l.mayUpdate()
	}
	if p != nil {
		p.respond(tx, "")
		return
	}
	l.dialog.Retarget(req.Contact())
	var body []byte
	if l.direct && len(offer) > 0 {
		l.carryOffer(tx, refresh, func(res *sip.Response) { _ = tx.Respond(res) })
		return
	}
	if d := l.carriesLines(offer); d != nil {
		l.answerOffer(tx, refresh, offer, d, func(res *sip.Response) { _ = tx.Respond(res) })
		return
	}
	if len(offer) > 0 {
		answer, err := l.media.Answer(offer)
		if err != nil {
			f := mediaFailure(err)
			refuse(f.Code, f.Reason).respond(tx, "")
			return
		}
		body = answer
	}
	res := transaction.NewResponse(req, 200, "OK", "")
	res.AppendHeader(l.contact())
	l.capabilities(res)
	refresh.headers().addTo(res)
	setBody(res, body)
	l.keepFresh(refresh)
	_ = tx.Respond(res)
	if len(body) > 0 {
		l.directionChanged()
	}
}

// mayUpdate: RFC 3311 §5.2: 491 when our offer is open, 500 when theirs is.
func (l *Leg) mayUpdate() *problem {
	switch {
	case l.offering != nil || l.unacked && l.awaitACK:
		return refuse(491, "")
	case l.carrying:
		return refuse(500, "", Header{"Retry-After", "2"})
	case l.direct && l.state == legAnswered:
		return nil
	case l.direct:
		return refuse(491, "") // the INVITE's offer has no answer yet
	case !l.inbound() && l.state != legAnswered && !l.media.Negotiated():
		return refuse(491, "") // the INVITE's offer is ours
	case l.media == nil || !l.media.Negotiated():
		return refuse(500, "", Header{"Retry-After", "2"})
	}
	return nil
}
