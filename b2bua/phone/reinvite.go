package phone

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/media/sdp"
)

var errNotUp = errors.New("phone: the call is not up")

// Hold puts the peer on hold: a re-INVITE with a=sendonly.
func (c *Call) Hold(ctx context.Context) error { return c.Reinvite(ctx, sdp.SendOnly) }

// Resume takes the peer back from hold.
func (c *Call) Resume(ctx context.Context) error { return c.Reinvite(ctx, sdp.SendRecv) }

// maxGlares bounds how often a re-INVITE is tried again after 491.
const maxGlares = 5

// Reinvite offers the session anew with that direction, RFC 3261 §14.1, and
// tries again after a 491. A refusal is *Rejected and leaves the session as it was.
func (c *Call) Reinvite(ctx context.Context, direction sdp.Direction) error {
	for tries := 0; ; tries++ {
		err := c.reinviteOnce(ctx, direction)
		no, refused := errors.AsType[*Rejected](err)
		if !refused || no.Code != 491 || tries == maxGlares {
			return err
		}
		// RFC 3261 §14.1: who made the Call-ID waits longer, so that one of the two goes first.
		wait := time.Duration(rand.IntN(200)) * 10 * time.Millisecond
		if !c.incoming {
			wait = 2100*time.Millisecond + time.Duration(rand.IntN(190))*10*time.Millisecond
		}
		if err := c.phone.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (c *Call) reinviteOnce(ctx context.Context, direction sdp.Direction) error {
	if err := c.wait(ctx, func() bool { return !c.inviting && !c.unacked }); err != nil {
		return err
	}
	c.mu.Lock()
	if c.state != Answered || c.inviting {
		c.mu.Unlock()
		return errNotUp
	}
	c.inviting = true
	d, session, before := c.dialog, c.session, c.direction
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.inviting = false
		c.notify()
		c.mu.Unlock()
	}()

	session.SetDirection(direction)
	offer := session.Offer()
	res, err := c.transact(ctx, d, sip.INVITE, sdpType, offer)
	if err == nil {
		err = session.SetAnswer(res.Body())
	}
	if err != nil {
		session.SetDirection(before)
		return err
	}
	c.mu.Lock()
	c.direction = direction
	c.mu.Unlock()
	return nil
}

// transact sends a request within the dialog and waits for its 2xx; anything
// else is an error. The 2xx of an INVITE gets its ACK, each time it comes.
func (c *Call) transact(ctx context.Context, d *dialog.Dialog, method sip.RequestMethod, contentType string, body []byte, headers ...sip.Header) (*sip.Response, error) {
	f, err := c.way(ctx, d)
	if err != nil {
		return nil, err
	}
	var ack *sip.Request
	build := func(l *login) *sip.Request {
		c.sending.Lock() // until it has been sent, so that CSeq goes out in order
		c.mu.Lock()
		defer c.mu.Unlock()
		req := d.Request(method)
		if method == sip.INVITE {
			ack = d.Ack(req.CSeq().SeqNo)
		}
		if method != sip.BYE {
			req.AppendHeader(c.phone.contact(c.flow))
		}
		for _, h := range headers {
			req.AppendHeader(sip.HeaderClone(h))
		}
		l.addTo(req, body)
		if ack != nil {
			l.addTo(ack, nil)
		}
		if contentType != "" && len(body) > 0 {
			req.AppendHeader(sip.NewHeader("Content-Type", contentType))
		}
		req.SetBody(body)
		return req
	}
	send := func(req *sip.Request, w *waiter) error {
		defer c.sending.Unlock()
		if method == sip.INVITE {
			w.accepted = func(res *sip.Response) {
				c.mu.Lock()
				d.Update(res)
				c.mu.Unlock()
				c.sendAck(d, ack)
			}
		}
		_, err := c.phone.tx.Send(f, req, w)
		return err
	}
	res, err := c.phone.exchange(ctx, build, send)
	if err != nil {
		return nil, err
	}
	if !res.IsSuccess() {
		return res, rejected(res)
	}
	c.mu.Lock()
	d.Update(res)
	c.mu.Unlock()
	return res, nil
}

// reinvited answers the peer's re-INVITE, RFC 3261 §14.2.
func (c *Call) reinvited(tx *transaction.Server, d *dialog.Dialog) {
	req := tx.Request()
	c.mu.Lock()
	switch {
	case c.state != Answered || c.unacked:
		c.mu.Unlock()
		respond(tx, 500, "", sip.NewHeader("Retry-After", "2"))
		return
	case c.inviting:
		c.mu.Unlock()
		respond(tx, 491, "")
		return
	}
	body, err := c.renegotiate(req)
	if err != nil {
		c.mu.Unlock()
		respond(tx, 488, "")
		return
	}
	d.Retarget(contactOf(req))
	c.unacked = true
	res := c.response(req, 200, body)
	c.resendUntilAck(tx, res)
	c.notify()
	c.mu.Unlock()
	_ = tx.Respond(res)
}

// renegotiate answers an offer within the call, or makes one when there is none; mu is held.
func (c *Call) renegotiate(req *sip.Request) ([]byte, error) {
	if len(req.Body()) == 0 {
		c.ourOffer = true
		return c.session.Offer(), nil
	}
	return c.session.Answer(req.Body())
}

// updated answers UPDATE, RFC 3311 §5.2, with an offer or without.
func (c *Call) updated(tx *transaction.Server, d *dialog.Dialog) {
	req := tx.Request()
	c.mu.Lock()
	if len(req.Body()) > 0 && (c.inviting || c.unacked || c.session == nil) {
		c.mu.Unlock()
		respond(tx, 491, "")
		return
	}
	var body []byte
	if len(req.Body()) > 0 {
		var err error
		if body, err = c.session.Answer(req.Body()); err != nil {
			c.mu.Unlock()
			respond(tx, 488, "")
			return
		}
	}
	d.Retarget(contactOf(req))
	res := c.response(req, 200, body)
	c.mu.Unlock()
	_ = tx.Respond(res)
}

func contactOf(m sip.Message) *sip.ContactHeader {
	for _, h := range m.GetHeaders("Contact") {
		if contact, ok := h.(*sip.ContactHeader); ok {
			return contact
		}
	}
	return nil
}

// Request sends a request within the call, such as INFO or OPTIONS, and waits
// for its 2xx; any other final response is *Rejected.
func (c *Call) Request(ctx context.Context, method sip.RequestMethod, contentType string, body []byte, headers ...sip.Header) (*sip.Response, error) {
	c.mu.Lock()
	d := c.dialog
	up := c.state == Answered
	c.mu.Unlock()
	if !up {
		return nil, errNotUp
	}
	return c.transact(ctx, d, method, contentType, body, headers...)
}

// Info sends INFO with a body, RFC 6086.
func (c *Call) Info(ctx context.Context, contentType string, body []byte) error {
	_, err := c.Request(ctx, sip.INFO, contentType, body)
	return err
}

// Update offers the session anew by UPDATE, RFC 3311.
func (c *Call) Update(ctx context.Context, direction sdp.Direction) error {
	session := c.Session()
	if session == nil {
		return errNotUp
	}
	session.SetDirection(direction)
	res, err := c.Request(ctx, sip.UPDATE, sdpType, session.Offer())
	if err != nil {
		return err
	}
	if err := session.SetAnswer(res.Body()); err != nil {
		return fmt.Errorf("phone: %w", err)
	}
	return nil
}
