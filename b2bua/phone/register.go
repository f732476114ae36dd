package phone

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transport"
	"tandem/clock"
)

// registration is the phone's standing with its server.
type registration struct {
	turn chan struct{} // held during a REGISTER: they must not overtake each other

	mu      sync.Mutex
	callID  string
	tag     string
	seq     uint32
	flow    transport.Flow
	refresh clock.Timer
	stopped bool
}

func (r *registration) init() {
	r.turn = make(chan struct{}, 1)
	r.callID, r.tag = dialog.NewCallID(), dialog.NewTag()
}

// stop ends the refreshing.
func (r *registration) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.refresh != nil {
		r.refresh.Stop()
	}
}

// Register binds the phone's contact at its server, RFC 3261 §10.2, and keeps it
// bound until Unregister or Close. A refusal is *Rejected.
func (p *Phone) Register(ctx context.Context) error {
	granted, err := p.register(ctx, p.o.Expires)
	if err != nil {
		return err
	}
	p.refreshIn(granted * 8 / 10)
	return nil
}

// Unregister removes the phone's contact.
func (p *Phone) Unregister(ctx context.Context) error {
	p.reg.mu.Lock()
	if p.reg.refresh != nil {
		p.reg.refresh.Stop()
	}
	p.reg.mu.Unlock()
	_, err := p.register(ctx, 0)
	return err
}

// refreshIn registers again after d; while that fails, every 30 s.
func (p *Phone) refreshIn(d time.Duration) {
	p.reg.mu.Lock()
	defer p.reg.mu.Unlock()
	if p.reg.stopped {
		return
	}
	if p.reg.refresh != nil {
		p.reg.refresh.Stop()
	}
	p.reg.refresh = p.o.Clock.AfterFunc(d, func() {
		if err := p.Register(context.Background()); err != nil {
			p.log.Warn("registering again failed", "err", err)
			p.refreshIn(30 * time.Second)
		}
	})
}

// register sends REGISTER and gives the time that was granted.
func (p *Phone) register(ctx context.Context, expires time.Duration) (time.Duration, error) {
	if p.server == nil {
		return 0, errors.New("phone: no server to register at")
	}
	select {
	case p.reg.turn <- struct{}{}:
		defer func() { <-p.reg.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	f, err := p.connect(ctx, *p.server)
	if err != nil {
		return 0, err
	}
	for tries := 0; ; tries++ {
		res, err := p.exchange(ctx, func(l *login) *sip.Request { return p.buildRegister(f, expires, l) }, p.sendOn(f))
		if err != nil {
			return 0, err
		}
		if res.IsSuccess() {
			p.reg.mu.Lock()
			p.reg.flow = f
			p.reg.mu.Unlock()
			return granted(res, p.contact(f), expires), nil
		}
		least, given := seconds(res, "Min-Expires")
		if res.StatusCode != 423 || !given || tries > 0 || expires == 0 {
			return 0, rejected(res)
		}
		expires = least // RFC 3261 §10.2.8
	}
}

func (p *Phone) buildRegister(f transport.Flow, expires time.Duration, l *login) *sip.Request {
	server := sip.Uri{Scheme: "sip", Host: p.server.Host, Port: p.server.Port, UriParams: p.server.UriParams.Clone()}
	self := p.address(server)
	req := p.newRequest(sip.REGISTER, server, self, self, p.reg.tag, p.reg.callID)
	p.reg.mu.Lock()
	p.reg.seq++
	req.AppendHeader(&sip.CSeqHeader{SeqNo: p.reg.seq, MethodName: sip.REGISTER})
	p.reg.mu.Unlock()
	req.AppendHeader(p.contact(f))
	req.AppendHeader(sip.NewHeader("Expires", fmt.Sprint(int(expires/time.Second))))
	l.addTo(req, nil)
	return req
}

// granted is the expiry that the 200 gives our contact, RFC 3261 §10.2.4.
func granted(res *sip.Response, own *sip.ContactHeader, asked time.Duration) time.Duration {
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok || c.Address.User != own.Address.User || !strings.EqualFold(c.Address.Host, own.Address.Host) || c.Address.Port != own.Address.Port {
			continue
		}
		if v, has := c.Params.Get("expires"); has {
			if n, err := strconv.ParseUint(v, 10, 32); err == nil && n > 0 {
				return time.Duration(n) * time.Second
			}
		}
	}
	if d, given := seconds(res, "Expires"); given && d > 0 {
		return d
	}
	return asked
}

func seconds(m sip.Message, name string) (time.Duration, bool) {
	for _, v := range headerValues(m, name) {
		if n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31); err == nil {
			return time.Duration(n) * time.Second, true
		}
	}
	return 0, false
}
