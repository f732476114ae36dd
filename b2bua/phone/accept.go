package phone

import (
	"context"
	"errors"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
)

var errNotWaiting = errors.New("phone: the call does not wait for an answer")

// Incoming gives the calls that come in; with nobody to take them, further ones are busy.
func (p *Phone) Incoming() <-chan *Call { return p.incoming }

// Accept waits for the next incoming call. It does not answer it.
func (p *Phone) Accept(ctx context.Context) (*Call, error) {
	select {
	case c := <-p.incoming:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// invited takes an INVITE that begins a dialog.
func (p *Phone) invited(tx *transaction.Server) {
	req := tx.Request()
	tag := dialog.NewTag()
	d, err := dialog.NewUAS(req, tag)
	if err != nil {
		respond(tx, 400, tag)
		return
	}
	c := p.newCall(callKey{d.ID().CallID, tag}, tx.Flow())
	c.incoming, c.invite, c.server, c.dialog = true, req, tx, d
	if !p.add(c) {
		respond(tx, 480, tag)
		return
	}
	tx.OnCancel(func(*sip.Request) { c.withdrawn() })
	tx.OnEnd(func(err error) {
		if err != nil && c.State() < Answered {
			c.finish(End{By: "system", Err: err})
		}
	})
	select {
	case p.incoming <- c:
	default:
		respond(tx, 486, tag)
		c.finish(End{By: "local", Code: 486})
	}
}

// withdrawn: the caller has sent CANCEL, RFC 3261 §9.2.
func (c *Call) withdrawn() {
	c.mu.Lock()
	if c.state >= Answered {
		c.mu.Unlock()
		return
	}
	tx := c.server
	c.mu.Unlock()
	respond(tx, 487, c.key.localTag)
	c.finish(End{By: "remote", Code: 487, Reason: "cancelled"})
}

// Ring sends 180.
func (c *Call) Ring() error { return c.provisional(180, false) }

// Progress sends 183 with our answer: early media flows from then on.
func (c *Call) Progress() error { return c.provisional(183, true) }

func (c *Call) provisional(code int, withMedia bool) error {
	tx, res, err := c.buildProvisional(code, withMedia)
	if err != nil {
		return err
	}
	return tx.Respond(res)
}

func (c *Call) buildProvisional(code int, withMedia bool) (*transaction.Server, *sip.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.incoming || c.state >= Answered {
		return nil, nil, errNotWaiting
	}
	var body []byte
	if withMedia {
		var err error
		if body, err = c.ourSDP(); err != nil {
			return nil, nil, fmt.Errorf("phone: %w", err)
		}
	}
	c.state = Ringing
	c.notify()
	return c.server, c.response(c.server.Request(), code, body), nil
}

// ourSDP is our answer to the caller's offer, or our offer if it made none
// (RFC 3261 §13.3.1.4); mu is held.
func (c *Call) ourSDP() ([]byte, error) {
	if err := c.openMedia(nil); err != nil {
		return nil, err
	}
	offer := c.invite.Body()
	if len(offer) == 0 {
		c.ourOffer = true
		return c.session.Offer(), nil
	}
	return c.session.Answer(offer)
}

// response makes a response within the call's dialog, with Contact and perhaps SDP.
func (c *Call) response(req *sip.Request, code int, body []byte) *sip.Response {
	res := transaction.NewResponse(req, code, reasons[code], c.key.localTag)
	res.AppendHeader(c.phone.contact(c.flow))
	res.AppendHeader(sip.NewHeader("Allow", allow))
	setBody(res, body)
	return res
}

// Answer answers an incoming call: 200 with our SDP, resent until the ACK comes.
// An offer that cannot be met is refused with 488 and reported.
func (c *Call) Answer() error {
	c.mu.Lock()
	if !c.incoming || c.state >= Answered {
		c.mu.Unlock()
		return errNotWaiting
	}
	body, err := c.ourSDP()
	if err != nil {
		c.mu.Unlock()
		_ = c.Reject(488)
		return fmt.Errorf("phone: %w", err)
	}
	c.state, c.unacked = Answered, true
	c.dialog.Confirm()
	tx, res := c.server, c.response(c.server.Request(), 200, body)
	c.resendUntilAck(tx, res)
	c.notify()
	c.mu.Unlock()
	return tx.Respond(res)
}

// resendUntilAck: RFC 3261 §13.3.1.4; without an ACK the call ends. mu is held.
func (c *Call) resendUntilAck(tx *transaction.Server, res *sip.Response) {
	timers := c.phone.o.Timers
	c.resend = dialog.NewResend(c.phone.o.Clock, timers.T1, timers.T2,
		func() { _ = tx.Respond(res) },
		func() {
			c.mu.Lock()
			c.unacked = false
			d := c.dialog
			c.mu.Unlock()
			c.finish(End{By: "system", Err: errors.New("phone: no ACK")})
			go c.bye(context.Background(), d)
		})
}

// acked takes the ACK to a 2xx of ours.
func (c *Call) acked(ack *sip.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.unacked {
		return
	}
	c.unacked = false
	c.resend.Stop()
	if c.ourOffer {
		c.ourOffer = false
		if err := c.session.SetAnswer(ack.Body()); err != nil {
			c.phone.log.Info("the ACK's SDP is not usable", "err", err)
		}
	}
	c.notify()
}

// Reject refuses an incoming call with a final code, 300 to 699.
func (c *Call) Reject(code int, headers ...sip.Header) error {
	c.mu.Lock()
	if !c.incoming || c.state >= Answered {
		c.mu.Unlock()
		return errNotWaiting
	}
	tx := c.server
	c.mu.Unlock()
	res := transaction.NewResponse(tx.Request(), code, reasons[code], c.key.localTag)
	for _, h := range headers {
		res.AppendHeader(h)
	}
	err := tx.Respond(res)
	c.finish(End{By: "local", Code: code, Reason: reasons[code]})
	return err
}

// respond answers a request with nothing but a status.
func respond(tx *transaction.Server, code int, toTag string, headers ...sip.Header) {
	res := transaction.NewResponse(tx.Request(), code, reasons[code], toTag)
	for _, h := range headers {
		res.AppendHeader(h)
	}
	_ = tx.Respond(res)
}

// reasons are the phrases of the codes that the phone sends itself, RFC 3261 §21.
var reasons = map[int]string{
	180: "Ringing", 183: "Session Progress", 200: "OK", 302: "Moved Temporarily", 400: "Bad Request",
	404: "Not Found", 405: "Method Not Allowed", 480: "Temporarily Unavailable",
	481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated",
	488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error",
	503: "Service Unavailable", 600: "Busy Everywhere", 603: "Decline",
}
