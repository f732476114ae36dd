package b2bua

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/media"
)

// Ring sends 180. It does not take the call.
func (c *Call) Ring(ctx context.Context) error {
	return c.command(ctx, func(o *op) { c.finish(o, nil, c.caller.ring(180)) })
}

// Progress sends 183 with early media and plays srcs, returning when they have ended. It
// does not take the call.
func (c *Call) Progress(ctx context.Context, srcs []media.Source) error {
	_, err := await[string](ctx, c, c.first, func(o *op) {
		if err := c.caller.progress(); err != nil || len(srcs) == 0 {
			c.finish(o, "", err)
			return
		}
		c.caller.play(o, srcs, PlayOptions{})
	})
	return err
}

// Answer answers with 200. Answering an answered call does nothing.
func (c *Call) Answer(ctx context.Context, h Headers) error {
	if err := h.Check(); err != nil {
		return err
	}
	return c.command(ctx, func(o *op) {
		c.taken.Store(true)
		c.finish(o, nil, c.answer(h))
	})
}

// Reject refuses an unanswered call; code is 300 to 699, reason "" for the standard one.
func (c *Call) Reject(ctx context.Context, code int, reason string, h Headers) error {
	if code < 300 || code > 699 {
		return fmt.Errorf("reject: %d is not a code from 300 to 699", code)
	}
	if strings.ContainsAny(reason, "\r\n") {
		return fmt.Errorf("reject: the reason has a line break")
	}
	if err := h.Check(); err != nil {
		return err
	}
	return c.command(ctx, func(o *op) {
		c.taken.Store(true)
		if c.caller.state == legAnswered {
			c.finish(o, nil, ErrState)
			return
		}
		c.released(ByScript)
		c.finish(o, nil, nil) // before the end of the leg makes it ErrHangup
		c.caller.refuse(failure(code, reason), h)
	})
}

// Redirect answers 302 with uris as the contacts to try, best first.
func (c *Call) Redirect(ctx context.Context, uris []string) error {
	var contacts []sip.Header
	for _, u := range uris {
		var uri sip.Uri
		if err := sip.ParseUri(u, &uri); err != nil || strings.ContainsAny(u, "\r\n<>") {
			return fmt.Errorf("redirect: %q is not a SIP URI", u)
		}
		contacts = append(contacts, &sip.ContactHeader{Address: uri})
	}
	if len(contacts) == 0 {
		return fmt.Errorf("redirect: no URI given")
	}
	return c.command(ctx, func(o *op) {
		c.taken.Store(true)
		if c.caller.state == legAnswered {
			c.finish(o, nil, ErrState)
			return
		}
		c.released(ByScript)
		c.finish(o, nil, nil)
		c.caller.refuseWith(failure(302, ""), contacts)
	})
}

// Hangup ends the call: BYE when it is answered, else a final response. cause is a Q.850
// cause to tell the far end, or 0.
func (c *Call) Hangup(ctx context.Context, cause int) error {
	return c.command(ctx, func(o *op) {
		c.taken.Store(true)
		c.released(ByScript)
		c.finish(o, nil, nil)
		if cause > 0 && c.q850 == 0 {
			c.q850 = int64(cause)
		}
		c.caller.hangup(cause)
	})
}

// answer sends the 200 of an unanswered caller. An offer we cannot accept ends the call.
func (c *Call) answer(h Headers) error {
	l := c.caller
	switch l.state {
	case legAnswered:
		return nil
	case legEnded:
		return ErrHangup
	}
	body, f := l.describe()
	if f != nil {
		c.released(BySystem)
		l.refuse(f, nil)
		return f
	}
	if l.reliable.pending != nil {
		l.afterPrack(func() { _ = c.answer(h) })
		return nil
	}
	h = append(slices.Clone(h), l.fresh.headers()...)
	res := l.respond(200, body, h)
	l.keepFresh(l.fresh.refresh)
	l.enter(legAnswered)
	l.unacked = true
	l.dialog.Confirm()
	l.rec.answered = c.clock.Now()
	l.rec.code, l.rec.reason = 200, "OK"
	c.state.Store(StateAnswered)
	c.times.answered(l.rec.answered)
	l.watchSilence()
	c.updateRecord()
	l.resend2xx(l.server, res)
	return nil
}

// resend2xx repeats a 2xx until its ACK comes (RFC 3261 §13.3.1.4); without one the
// dialog is ended by BYE.
func (l *Leg) resend2xx(tx *transaction.Server, res *sip.Response) {
	s := l.call().server
	if l.resend != nil {
		l.resend.Stop()
	}
	t := s.o.Timers
	l.resend = dialog.NewResend(l.call().clock, t.T1, t.T2, func() {
		_ = tx.Respond(res)
	}, func() { l.deliver(&ackMissing{l}) })
}

// ring sends a provisional response without media.
func (l *Leg) ring(code int) error {
	switch l.state {
	case legAnswered:
		return nil
	case legEnded:
		return ErrHangup
	}
	c := l.call()
	l.enter(legEarly)
	c.state.Store(StateRinging)
	l.rings()
	l.respond(code, nil, nil)
	return nil
}

// rings notes that the caller is told that it rings.
func (l *Leg) rings() {
	c := l.call()
	if l.rec.first18x.IsZero() {
		l.rec.first18x = c.clock.Now()
	}
	c.ringing(l.rec.first18x)
}

// progress sends 183 with our session description, so that the caller hears us before the
// answer. A caller who made no offer cannot be sent one without PRACK: plain 183 then.
func (l *Leg) progress() error {
	if l.state == legAnswered || l.state == legEnded {
		return l.ring(183)
	}
	var body []byte
	if len(l.offer) > 0 {
		b, f := l.describe()
		if f != nil {
			l.call().released(BySystem)
			l.refuse(f, nil)
			return f
		}
		body = b
	}
	c := l.call()
	l.enter(legEarly)
	c.state.Store(StateRinging)
	l.rings()
	l.respond(183, body, nil)
	return nil
}

// respond answers the INVITE of this leg.
func (l *Leg) respond(code int, body []byte, h Headers) *sip.Response {
	res := transaction.NewResponse(l.server.Request(), code, Phrase(code), l.localTag)
	res.AppendHeader(l.contact())
	if code >= 200 {
		res.AppendHeader(sip.NewHeader("Allow", allowed))
		res.AppendHeader(sip.NewHeader("Supported", supported))
	}
	h.addTo(res)
	setBody(res, body)
	if l.reliably(code, body) {
		l.sendReliable(res)
	} else {
		_ = l.server.Respond(res)
	}
	return res
}

// refuse answers the INVITE of this leg with a final failure.
func (l *Leg) refuse(f *Failure, h Headers) {
	var hs []sip.Header
	for _, f := range h {
		hs = append(hs, sip.NewHeader(f.Name, f.Value))
	}
	l.refuseWith(f, hs)
}

func (l *Leg) refuseWith(f *Failure, hs []sip.Header) {
	if l.state == legAnswered || l.state == legEnded {
		return
	}
	res := transaction.NewResponse(l.server.Request(), f.Code, f.Reason, l.localTag)
	for _, h := range hs {
		res.AppendHeader(h)
	}
	if h, ok := l.reason(0); ok {
		res.AppendHeader(h)
	}
	_ = l.server.Respond(res)
	l.ended(f.Code, f.Reason)
}

// describe opens the leg's media and returns our SDP: the answer to the caller's offer,
// or an offer of ours when there was none.
func (l *Leg) describe() ([]byte, *Failure) {
	if l.described != nil {
		return l.described, nil
	}
	if err := l.openMedia(); err != nil {
		return nil, mediaFailure(err)
	}
	l.preferWanted()
	if len(l.offer) == 0 {
		l.awaitACK = true
		l.described = l.media.Offer()
		return l.described, nil
	}
	l.showLines()
	answer, err := l.media.Answer(l.offer)
	if err != nil {
		l.call().log.Info("offer refused", "leg", l.name(), "err", err)
		return nil, mediaFailure(err)
	}
	l.described = answer
	return answer, nil
}

func (l *Leg) openMedia() error {
	if l.media != nil {
		return nil
	}
	m, err := l.call().server.o.Media.Open(l.mediaOptions())
	l.media = m
	return err
}

func (l *Leg) mediaOptions() media.SessionOptions {
	s := l.call().server
	o := media.SessionOptions{Bind: l.flow.Local().Addr(), Advertise: l.flow.Advertised().Addr(),
		Signalling: l.flow.Remote().Addr(), Codecs: l.codecs(), Encryption: l.encryption(), Browser: l.browses(), Timeout: s.o.MediaTimeout,
		Spiral: l.mayReturn(), DTMF: l.wantedDTMF(), KeepAlive: true, OnEvent: l.mediaEvent}
	if l.flow.IsLoop() {
		local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		o.Bind, o.Advertise, o.Signalling = local, local, local
	}
	return o
}

// contact is where the far end reaches us within the dialog.
func (l *Leg) contact() *sip.ContactHeader {
	return l.contactOver(l.flow)
}

// contactOver is contact towards the peer of f.
//
// RFC 3261 §12.1.1: a dialog that a sips: URI began has a sips: Contact on both sides.
func (l *Leg) contactOver(f transport.Flow) *sip.ContactHeader {
	u := l.call().server.address(f, "")
	target := &l.uri
	if l.inbound() {
		target = &l.server.Request().Recipient
	}
	if target.IsEncrypted() {
		u.Scheme, u.UriParams = "sips", nil
	}
	return &sip.ContactHeader{Address: u}
}

// setBody adds the SDP, if there is one, and the length.
func setBody(m interface {
	AppendHeader(sip.Header)
	SetBody([]byte)
}, body []byte) {
	if len(body) > 0 {
		m.AppendHeader(sip.NewHeader("Content-Type", sdpType))
	}
	m.SetBody(slices.Clone(body))
}
