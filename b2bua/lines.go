package b2bua

import (
	"errors"
	"slices"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/media"
	"tandem/media/sdp"
)

// Streams beside the audio, video and faxes by T.38, are offered to the other leg as they
// are, with ports of ours, and relayed untouched.

// line is a leg's end of such a stream; other is that of the leg it is relayed to.
type line struct {
	leg    *Leg
	place  int // in the leg's descriptions
	end    *media.Line
	other  *line
	joined bool // both legs have it
}

// lineTo is the stream at a place of l's descriptions that goes to other; nil if none does.
func (l *Leg) lineTo(other *Leg, place int) *line {
	for _, x := range l.lines {
		if x.place == place && x.other.leg == other {
			return x
		}
	}
	return nil
}

// openLine makes both ends of a stream.
func (l *Leg) openLine(m *sdp.Media, place int, other *Leg, otherPlace int) (*line, error) {
	engine := l.call().server.o.Media
	mine, err := engine.OpenLine(l.mediaOptions(), m)
	if err != nil {
		return nil, err
	}
	far, err := engine.OpenLine(other.mediaOptions(), m)
	if err != nil {
		mine.Close()
		return nil, err
	}
	x := &line{leg: l, place: place, end: mine}
	x.other = &line{leg: other, place: otherPlace, end: far, other: x}
	l.lines = append(l.lines, x)
	other.lines = append(other.lines, x.other)
	return x, nil
}

// close gives the ports of both ends back.
func (x *line) close() {
	for _, e := range []*line{x, x.other} {
		e.end.Close()
		e.leg.lines = slices.DeleteFunc(e.leg.lines, func(o *line) bool { return o == e })
		if e.joined && e.leg.media != nil {
			e.leg.media.DropBeside(e.place)
		}
	}
}

// keepLines closes the streams that go elsewhere than to other, and tells whether the far
// end has to hear of it.
func (l *Leg) keepLines(other *Leg) (dropped bool) {
	for _, x := range slices.Clone(l.lines) {
		if x.other.leg != other {
			dropped = dropped || x.joined
			x.close()
		}
	}
	return dropped
}

// mayRelay tells whether a stream may go to other as it is: never in the clear where a leg
// must be encrypted.
func (l *Leg) mayRelay(other *Leg, m *sdp.Media) bool {
	return media.Relayable(m) && l.encryption() != media.EncryptAlways && other.encryption() != media.EncryptAlways
}

// offerLines puts the streams of from's offer into the next offer to l; undo takes them out.
func (l *Leg) offerLines(from *Leg, offer *sdp.Session) (undo func()) {
	var opened []*line
	shown := map[int]sdp.Media{}
	i, _ := offer.Find(func(m *sdp.Media) bool { return m.Type == "audio" })
	audio, next := l.media.Places()
	for place := range offer.Media {
		m := &offer.Media[place]
		if !l.mayRelay(from, m) {
			continue
		}
		x := from.lineTo(l, place)
		if x == nil {
			at := next
			if i < 0 && from.media != nil && place == from.audioPlace() {
				at = audio // the fax takes the place of the audio
			}
			var err error
			if x, err = from.openLine(m, place, l, at); err != nil {
				l.call().log.Warn("a stream is refused", "leg", from.name(), "type", m.Type, "err", err)
				continue
			}
			opened = append(opened, x)
		}
		if err := x.end.Take(offer, m); err != nil {
			l.call().log.Info("a stream is refused", "leg", from.name(), "type", m.Type, "err", err)
			if !x.joined {
				x.close()
			}
			continue
		}
		shown[x.other.place] = x.other.end.Shown(m)
		next = max(next, x.other.place+1)
	}
	back := l.media.Beside(shown, i >= 0 || len(shown) == 0)
	return func() {
		back()
		for _, x := range opened {
			x.close()
		}
	}
}

func (l *Leg) audioPlace() int {
	place, _ := l.media.Places()
	return place
}

// answerLines takes what l has answered about the streams of from's offer, and has from's
// answer say so.
func (l *Leg) answerLines(from *Leg, offer *sdp.Session, body []byte) {
	answer, err := sdp.Parse(body)
	if err != nil {
		answer = &sdp.Session{}
	}
	shown := map[int]sdp.Media{}
	for _, x := range slices.Clone(from.lines) {
		if x.other.leg != l {
			continue
		}
		m := x.accepted(offer, answer)
		if m == nil {
			x.close()
			continue
		}
		shown[x.place] = x.end.Shown(m)
		if !x.joined {
			l.call().note(l.name(), "media", m.Type+" relayed")
		}
		x.joined, x.other.joined = true, true
	}
	from.media.Beside(shown, !l.media.Muted() || len(shown) == 0)
}

// accepted is how the other side describes a stream that both have and that is relayed from
// now on; nil if it is over.
func (x *line) accepted(offer, answer *sdp.Session) *sdp.Media {
	if x.place >= len(offer.Media) || x.other.place >= len(answer.Media) {
		return nil
	}
	theirs, m := &offer.Media[x.place], &answer.Media[x.other.place]
	if !media.Relayable(theirs) || !media.Relayable(m) || m.Type != theirs.Type {
		return nil
	}
	err := x.other.end.Take(answer, m)
	if err == nil {
		err = media.JoinLines(x.end, x.other.end)
	}
	if err != nil {
		x.leg.call().log.Info("a stream is not relayed", "leg", x.other.leg.name(), "type", m.Type, "err", err)
		return nil
	}
	return m
}

// inviteLines offers the streams of an unanswered caller to the leg that is to be joined
// with it.
func (l *Leg) inviteLines() {
	caller := l.call().caller
	if !l.dialling.bridge || caller.state == legAnswered || caller.described != nil || len(caller.offer) == 0 {
		return
	}
	if offer, err := sdp.Parse(caller.offer); err == nil && len(offer.Media) > 1 {
		l.offerLines(caller, offer)
	}
}

// showLines lets the caller's answer have the streams that the leg it is to hear has taken.
func (l *Leg) showLines() {
	from := l.linesOf
	if from == nil || len(from.lines) == 0 || from.media == nil {
		return
	}
	if offer, err := sdp.Parse(l.offer); err == nil {
		from.answerLines(l, offer, from.theirs)
	}
}

// carriesLines reads an offer within the dialog that concerns the other leg, too: it has, or
// ends, streams beside the audio. nil if it does not.
func (l *Leg) carriesLines(body []byte) *sdp.Session {
	other := l.call().partner(l)
	if len(body) == 0 || l.state != legAnswered || l.direct || other == nil || l.media == nil || other.media == nil {
		return nil
	}
	offer, err := sdp.Parse(body)
	if err != nil {
		return nil
	}
	if len(l.lines) > 0 || slices.ContainsFunc(offer.Media, func(m sdp.Media) bool { return l.mayRelay(other, &m) }) {
		return offer
	}
	return nil
}

// carryLines passes such an offer on to the other leg and what that answers back.
func (l *Leg) carryLines(offer *sdp.Session, answer func(refusal *Failure)) {
	other := l.call().partner(l)
	if other.offering != nil || other.unacked || other.carrying {
		answer(failure(491, ""))
		return
	}
	l.carrying = true
	undo := other.offerLines(l, offer)
	var body []byte
	take := func(theirs []byte) error {
		body = theirs
		if err := other.media.SetAnswer(theirs); err != nil || !other.media.Muted() {
			return err
		}
		if d, err := sdp.Parse(theirs); err != nil || !slices.ContainsFunc(d.Media, func(m sdp.Media) bool { return m.Port != 0 }) {
			return errors.New("every stream is refused")
		}
		return nil
	}
	other.offerAgain(&offering{l: other, body: other.media.Offer, take: take, done: func(err error) {
		l.carrying = false
		switch {
		case l.state != legAnswered:
			answer(failure(487, ""))
		case err != nil:
			undo()
			if body != nil {
				other.reoffer(nil) // it has answered, and must hear that all is as before
			}
			answer(failure(488, ""))
		default:
			other.answerLines(l, offer, body)
			l.call().note(l.name(), "sip", "offer carried to the other side")
			answer(nil)
		}
	}})
}

// answerOffer answers an offer within the dialog once it has been carried to the other leg.
func (l *Leg) answerOffer(tx *transaction.Server, r refresh, body []byte, offer *sdp.Session, send func(res *sip.Response)) {
	l.carryLines(offer, func(refusal *Failure) {
		var mine []byte
		if refusal == nil {
			var err error
			if mine, err = l.media.Answer(body); err != nil {
				refusal = mediaFailure(err)
			}
		}
		if refusal != nil {
			refuse(refusal.Code, refusal.Reason).respond(tx, "")
			return
		}
		res := transaction.NewResponse(tx.Request(), 200, "OK", "")
		res.AppendHeader(l.contact())
		l.capabilities(res)
		r.headers().addTo(res)
		setBody(res, mine)
		l.keepFresh(r)
		send(res)
		if !l.media.Muted() {
			l.directionChanged()
		}
	})
}
