package b2bua

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
)

// reinvited answers a re-INVITE: the far end moves, holds or refreshes its session.
func (l *Leg) reinvited(tx *transaction.Server) {
	if p := l.mayOffer(); p != nil {
		p.respond(tx, "")
		return
	}
	req := tx.Request()
	offer, p := description(req)
	if p != nil {
		p.respond(tx, "")
		return
	}
	refresh, p := askedRefresh(req, l.call().server.o.SessionExpires)
	if p != nil {
		p.respond(tx, "")
		return
	}
	l.dialog.Retarget(req.Contact()) // RFC 3261 §12.2.2
	if l.direct && len(offer) > 0 {
		l.carryOffer(tx, refresh, func(res *sip.Response) { l.answerReinvite(tx, res) })
		return
	}
	if d := l.carriesLines(offer); d != nil {
		l.answerOffer(tx, refresh, offer, d, func(res *sip.Response) { l.answerReinvite(tx, res) })
		return
	}
	body, err := l.renegotiate(offer)
	if err != nil {
		f := mediaFailure(err)
		refuse(f.Code, f.Reason).respond(tx, "")
		return
	}
	res := transaction.NewResponse(req, 200, "OK", "")
	res.AppendHeader(l.contact())
	l.capabilities(res)
	refresh.headers().addTo(res)
	setBody(res, body)
	l.keepFresh(refresh)
	l.answerReinvite(tx, res)
	if !l.awaitACK {
		l.directionChanged()
	}
}

func (l *Leg) answerReinvite(tx *transaction.Server, res *sip.Response) {
	l.reinvite, l.unacked = tx, true
	_ = tx.Respond(res)
	l.resend2xx(tx, res)
}

// mayOffer tells how to refuse an offer that comes at the wrong moment.
func (l *Leg) mayOffer() *problem {
	switch {
	case l.offering != nil:
		return refuse(491, "") // RFC 3261 §14.2, RFC 3311 §5.2: ours is not answered yet
	case l.carrying:
		return refuse(500, "", Header{"Retry-After", "2"}) // theirs is not answered yet
	case l.state != legAnswered:
		return refuse(500, "", Header{"Retry-After", "2"}) // RFC 3261 §14.2: the first INVITE is not answered
	case l.unacked && l.awaitACK:
		return refuse(491, "") // our offer is in the 2xx that has no ACK yet
	}
	return nil
}

// renegotiate answers an offer, or makes one when there is none (RFC 3261 §14.2).
func (l *Leg) renegotiate(offer []byte) ([]byte, error) {
	if l.direct { // asked for an offer: what the other phone said last
		l.awaitACK = true
		l.answerTo = func(answer []byte) error {
			if other := l.call().partner(l); other != nil && !sameMedia(answer, l.theirs) {
				other.offerRaw(other.retitle(answer), nil)
			}
			l.theirs = answer
			return nil
		}
		if other := l.call().partner(l); other != nil {
			return l.retitle(other.theirs), nil
		}
		return l.described, nil
	}
	if l.media == nil {
		return nil, errors.New("no media")
	}
	if len(offer) == 0 {
		l.awaitACK = true
		return l.media.Offer(), nil
	}
	return l.media.Answer(offer)
}

// offering is an offer of ours within the dialog that has no answer yet.
type offering struct {
	l     *Leg
	req   *sip.Request
	again int                       // how often it met 491
	body  func() []byte             // the offer
	take  func(answer []byte) error // takes the answer
	done  func(err error)           // may be nil
}

// reoffer sends the session description anew, by re-INVITE; one at a time.
func (l *Leg) reoffer(done func(error)) {
	if l.media == nil {
		if done != nil {
			done(ErrState)
		}
		return
	}
	l.offerAgain(&offering{l: l, body: l.media.Offer, take: l.media.SetAnswer, done: done})
}

// offerAgain sends an offer now, or when the exchange under way is over.
func (l *Leg) offerAgain(o *offering) {
	if l.state != legAnswered {
		if o.done != nil {
			o.done(ErrState)
		}
		return
	}
	if l.offering != nil || l.unacked {
		l.toOffer = o // only the last wish counts
		return
	}
	o.send()
}

func (o *offering) send() {
	l := o.l
	l.offering = o
	o.req = l.dialog.Request(sip.INVITE)
	l.capabilities(o.req)
	l.refreshOffer(o.req)
	setBody(o.req, o.body())
	l.reoffered = o.req
	l.request(o.req, o)
}

// resent: the re-INVITE was challenged, and goes again with credentials.
func (o *offering) resent(req *sip.Request) { o.req, o.l.reoffered = req, req }

// HandleResponse and HandleEnd run on the goroutine that reads; they post.
func (o *offering) HandleResponse(_ *transaction.Client, res *sip.Response) {
	o.l.post(func(*Call) { o.response(res) })
}

func (o *offering) HandleEnd(_ *transaction.Client, err error) {
	o.l.post(func(*Call) {
		if err != nil {
			o.failed(408)
		}
	})
}

func (o *offering) response(res *sip.Response) {
	l := o.l
	switch {
	case res.StatusCode < 200:
	case res.StatusCode < 300:
		l.dialog.Update(res)
		l.acknowledge(l.dialog, o.req.CSeq().SeqNo)
		if l.offering != o {
			return // the 2xx was resent: our ACK was lost
		}
		err := o.take(session(res))
		l.refreshed(res)
		o.end(err)
	case l.offering == o:
		o.failed(res.StatusCode)
	}
}

// failed: RFC 3261 §14.1: the session stays as it was; 408 and 481 end the dialog.
func (o *offering) failed(code int) {
	l := o.l
	if l.offering != o {
		return
	}
	if code == 491 && o.again < 5 && l.state == legAnswered {
		l.offering = nil
		o.again++
		l.glare = l.after(l.backOff(), func() {
			if l.state == legAnswered && l.offering == nil {
				o.send()
			}
		})
		return
	}
	o.end(failure(code, ""))
	if (code == 408 || code == 481) && l.state == legAnswered {
		l.by = BySystem
		if l == l.call().caller {
			l.call().released(BySystem)
		}
		l.hangup(0)
	}
}

// backOff: RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other up to 2 s,
// in steps of 10 ms, so that the two do not meet again.
func (l *Leg) backOff() time.Duration {
	if !l.inbound() {
		return time.Duration(210+rand.IntN(191)) * 10 * time.Millisecond
	}
	return time.Duration(rand.IntN(201)) * 10 * time.Millisecond
}

func (o *offering) end(err error) {
	l := o.l
	l.offering = nil
	if err != nil {
		l.call().log.Info("re-INVITE without success", "leg", l.name(), "err", err)
	}
	if o.done != nil {
		o.done(err)
	}
	l.nextOffer()
}

// nextOffer sends what had to wait.
func (l *Leg) nextOffer() {
	if o := l.toOffer; o != nil && l.offering == nil && !l.unacked && l.state == legAnswered {
		l.toOffer = nil
		o.send()
	}
}

// capabilities tells the far end what we can do (RFC 3261 §13.2.1).
func (l *Leg) capabilities(m interface{ AppendHeader(sip.Header) }) {
	m.AppendHeader(sip.NewHeader("Allow", allowed))
	m.AppendHeader(sip.NewHeader("Supported", supported))
}
