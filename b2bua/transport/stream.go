package transport

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"tandem/clock"
)

var (
	errIdle   = errors.New("idle")
	errHalf   = errors.New("message not completed in time")
	errNoPong = errors.New("keep-alive not answered")
)

// conn is one connection, accepted or dialled: a stream of messages over TCP or TLS, or a
// WebSocket with one message a frame.
type conn struct {
	l        *Layer
	raw      net.Conn        // the socket
	nc       net.Conn        // the socket, or TLS over it
	ws       *websocket.Conn // over nc, for WS and WSS
	p        Proto
	local    netip.AddrPort
	remote   netip.AddrPort
	host     string            // whom the certificate of a dialled connection names
	far      *x509.Certificate // of the far end, verified
	accepted bool
	shown    bool        // the far end has seen our certificate
	alias    peer        // where the far end listens, by its own account; the layer's lock guards it
	dead     atomic.Bool // closed, readable without mu

	mu      sync.Mutex
	queue   [][]byte
	queued  int  // bytes in queue
	writing bool // a goroutine is emptying queue
	closed  bool // takes no more messages
	err     error
	timer   clock.Timer // runs check at the next deadline
	used    time.Time   // last traffic
	half    time.Time   // when the message still incomplete began
	proved  bool        // a whole message has come
	keep    keepAlive

	written chan struct{} // closed when nothing will be written any more
	once    sync.Once
}

func (l *Layer) newConn(raw net.Conn, p Proto, remote netip.AddrPort) *conn {
	return &conn{l: l, raw: raw, nc: raw, p: p, local: addrPort(raw.LocalAddr()), remote: remote, written: make(chan struct{})}
}

func (c *conn) layer() *Layer              { return c.l }
func (c *conn) proto() Proto               { return c.p }
func (c *conn) localAddr() netip.AddrPort  { return c.local }
func (c *conn) remoteAddr() netip.AddrPort { return c.remote }
func (c *conn) flow() Flow                 { return Flow{link: c} }
func (c *conn) alive() bool                { return !c.dead.Load() }

// key is what the connection is found by.
func (c *conn) key() peer { return peer{c.p, c.remote, c.host} }

// serve reads until the connection ends, then tells the handler.
func (c *conn) serve() {
	err := c.l.protect(c.flow(), c.live)
	c.finish(err, c.l.o.WriteTimeout)
	c.linger()
	c.l.forget(c)
	c.mu.Lock()
	err = c.err // the first reason, which may be our own closing
	c.mu.Unlock()
	c.l.flowClosed(c.flow(), err)
}

// live reads as long as there is something to read.
func (c *conn) live() error {
	if err := c.open(); err != nil {
		return err
	}
	c.l.enter(c)
	return c.read()
}

// open does what comes before the first message of an accepted connection.
func (c *conn) open() error {
	if !c.accepted {
		return nil
	}
	var err error
	if c.p.secure() {
		err = c.acceptTLS()
	}
	if err == nil && c.p.webSocket() {
		err = c.acceptWebSocket()
	}
	if err != nil && c.l.quiet.allow() {
		c.l.o.Log.Info("sip: handshake failed", "proto", c.p, "from", c.remote, "err", err)
	}
	return err
}

func (c *conn) read() error {
	if c.ws != nil {
		return c.readFrames()
	}
	f := framer{max: c.l.o.MaxMessage}
	chunk := make([]byte, 4096)
	for {
		n, err := c.nc.Read(chunk)
		if n > 0 {
			f.write(chunk[:n])
			if err := c.drain(&f); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// drain hands over every whole message in f.
func (c *conn) drain(f *framer) error {
	f.asked, f.ponged = c.asked(), false
	whole, pinged := false, false
	for {
		msg, pings, err := f.next()
		pinged = pinged || pings > 0
		for range pings {
			// RFC 5626 §4.4.1: a double line end is a ping, a single one its pong.
			_ = c.put(crlf, false)
		}
		if err != nil {
			if !c.l.receiveBroken(c.flow(), msg, err) {
				c.l.counts.dropped.Add(1)
			}
			return err
		}
		if msg == nil {
			break
		}
		whole = true
		c.l.receive(c.flow(), msg)
	}
	if f.ponged {
		c.ponged()
	}
	if whole || pinged || f.partial() {
		c.touch(whole, f.partial())
	}
	return nil
}

// touch notes traffic of the peer's and keeps the deadline of a message that has begun.
func (c *conn) touch(whole, partial bool) {
	now := c.l.o.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = now
	c.proved = c.proved || whole
	if !partial {
		c.half = time.Time{}
		return
	}
	if whole || c.half.IsZero() {
		c.half = now
		c.rearm(now)
	}
}

// watch starts the time-outs.
func (c *conn) watch() {
	now := c.l.o.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = now
	c.timer = c.l.o.Clock.AfterFunc(c.l.o.MessageTimeout, func() { c.l.Guard(c.flow(), c.check) })
	if !c.accepted {
		c.keep.start(c, now)
		c.rearm(now)
	}
}

// rearm sets the timer to the next thing that is due; the caller holds the lock.
func (c *conn) rearm(now time.Time) {
	if c.closed || c.timer == nil {
		return
	}
	at, _ := c.deadline()
	if c.keep.next.Before(at) && !c.keep.next.IsZero() {
		at = c.keep.next
	}
	c.timer.Reset(max(at.Sub(now), 0))
}

// deadline is when the connection is given up, and why; the caller holds the lock.
func (c *conn) deadline() (at time.Time, why error) {
	at, why = c.used.Add(c.l.o.IdleTimeout), errIdle
	if c.accepted && !c.proved {
		at = c.used.Add(c.l.o.MessageTimeout)
	}
	if half := c.half.Add(c.l.o.MessageTimeout); !c.half.IsZero() && half.Before(at) {
		at, why = half, errHalf
	}
	if pong := c.keep.deadline(); !pong.IsZero() && pong.Before(at) {
		at, why = pong, errNoPong
	}
	return at, why
}

// check does what is due: it closes the connection after a time-out, or pings, and waits on.
func (c *conn) check() {
	now := c.l.o.Clock.Now()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	if at, why := c.deadline(); !now.Before(at) {
		c.mu.Unlock()
		c.finish(why, c.l.o.WriteTimeout)
		return
	}
	ping := c.keep.due(c, now)
	c.rearm(now)
	c.mu.Unlock()
	if ping {
		c.ping()
	}
}

// finish takes no more messages, lets the queue leave within d, and closes. The reader then
// comes to its end. Only the first call counts.
func (c *conn) finish(err error, d time.Duration) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.close(err)
	writing := c.writing
	c.mu.Unlock()
	if !writing {
		c.shut()
		return
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(d)) // the writer closes when it is done
}

// close notes the end; the caller holds the lock.
func (c *conn) close(err error) {
	c.closed, c.err = true, err
	c.dead.Store(true)
	if c.timer != nil {
		c.timer.Stop()
	}
}

// shut ends our direction, or has the reader do it where that takes more than a FIN. A stream
// closed with bytes unread would be reset, and the peer might never see our last answer.
func (c *conn) shut() {
	defer c.once.Do(func() { close(c.written) })
	if c.p != TCP {
		_ = c.raw.SetReadDeadline(time.Now())
		return
	}
	_ = c.raw.SetReadDeadline(time.Now().Add(lingerTime))
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		return
	}
	c.raw.Close()
}

const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 1 << 20
)

// linger waits for the queue to leave and for the peer to hang up, not for long.
func (c *conn) linger() {
	<-c.written
	if c.p != TCP {
		c.goodbye()
	}
	_, _ = io.CopyN(io.Discard, c.raw, lingerBytes)
	c.raw.Close()
}

// goodbye says over TLS or a WebSocket that nothing will follow.
func (c *conn) goodbye() {
	_ = c.raw.SetDeadline(time.Now().Add(lingerTime))
	if c.ws != nil {
		_ = c.ws.Close(websocket.StatusGoingAway, "")
		return
	}
	for _, nc := range []net.Conn{c.nc, c.raw} {
		if half, ok := nc.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	// TLS has set a deadline of its own.
	_ = c.raw.SetReadDeadline(time.Now().Add(lingerTime))
}
