package transport

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
)

// dialling is a connection being opened; those who want the same one wait for it.
type dialling struct {
	done chan struct{}
	conn *conn
	err  error
}

// Connect gives a flow to a target. For UDP it picks the listener to send from and does not
// wait. For the others it takes the connection there is to exactly that address, which may be
// one the peer opened, or dials one; a connection to any other address is never used. TLS and WSS
// verify that the far end is Target.Host (RFC 5922).
func (l *Layer) Connect(ctx context.Context, t Target) (Flow, error) {
	addr := netip.AddrPortFrom(t.Addr.Addr().Unmap(), t.Addr.Port())
	to := peer{proto: t.Proto, addr: addr}
	switch t.Proto {
	case UDP:
		s := l.socketFor(addr)
		if s == nil {
			return Flow{}, fmt.Errorf("connect %s: no UDP listener of that address family", addr)
		}
		return Flow{link: s, remote: addr, widens: !t.Fixed}, nil
	case TLS, WSS:
		to.host = t.hostOf()
	case TCP, WS:
	default:
		return Flow{}, fmt.Errorf("connect %s: unknown transport %q", addr, t.Proto)
	}
	c, err := l.dial(ctx, to)
	if err != nil {
		return Flow{}, fmt.Errorf("connect %s: %w", t, err)
	}
	return c.flow(), nil
}

// socketFor is the UDP socket to reach addr from: the one bound to the address of the route
// there, else one bound to all, else any of the family.
func (l *Layer) socketFor(addr netip.AddrPort) *socket {
	var fitting []*socket
	for _, s := range l.sockets {
		if s.local.Addr().Is4() == addr.Addr().Is4() {
			fitting = append(fitting, s)
		}
	}
	if len(fitting) < 2 {
		if len(fitting) == 0 {
			return nil
		}
		return fitting[0]
	}
	from := l.route(addr)
	for _, s := range fitting {
		if s.local.Addr() == from {
			return s
		}
	}
	for _, s := range fitting {
		if s.local.Addr().IsUnspecified() {
			return s
		}
	}
	return fitting[0]
}

func (l *Layer) dial(ctx context.Context, to peer) (*conn, error) {
	l.mu.Lock()
	if c := l.standing(to); c != nil {
		l.mu.Unlock()
		return c, nil
	}
	d := l.dialled[to]
	if d == nil {
		if l.closed || !l.started {
			l.mu.Unlock()
			return nil, ErrClosed
		}
		d = &dialling{done: make(chan struct{})}
		l.dialled[to] = d
		l.running.Go(func() { l.connect(to, d) })
	}
	l.mu.Unlock()
	select {
	case <-d.done:
		return d.conn, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// connect dials for everyone who waits; it does not end with the first who stops waiting.
func (l *Layer) connect(to peer, d *dialling) {
	ctx, cancel := context.WithTimeout(l.dialCtx, l.o.ConnectTimeout)
	defer cancel()
	d.err = l.protect(Flow{}, func() (err error) {
		d.conn, err = l.reach(ctx, to)
		return err
	})
	l.mu.Lock()
	delete(l.dialled, to)
	l.mu.Unlock()
	close(d.done)
}

// reach opens a connection and makes it fit to carry messages.
func (l *Layer) reach(ctx context.Context, to peer) (*conn, error) {
	nc, err := l.o.Network.Dial(ctx, l.sourceFor(to), to.addr)
	if err != nil {
		return nil, err
	}
	c := l.newConn(nc, to.proto, to.addr)
	c.host = to.host
	if to.proto.secure() {
		err = c.dialTLS(ctx)
	}
	if err == nil && to.proto.webSocket() {
		err = c.dialWebSocket(ctx)
	}
	if err == nil {
		err = l.adopt(c)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// sourceFor is the address to dial from: that of the only listener of the protocol and family,
// or else of any protocol, so that a server bound to one address is seen with it.
func (l *Layer) sourceFor(to peer) netip.Addr {
	var same, other []netip.Addr
	for _, e := range l.endpoints {
		a := e.Addr.Addr()
		if a.Is4() != to.addr.Addr().Is4() {
			continue
		}
		if e.Proto == to.proto {
			same = append(same, a)
		} else if !slices.Contains(other, a) {
			other = append(other, a)
		}
	}
	if len(same) == 0 {
		same = other
	}
	// A socket on loopback reaches nothing else, nor is it reached from elsewhere.
	if len(same) != 1 || same[0].IsUnspecified() || same[0].IsLoopback() != to.addr.Addr().IsLoopback() {
		return netip.Addr{}
	}
	return same[0]
}
