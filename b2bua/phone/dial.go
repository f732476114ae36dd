package phone

import (
	"context"
	"errors"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
)

const (
	allow    = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY, MESSAGE"
	sdpType  = "application/sdp"
	maxForks = 16
)

// DialOptions of one outgoing call.
type DialOptions struct {
	Headers   []sip.Header // added to the INVITE
	Codecs    []string     // the phone's
	LateOffer bool         // an INVITE without SDP: the answer goes in the ACK
	// OnProgress sees each provisional response but 100. It must not block.
	OnProgress func(res *sip.Response)
}

// Dial calls uri and returns when it is answered. A refusal is *Rejected. When
// ctx ends first the call is cancelled, which the peer's answer may still cross:
// then it is hung up.
func (p *Phone) Dial(ctx context.Context, uri string, o DialOptions) (*Call, error) {
	c, err := p.Invite(ctx, uri, o)
	if err != nil {
		return nil, err
	}
	if err := c.Answered(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Invite calls uri and returns once the INVITE is out; ctx bounds the look-up only.
func (p *Phone) Invite(ctx context.Context, uri string, o DialOptions) (*Call, error) {
	callee, err := ParseURI(uri)
	if err != nil {
		return nil, err
	}
	hop := callee
	if p.server != nil {
		hop = *p.server
	}
	f, err := p.connect(ctx, hop)
	if err != nil {
		return nil, err
	}
	c := p.newCall(callKey{dialog.NewCallID(), dialog.NewTag()}, f)
	c.dial = o
	var body []byte
	if err := c.openMedia(o.Codecs); err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	if !o.LateOffer {
		body = c.session.Offer()
	}
	c.invite = c.buildInvite(callee, body, 1)
	if !p.add(c) {
		c.session.Close()
		return nil, ErrClosed
	}
	return c, c.sendInvite(c.invite)
}

func (c *Call) buildInvite(callee sip.Uri, body []byte, seq uint32) *sip.Request {
	p := c.phone
	to := sip.Uri{Scheme: callee.Scheme, User: callee.User, Host: callee.Host, Port: callee.Port}
	callee.Headers = nil // RFC 3261 §19.1.1: not part of a Request-URI
	req := p.newRequest(sip.INVITE, callee, p.address(callee), to, c.key.localTag, c.key.callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: sip.INVITE})
	req.AppendHeader(p.contact(c.flow))
	req.AppendHeader(sip.NewHeader("Allow", allow))
	for _, h := range c.dial.Headers {
		req.AppendHeader(sip.HeaderClone(h))
	}
	c.login.addTo(req, body)
	setBody(req, body)
	return req
}

func setBody(m sip.Message, body []byte) {
	if len(body) > 0 {
		m.AppendHeader(sip.NewHeader("Content-Type", sdpType))
	}
	m.SetBody(body)
}

func (c *Call) sendInvite(req *sip.Request) error {
	tx, err := c.phone.tx.Send(c.flow, req, (*inviteHandler)(c))
	if err != nil {
		err = fmt.Errorf("phone: INVITE: %w", err)
		c.finish(End{By: "system", Err: err})
		return err
	}
	c.mu.Lock()
	c.client = tx
	cancelled := c.cancelled
	c.notify()
	c.mu.Unlock()
	if cancelled { // while it was being sent
		_ = tx.Cancel()
	}
	return nil
}

// Answered waits until our call is answered, for which it returns nil; *Rejected
// is the peer's refusal. When ctx ends first it cancels the call.
func (c *Call) Answered(ctx context.Context) error {
	err := c.wait(ctx, func() bool { return c.state >= Answered })
	if err != nil {
		c.Cancel()
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.dialog != nil:
		return nil
	case c.end.Err != nil:
		return c.end.Err
	}
	return errors.New("phone: cancelled")
}

// Progressed waits for the first provisional response, or the end of the call.
func (c *Call) Progressed(ctx context.Context) error {
	return c.wait(ctx, func() bool { return c.state >= Ringing })
}

// Cancel gives up our call before it is answered; Done tells when that is over.
func (c *Call) Cancel(headers ...sip.Header) {
	c.mu.Lock()
	if c.incoming || c.state >= Answered || c.cancelled {
		c.mu.Unlock()
		return
	}
	c.cancelled = true
	tx := c.client
	c.mu.Unlock()
	if tx != nil {
		_ = tx.Cancel(headers...)
	}
}

// inviteHandler takes what comes back for our INVITE.
type inviteHandler Call

func (h *inviteHandler) HandleResponse(tx *transaction.Client, res *sip.Response) {
	c := (*Call)(h)
	switch {
	case res.StatusCode == 100:
	case res.IsProvisional():
		c.progress(res)
	case res.IsSuccess():
		c.accepted(res)
	default:
		c.refused(tx.Request(), res)
	}
}

func (h *inviteHandler) HandleEnd(tx *transaction.Client, err error) {
	c := (*Call)(h)
	if err == nil {
		return
	}
	c.mu.Lock()
	stale := c.state >= Answered || c.client != nil && c.client != tx
	by := "system"
	if c.cancelled {
		by = "local"
	}
	c.mu.Unlock()
	if !stale {
		c.finish(End{By: by, Err: fmt.Errorf("phone: INVITE: %w", err)})
	}
}

// progress takes a provisional response: each To-tag is an early dialog, RFC 3261
// §12.1.2, and its SDP an answer of its own.
func (c *Call) progress(res *sip.Response) {
	c.mu.Lock()
	if c.state >= Answered {
		c.mu.Unlock()
		return
	}
	c.state = Ringing
	if len(c.early) < 100 {
		c.early = append(c.early, res)
	}
	if f := c.forkOf(res); f != nil {
		f.dialog.Update(res)
	}
	if len(res.Body()) > 0 && !c.dial.LateOffer {
		if err := c.session.SetAnswer(res.Body()); err != nil {
			c.phone.log.Info("early media not usable", "err", err)
		}
	}
	tell := c.dial.OnProgress
	c.notify()
	c.mu.Unlock()
	if tell != nil {
		tell(res)
	}
}

// forkOf is the dialog that a response belongs to, made if need be; nil if it makes none. mu is held.
func (c *Call) forkOf(res *sip.Response) *fork {
	tag := dialog.ToTag(res)
	if f := c.forks[tag]; f != nil {
		return f
	}
	d, err := dialog.NewUAC(c.invite, res)
	if err != nil || len(c.forks) >= maxForks {
		return nil
	}
	f := &fork{dialog: d}
	c.forks[tag] = f
	return f
}

// accepted takes a 2xx, RFC 3261 §13.2.2.4: each is acknowledged, also a resent
// one; the first dialog stands, others and those that crossed our CANCEL end.
func (c *Call) accepted(res *sip.Response) {
	c.mu.Lock()
	f := c.forkOf(res)
	if f == nil {
		c.mu.Unlock()
		c.phone.log.Warn("2xx that makes no dialog", "call_id", c.key.callID)
		return
	}
	if f.ack != nil {
		c.mu.Unlock()
		c.sendAck(f.dialog, f.ack)
		return
	}
	f.dialog.Update(res)
	lost := c.chosen != nil || c.state == Ended // to another fork, or all is over
	stands := !lost && !c.cancelled
	var mediaErr error
	f.ack = f.dialog.Ack(c.invite.CSeq().SeqNo)
	c.login.addTo(f.ack, nil) // RFC 3261 §13.2.2.4: the credentials of the INVITE
	if stands {
		c.chosen = f
		mediaErr = c.settle(res, f.ack)
	}
	d := f.dialog
	c.mu.Unlock()

	c.sendAck(d, f.ack)
	switch {
	case lost:
		go c.bye(context.Background(), d)
	case !stands:
		go c.bye(context.Background(), d)
		c.finish(End{By: "local", Reason: "cancelled"})
	case mediaErr != nil:
		go c.bye(context.Background(), d)
		c.finish(End{By: "local", Err: fmt.Errorf("phone: the answer's SDP: %w", mediaErr)})
	default:
		c.mu.Lock()
		if c.state < Answered {
			c.state, c.dialog, c.answer = Answered, d, res
		}
		c.notify()
		c.mu.Unlock()
	}
}

// settle completes offer and answer with a 2xx; mu is held.
func (c *Call) settle(res *sip.Response, ack *sip.Request) error {
	if !c.dial.LateOffer {
		return c.session.SetAnswer(res.Body())
	}
	body, err := c.session.Answer(res.Body())
	if err != nil {
		return err
	}
	setBody(ack, body)
	return nil
}

// refused takes a final response that is no 2xx: a challenge is answered by a
// new INVITE, RFC 3261 §22.2.
func (c *Call) refused(req *sip.Request, res *sip.Response) {
	c.mu.Lock()
	if c.state >= Answered {
		c.mu.Unlock()
		return
	}
	if !c.cancelled && c.login.answer(res) {
		c.forks = map[string]*fork{}
		c.client = nil
		c.invite = c.buildInvite(*req.Recipient.Clone(), req.Body(), req.CSeq().SeqNo+1)
		again := c.invite
		c.mu.Unlock()
		_ = c.sendInvite(again) // a failure ends the call
		return
	}
	by := "remote"
	if c.cancelled {
		by = "local"
	}
	c.mu.Unlock()
	c.finish(End{By: by, Code: res.StatusCode, Reason: res.Reason, Err: rejected(res)})
}
