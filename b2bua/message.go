package b2bua

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/clock"
)

const (
	maxDeliveries  = 1000             // messages on their way at once; more are answered 503
	deliverTimeout = 20 * time.Second // before the sender gives up itself (RFC 3261 §17.1.2.2, timer F)
)

// message serves a MESSAGE outside of any call (RFC 3428 §7): a script may take it; else it
// goes to the user that it is addressed to.
func (s *Server) message(tx *transaction.Server) {
	s.identify(tx, func(id auth.Identity, p *problem) {
		if p != nil {
			p.respond(tx, dialog.NewTag())
			return
		}
		s.askMessage(tx, id)
	})
}

func (s *Server) askMessage(tx *transaction.Server, id auth.Identity) {
	if !s.asks("on_message") {
		s.deliver(tx, id)
		return
	}
	m := messageOf(tx, id)
	asked := s.ask(func(ctx context.Context) {
		code, err := s.o.Hooks.Message(ctx, m)
		switch {
		case err != nil:
			s.o.Log.Error("on_message failed", "user", id.User, "to", clip(m.To.User, 64), "err", err)
			unavailable(retryAsking).respond(tx, dialog.NewTag())
		case code == 0:
			s.deliver(tx, id)
		case code < 200 || code > 699:
			s.o.Log.Error("on_message: not a final status", "code", code)
			refuse(500, "").respond(tx, dialog.NewTag())
		default:
			refuse(code, "").respond(tx, dialog.NewTag())
		}
	}, func() { refuse(500, "").respond(tx, dialog.NewTag()) })
	if !asked {
		unavailable(retryAsking).respond(tx, dialog.NewTag())
	}
}

// messageOf is a MESSAGE as scripts see it. Who it is for is what the Request-URI says.
func messageOf(tx *transaction.Server, id auth.Identity) Message {
	req := tx.Request()
	kind, _ := headerOf(req, "Content-Type")
	return Message{
		From: addressOf(&req.From().Address, req.From().DisplayName),
		To:   addressOf(&req.Recipient, req.To().DisplayName),
		User: id.User, Trunk: id.Trunk, Source: sourceFacts(tx.Flow()), ContentType: kind, Body: string(req.Body()),
	}
}

// deliver sends a message to all contacts of the user whom it is for. The sender gets the
// best of their answers, 404 for a user who is none, 480 for one whom nobody can reach.
func (s *Server) deliver(tx *transaction.Server, id auth.Identity) {
	user := numberOf(&tx.Request().Recipient)
	branches := s.contacts("user:"+user, user)
	if len(branches) == 0 {
		p := refuse(480, "Not Registered")
		if _, known := s.o.Directory.Credential(user); !known {
			p = refuse(404, "")
		}
		p.respond(tx, dialog.NewTag())
		return
	}
	d := &delivery{s: s, tx: tx, sender: id, open: len(branches)}
	if s.deliveries.Add(1) > maxDeliveries {
		s.deliveries.Add(-1)
		unavailable(retryAsking).respond(tx, dialog.NewTag())
		return
	}
	d.mu.Lock()
	d.timer = s.o.Clock.AfterFunc(deliverTimeout, func() { d.finish(d.failure()) })
	d.mu.Unlock()
	for _, b := range branches {
		d.start(b)
	}
}

// delivery is one MESSAGE on its way to the contacts of a user.
type delivery struct {
	s      *Server
	tx     *transaction.Server
	sender auth.Identity

	mu    sync.Mutex
	open  int // contacts that have not answered
	best  *Failure
	timer clock.Timer
	over  bool
}

// start sends the message to one contact.
func (d *delivery) start(b branch) {
	if !b.flow.IsZero() {
		d.send(b, b.flow)
		return
	}
	go func() { // the way leads through a proxy that is to be found again
		f, err := d.s.connect(d.s.ctx, b.via)
		if err != nil {
			d.answered(failure(480, ""))
			return
		}
		d.send(b, f)
	}()
}

func (d *delivery) send(b branch, f transport.Flow) {
	if _, err := d.s.tx.Send(f, d.build(b, f), d); err != nil {
		d.answered(failure(480, ""))
	}
}

// build is the message to one contact: a request of our own, with what it says.
func (d *delivery) build(b branch, f transport.Flow) *sip.Request {
	in := d.tx.Request()
	uri := *b.uri.Clone()
	uri.Headers = nil // RFC 3261 §19.1.1: not part of a Request-URI
	req := sip.NewRequest(sip.MESSAGE, uri)
	for _, r := range b.route {
		req.AppendHeader(&sip.RouteHeader{Address: r})
	}
	from, display := d.from(f)
	id, hops := sip.CallIDHeader(dialog.NewCallID()), hopsAfter(in)
	req.AppendHeader(&sip.FromHeader{DisplayName: display, Address: from, Params: sip.HeaderParams{{K: "tag", V: dialog.NewTag()}}})
	req.AppendHeader(&sip.ToHeader{Address: b.to})
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.MESSAGE})
	req.AppendHeader(&hops)
	for _, name := range [...]string{"Content-Type", "Content-Disposition", "Content-Encoding", "Content-Language",
		"Subject", "Date", "Expires", "In-Reply-To", "Priority"} { // RFC 3428 §4 and §10
		if v, ok := headerOf(in, name); ok && len(v) <= carriedCap {
			req.AppendHeader(sip.NewHeader(name, v))
		}
	}
	req.SetBody(in.Body())
	return req
}

// from is whom the message comes from: a user by the name it has proved, others as they say.
func (d *delivery) from(f transport.Flow) (sip.Uri, string) {
	in := d.tx.Request()
	if privacyOf(in).caller {
		// RFC 3323 §4.1.1.3
		return sip.Uri{Scheme: "sip", User: "anonymous", Host: "anonymous.invalid"}, "Anonymous"
	}
	name := d.sender.User
	if name == "" {
		name = numberOf(&in.From().Address)
	}
	u := d.s.address(f, escape(name))
	u.UriParams = nil
	if d.s.o.Domain != "" {
		u.Host, u.Port = d.s.o.Domain, 0
	}
	return u, quotable(in.From().DisplayName)
}

// hopsAfter is the Max-Forwards of what a request leads to (RFC 7332).
func hopsAfter(req *sip.Request) sip.MaxForwardsHeader {
	mf := req.MaxForwards()
	if mf == nil || mf.Val() == 0 || mf.Val() > 70 {
		return 69
	}
	return sip.MaxForwardsHeader(mf.Val() - 1)
}

// HandleResponse and HandleEnd run on the goroutine that reads.
func (d *delivery) HandleResponse(_ *transaction.Client, res *sip.Response) {
	switch code := res.StatusCode; {
	case code < 200:
	case code < 300:
		d.finish(refuse(code, ""))
	case code < 400, code == 408: // RFC 4320 §4.2: 408 would come too late for the sender
		d.answered(failure(480, ""))
	case code == 401, code == 407: // its challenge is not for the sender, who could not answer it
		d.answered(failure(403, ""))
	default:
		d.answered(failure(code, res.Reason))
	}
}

func (d *delivery) HandleEnd(_ *transaction.Client, err error) {
	if err != nil {
		d.answered(failure(480, ""))
	}
}

// answered counts a contact that has not taken the message.
func (d *delivery) answered(f *Failure) {
	d.mu.Lock()
	if better(f, d.best) {
		d.best = f
	}
	d.open--
	last := d.open == 0
	d.mu.Unlock()
	if last {
		d.finish(d.failure())
	}
}

// failure is what the sender hears when no contact takes the message.
func (d *delivery) failure() *problem {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.best == nil {
		return refuse(480, "")
	}
	return refuse(d.best.Code, strings.TrimSpace(d.best.Reason))
}

// finish tells the sender how it went, once.
func (d *delivery) finish(p *problem) {
	d.mu.Lock()
	over := d.over
	d.over = true
	d.timer.Stop()
	d.mu.Unlock()
	if over {
		return
	}
	d.s.deliveries.Add(-1)
	p.respond(d.tx, dialog.NewTag())
}
