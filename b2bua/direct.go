package b2bua

import (
	"bytes"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
)

// Direct media: session descriptions are passed from one leg to the other, RTP goes
// straight between the phones and never touches us. So there is nothing to play, hear or
// record while it lasts.

// retitle makes a description of the other side one of ours on this leg: its origin line
// stays that of the leg, with a version that grows (RFC 3264 §8).
func (l *Leg) retitle(body []byte) []byte {
	if len(body) == 0 {
		return nil
	}
	if l.title == "" {
		l.title = "- " + newNumber() + " "
	}
	l.titleVersion++
	lines := bytes.SplitAfter(body, []byte("\n"))
	for i, line := range lines {
		if !bytes.HasPrefix(line, []byte("o=")) {
			continue
		}
		f := bytes.Fields(line[2:])
		if len(f) == 6 {
			lines[i] = fmt.Appendf(nil, "o=%s%d %s %s %s\r\n", l.title, l.titleVersion, f[3], f[4], f[5])
		}
		break
	}
	return bytes.Join(lines, nil)
}

// directly reports whether this attempt is to leave media to the two phones: not where the
// caller wants its session private, whose media then come from us (RFC 3323 §4.2).
func (d *dialling) directly() bool {
	return d != nil && d.bridge && d.opts.Direct && !privacyOf(d.c.invite).session
}

// progressWith passes early media's description on to the caller.
func (l *Leg) progressWith(theirs []byte) {
	if l.state == legAnswered || l.state == legEnded || len(l.offer) == 0 {
		return
	}
	l.described = l.retitle(theirs)
	l.enter(legEarly)
	c := l.call()
	c.state.Store(StateRinging)
	c.ringing(c.clock.Now())
	l.respond(183, l.described, nil)
}

// connectDirect tells the caller where the callee l listens: in the answer to its INVITE,
// or by a re-INVITE when it has been talking to us. failed runs if it will not.
func (c *Call) connectDirect(l *Leg, failed func(error)) error {
	a := c.caller
	a.direct = true
	if a.state != legAnswered {
		a.described = a.retitle(l.theirs)
		if len(a.offer) == 0 {
			a.awaitACK = true
			a.answerTo = func(body []byte) error {
				a.theirs = body
				l.acknowledgeWith(l.retitle(body))
				return nil
			}
		}
		return c.answer(nil)
	}
	a.closeMedia()
	a.media = nil
	a.offerRaw(a.retitle(l.theirs), func(answer []byte, err error) {
		if err != nil {
			failed(err)
			return
		}
		if !sameMedia(answer, a.theirs) && l.state == legAnswered {
			l.offerRaw(l.retitle(answer), nil)
		}
		a.theirs = answer
	})
	return nil
}

// sameMedia compares two descriptions apart from their origin.
func sameMedia(a, b []byte) bool {
	return bytes.Equal(withoutOrigin(a), withoutOrigin(b))
}

func withoutOrigin(b []byte) []byte {
	lines := bytes.Split(b, []byte("\n"))
	for i, line := range lines {
		if bytes.HasPrefix(line, []byte("o=")) {
			return bytes.Join(append(lines[:i:i], lines[i+1:]...), []byte("\n"))
		}
	}
	return b
}

// offerRaw sends a description by re-INVITE; done gets the far end's answer.
func (l *Leg) offerRaw(body []byte, done func(answer []byte, err error)) {
	l.offerAgain(&offering{l: l,
		body: func() []byte { return body },
		take: func(answer []byte) error {
			if done != nil {
				done(answer, nil)
			}
			return nil
		},
		done: func(err error) {
			if err != nil && done != nil {
				done(nil, err)
			}
		}})
}

// carryOffer passes an offer within the dialog to the other phone and its answer back.
func (l *Leg) carryOffer(tx *transaction.Server, r refresh, send func(res *sip.Response)) {
	other := l.call().partner(l)
	if other == nil || other.offering != nil || other.unacked {
		refuse(491, "").respond(tx, "")
		return
	}
	offer := session(tx.Request())
	l.carrying = true
	other.offerRaw(other.retitle(offer), func(answer []byte, err error) {
		l.carrying = false
		if l.state != legAnswered {
			refuse(487, "").respond(tx, "")
			return
		}
		if err != nil {
			f := failure(488, "")
			refuse(f.Code, f.Reason).respond(tx, "")
			return
		}
		l.theirs, other.theirs = offer, answer
		res := transaction.NewResponse(tx.Request(), 200, "OK", "")
		res.AppendHeader(l.contact())
		l.capabilities(res)
		r.headers().addTo(res)
		setBody(res, l.retitle(answer))
		l.keepFresh(r)
		l.call().note(l.name(), "sip", "offer carried to the other side")
		send(res)
	})
}

// reclaim brings a leg's media back to us when direct media are over.
func (l *Leg) reclaim() error {
	if !l.direct {
		return nil
	}
	l.direct = false
	l.described = nil
	if err := l.openMedia(); err != nil {
		return err
	}
	l.reoffer(nil)
	return nil
}

// acknowledgeWith sends the ACK that waited for the caller's answer to the callee's offer.
func (l *Leg) acknowledgeWith(body []byte) {
	if !l.ackWaits {
		return
	}
	l.ackWaits = false
	l.lateAnswer = body
	l.acknowledge(l.dialog, l.ours.CSeq().SeqNo)
}
