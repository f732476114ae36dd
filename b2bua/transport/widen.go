package transport

import (
	"context"
	"time"
)

// MaxDatagram is the size in bytes from which a request leaves UDP, where the path's MTU is not
// known (RFC 3261 §18.1.1).
const MaxDatagram = 1300

const (
	widenTimeout = 2 * time.Second  // for a TCP connection in place of a datagram
	narrowTime   = 10 * time.Minute // how long a peer without TCP is remembered
)

// Widens tells whether a request larger than MaxDatagram is to go by TCP instead: on UDP flows
// that Connect gave, unless the target's UDP was Fixed. A flow that a peer's message came by
// does not: the peer is where it came from, perhaps behind a NAT, and nowhere else.
func (f Flow) Widens() bool { return f.widens }

// Widening is a UDP flow as one that Widens: for a peer that is known to be where it came from.
func (f Flow) Widening() Flow {
	f.widens = f.Proto() == UDP
	return f
}

// Widen finds a stream to the peer of a flow that Widens, and calls done with it; or with f
// itself where the peer takes no TCP: refused, or not connected within two seconds. That is
// remembered for a while. done may be called before Widen returns, and else comes on a goroutine
// of its own.
func (l *Layer) Widen(f Flow, done func(Flow)) {
	to := peer{proto: TCP, addr: f.Remote()}
	l.mu.Lock()
	c := l.standing(to)
	l.mu.Unlock()
	switch {
	case c != nil:
		done(c.flow())
	case l.narrow.has(to, l.o.Clock.Now()) || !l.goIfOpen(func() { done(l.widened(f, to)) }):
		done(f)
	}
}

func (l *Layer) widened(f Flow, to peer) Flow {
	ctx, cancel := context.WithTimeout(l.dialCtx, widenTimeout)
	defer cancel()
	c, err := l.dial(ctx, to)
	if err != nil {
		l.Narrow(f)
		l.o.Log.Debug("sip: large request stays on UDP", "peer", to.addr, "err", err)
		return f
	}
	return c.flow()
}

// Narrow notes that the peer of f took a request over TCP and hung up: it stays on UDP for a
// while.
func (l *Layer) Narrow(f Flow) {
	l.narrow.note(peer{proto: TCP, addr: f.Remote()}, l.o.Clock.Now(), narrowTime)
}
