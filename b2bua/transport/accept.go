package transport

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// listener accepts streams on one address.
type listener struct {
	l     *Layer
	ln    net.Listener
	local netip.AddrPort
}

func (l *Layer) bindTCP(e Endpoint) error {
	ln, err := l.o.Network.Listen(e.Addr)
	if err != nil {
		return err
	}
	s := &listener{l: l, ln: ln, local: addrPort(ln.Addr())}
	l.listeners = append(l.listeners, s)
	l.endpoints = append(l.endpoints, Endpoint{TCP, s.local})
	return nil
}

func (s *listener) serve() {
	pause := time.Millisecond
	for {
		nc, err := s.ln.Accept()
		if err == nil {
			pause = time.Millisecond
			s.l.accept(nc)
			continue
		}
		if s.l.isClosed() || errors.Is(err, net.ErrClosed) {
			return
		}
		// Out of file descriptors, most likely: it passes.
		if s.l.quiet.allow() {
			s.l.o.Log.Warn("sip: accept failed", "listener", s.local, "err", err)
		}
		time.Sleep(pause)
		pause = min(2*pause, time.Second)
	}
}

func (l *Layer) accept(nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(keepAlive())
	}
	c := l.newConn(nc, TCP, addrPort(nc.RemoteAddr()))
	c.accepted = true
	if err := l.adopt(c); err != nil {
		nc.Close()
		if l.quiet.allow() {
			l.o.Log.Warn("sip: connection refused", "from", c.remote, "err", err)
		}
	}
}

var (
	errTooMany     = errors.New("too many connections")
	errTooManyHere = errors.New("too many connections from this address")
)

// adopt enters a connection and starts it.
func (l *Layer) adopt(c *conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.started {
		return ErrClosed
	}
	if c.accepted {
		source := c.remote.Addr()
		if len(l.open) >= l.o.MaxConns {
			l.counts.refused.Add(1)
			return errTooMany
		}
		if l.sources[source] >= l.o.MaxConnsPerSource {
			l.counts.refused.Add(1)
			return errTooManyHere
		}
		l.sources[source]++
	}
	l.open[c] = struct{}{}
	l.conns[peer{c.p, c.remote}] = c
	c.watch()
	l.running.Go(c.serve)
	return nil
}

// forget takes a dead connection out.
func (l *Layer) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	if key := (peer{c.p, c.remote}); l.conns[key] == c {
		delete(l.conns, key)
	}
	if c.accepted {
		source := c.remote.Addr()
		if l.sources[source]--; l.sources[source] <= 0 {
			delete(l.sources, source)
		}
	}
}
