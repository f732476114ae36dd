package transport

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// RFC 5626 §4.4.1 pings a stream every 95 to 120 s.
	pingStream = 120 * time.Second
	// Proxies in front of a WebSocket commonly close it after 60 s of silence.
	pingWebSocket = 30 * time.Second
	pongTimeout   = 10 * time.Second
)

// keepAlive is the state of the pings that we send on a connection. Its lock is the connection's.
type keepAlive struct {
	next    time.Time // zero: we do not ping
	asked   time.Time // our ping without a pong yet
	answers bool      // the peer has answered one, so it must answer all
}

// start begins to ping: RFC 5626 §3.5.1 has the side do it that opened the connection, a
// WebSocket server does it as well, for a browser cannot (RFC 7118 §6).
func (k *keepAlive) start(c *conn, now time.Time) {
	every := pingStream
	if c.p.webSocket() {
		every = pingWebSocket
	}
	k.next = now.Add(every - rand.N(every/5))
}

// due tells whether to ping now.
func (k *keepAlive) due(c *conn, now time.Time) bool {
	if k.next.IsZero() || now.Before(k.next) {
		return false
	}
	k.start(c, now)
	k.asked = now
	return true
}

// deadline is when a pong must have come; zero for none. Many a server takes line ends and says
// nothing (RFC 5626 obliges only those that agreed to it), which is no reason to hang up: the
// system's own probes find it when it is gone.
func (k *keepAlive) deadline() time.Time {
	if k.asked.IsZero() || !k.answers {
		return time.Time{}
	}
	return k.asked.Add(pongTimeout)
}

func (c *conn) asked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.keep.asked.IsZero()
}

func (c *conn) ponged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep.asked, c.keep.answers = time.Time{}, true
}

// ping asks the peer for a sign of life. It does not count as traffic: a connection that
// nobody uses still ends.
func (c *conn) ping() {
	if c.ws == nil {
		_ = c.put(headEnd, false)
		return
	}
	c.l.goIfOpen(func() {
		ctx, cancel := context.WithTimeout(context.Background(), pongTimeout)
		defer cancel()
		if c.ws.Ping(ctx) != nil { // RFC 6455 §5.5.2: every peer answers
			c.finish(errNoPong, c.l.o.WriteTimeout)
			return
		}
		c.ponged()
	})
}
