package b2bua

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// request sends a request within the leg's dialog to its next hop.
func (l *Leg) request(req *sip.Request, h transaction.ClientHandler) { l.requestOn(l.dialog, req, h) }

// requestOn is request for any of the leg's dialogs.
func (l *Leg) requestOn(d *dialog.Dialog, req *sip.Request, h transaction.ClientHandler) {
	l.reach(d, func(f transport.Flow, err error) {
		if err != nil {
			h.HandleEnd(nil, err)
			return
		}
		if req.Method != sip.BYE && req.Method != sip.PRACK && req.Contact() == nil {
			req.AppendHeader(l.contactOver(f))
		}
		if login := l.loginFor(f); login != nil {
			h = l.answer(login, d, req, h)
		}
		l.transmit(d, f, req, h)
	})
}

// reach gives the flow to the next hop of one of the leg's dialogs: at once where it is known,
// else after the name is resolved and the connection stands. What is sent keeps its order.
func (l *Leg) reach(d *dialog.Dialog, use func(transport.Flow, error)) {
	if l.flow.OneWay() && !l.flow.Alive() {
		use(l.flow, transport.ErrClosed) // nobody can open a WebSocket to a browser
		return
	}
	if l.flow.IsLoop() || l.flow.OneWay() || len(l.outbox) == 0 && l.stays(d.NextHop()) {
		use(l.roomier(d.NextHop()), nil)
		return
	}
	l.outbox = append(l.outbox, use)
	if len(l.outbox) > 1 {
		return
	}
	c, hop := l.call(), d.NextHop()
	c.aside(func() {
		f, err := c.server.connect(c.server.ctx, hop)
		l.post(func(*Call) {
			if err == nil {
				l.flow, l.flowHop = f, hop.String()
			}
			waiting := l.outbox
			l.outbox = nil
			for _, use := range waiting {
				use(f, err)
			}
		})
	})
}

// stays reports whether requests for hop travel on the flow that the dialog came by.
//
// RFC 3261 §12.2.1.1 sends them to the remote target. A phone behind a NAT names a private
// address there that leads nowhere: it is reached where its messages came from; so is a
// peer whose connection stands (RFC 5923).
func (l *Leg) stays(hop sip.Uri) bool {
	if l.flowHop == hop.String() {
		return l.flow.Alive()
	}
	ip, err := netip.ParseAddr(strings.Trim(hop.Host, "[]"))
	if err != nil {
		return false
	}
	remote := l.flow.Remote()
	if !l.flow.Alive() {
		return false
	}
	same := ip.Unmap() == remote.Addr().Unmap()
	switch {
	case l.flow.Reliable():
		return same || private(ip) && !private(remote.Addr())
	case same:
		return portOf(hop) == int(remote.Port()) && transportOf(hop, l.flow) == l.flow.Proto()
	}
	return private(ip) && !private(remote.Addr())
}

// roomier is the leg's flow, made one that a large request may leave for TCP (RFC 3261 §18.1.1)
// where it is the UDP flow that a caller's own messages came by, and the caller says that it is
// there: not behind a NAT, where TCP leads nowhere. A phone that registered over UDP stays on
// it, and so does who asks for it.
func (l *Leg) roomier(hop sip.Uri) transport.Flow {
	f := l.flow
	if !l.inbound() || f.Proto() != transport.UDP || f.Widens() {
		return f
	}
	ip, err := netip.ParseAddr(strings.Trim(hop.Host, "[]"))
	_, fixed := hop.UriParams.Get("transport")
	if cfg := l.trunkConfig(); cfg != nil && cfg.Transport == transport.UDP {
		fixed = true
	}
	if err != nil || fixed || netip.AddrPortFrom(ip.Unmap(), uint16(portOf(hop))) != f.Remote() || l.call().server.o.Registrar.HasFlow(f) {
		return f
	}
	return f.Widening()
}

// private: addresses that mean nothing outside their own network (RFC 1918, 6598, 4193).
func private(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || netip.MustParsePrefix("100.64.0.0/10").Contains(ip)
}

func portOf(u sip.Uri) int {
	if u.Port > 0 {
		return u.Port
	}
	if strings.EqualFold(u.Scheme, "sips") {
		return 5061
	}
	return 5060
}

func transportOf(u sip.Uri, f transport.Flow) transport.Proto {
	if t, ok := u.UriParams.Get("transport"); ok {
		return transport.Proto(strings.ToLower(t))
	}
	return transport.UDP
}

// connectTimeout bounds resolving and connecting for one next hop.
const connectTimeout = 10 * time.Second

// connect finds the flow to a URI, trying its addresses in turn (RFC 3263).
func (s *Server) connect(ctx context.Context, u sip.Uri) (transport.Flow, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	targets, err := s.o.Transport.Resolve(ctx, u)
	if err != nil {
		return transport.Flow{}, err
	}
	var f transport.Flow
	for _, t := range targets {
		if f, err = s.o.Transport.Connect(ctx, t); err == nil {
			return f, nil
		}
		s.o.Transport.Avoid(t, 0) // RFC 3263 §4.3
	}
	return transport.Flow{}, err
}

// address is our URI towards the peer of f.
func (s *Server) address(f transport.Flow, user string) sip.Uri {
	a := f.Advertised()
	u := sip.Uri{Scheme: "sip", User: user, Host: hostOf(a.Addr()), Port: int(a.Port())}
	p := f.Proto()
	if p == transport.WSS {
		p = transport.WS // RFC 7118 §5.2: the parameter knows no other
	}
	if p != transport.UDP && !f.IsLoop() {
		u.UriParams = sip.HeaderParams{{K: "transport", V: string(p)}}
	}
	return u
}

func hostOf(ip netip.Addr) string {
	if ip = ip.Unmap(); ip.Is6() {
		return "[" + ip.String() + "]"
	}
	return ip.String()
}

// acknowledge sends the ACK of a 2xx (RFC 3261 §13.2.2.4).
func (l *Leg) acknowledge(d *dialog.Dialog, seq uint32) {
	s := l.call().server
	ack := d.Ack(seq)
	if len(l.lateAnswer) > 0 && d == l.dialog && seq == l.ours.CSeq().SeqNo {
		setBody(ack, l.lateAnswer)
	}
	if l.ours != nil && seq == l.ours.CSeq().SeqNo {
		sign(ack, l.ours)
	} else if l.reoffered != nil && seq == l.reoffered.CSeq().SeqNo {
		sign(ack, l.reoffered)
	}
	l.reach(d, func(f transport.Flow, err error) {
		if err == nil {
			l.track.Load().sent(ack)
			_ = s.tx.SendAck(f, ack)
		}
	})
}

func isTimeout(err error) bool { return errors.Is(err, transaction.ErrTimeout) }
