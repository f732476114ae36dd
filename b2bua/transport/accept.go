package transport

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// listener accepts connections on one address.
type listener struct {
	l     *Layer
	ln    net.Listener
	proto Proto
	local netip.AddrPort
}

func (l *Layer) bindStream(e Endpoint) error {
	ln, err := l.o.Network.Listen(e.Addr)
	if err != nil {
		return err
	}
	s := &listener{l: l, ln: ln, proto: e.Proto, local: addrPort(ln.Addr())}
	l.listeners = append(l.listeners, s)
	l.endpoints = append(l.endpoints, Endpoint{e.Proto, s.local})
	return nil
}

func (s *listener) serve() {
	pause := time.Millisecond
	for {
		nc, err := s.ln.Accept()
		if err == nil {
			pause = time.Millisecond
			s.l.accept(nc, s.proto)
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

// accept counts a connection before a byte of it is read: its handshake, in a goroutine of its
// own, is the dear part.
func (l *Layer) accept(nc net.Conn, p Proto) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(probes())
	}
	c := l.newConn(nc, p, addrPort(nc.RemoteAddr()))
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

// adopt counts a connection and starts it.
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
	} else {
		l.conns[c.key()] = c
	}
	l.open[c] = struct{}{}
	c.watch()
	l.running.Go(c.serve)
	return nil
}

// enter makes a connection one that requests to its far end may use.
func (l *Layer) enter(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c.key()] = c
}

// forget takes a dead connection out.
func (l *Layer) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	for _, by := range []map[peer]*conn{l.conns, l.aliases} {
		for _, key := range []peer{c.key(), c.alias} {
			if by[key] == c {
				delete(by, key)
			}
		}
	}
	if c.accepted {
		source := c.remote.Addr()
		if l.sources[source]--; l.sources[source] <= 0 {
			delete(l.sources, source)
		}
	}
}
