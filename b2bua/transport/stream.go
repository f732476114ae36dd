package transport

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"tandem/clock"
)

var (
	errIdle = errors.New("idle")
	errHalf = errors.New("message not completed in time")
)

// conn is one stream connection, accepted or dialled.
type conn struct {
	l        *Layer
	nc       net.Conn
	p        Proto
	local    netip.AddrPort
	remote   netip.AddrPort
	accepted bool

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

	written chan struct{} // closed when nothing will be written any more
	once    sync.Once
}

func (l *Layer) newConn(nc net.Conn, p Proto, remote netip.AddrPort) *conn {
	return &conn{l: l, nc: nc, p: p, local: addrPort(nc.LocalAddr()), remote: remote, written: make(chan struct{})}
}

func (c *conn) layer() *Layer              { return c.l }
func (c *conn) proto() Proto               { return c.p }
func (c *conn) localAddr() netip.AddrPort  { return c.local }
func (c *conn) remoteAddr() netip.AddrPort { return c.remote }
func (c *conn) flow() Flow                 { return Flow{link: c} }

func (c *conn) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed
}

// serve reads until the connection ends, then tells the handler.
func (c *conn) serve() {
	err := c.read()
	c.finish(err, c.l.o.WriteTimeout)
	c.linger()
	c.l.forget(c)
	c.mu.Lock()
	err = c.err // the first reason, which may be our own closing
	c.mu.Unlock()
	c.l.flowClosed(c.flow(), err)
}

func (c *conn) read() error {
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
	whole := false
	for {
		msg, pings, err := f.next()
		for range pings {
			// RFC 5626 §4.4.1: a double line end is a ping, a single one its pong.
			_ = c.write(Flow{}, crlf)
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
	c.touch(whole, f.partial())
	return nil
}

// touch notes traffic and keeps the deadline of a message that has begun.
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
		if c.timer != nil && !c.closed {
			c.timer.Reset(c.l.o.MessageTimeout)
		}
	}
}

// watch starts the time-outs.
func (c *conn) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = c.l.o.Clock.Now()
	c.timer = c.l.o.Clock.AfterFunc(c.l.o.MessageTimeout, c.check)
}

// check closes the connection when a time-out has come, or waits on.
func (c *conn) check() {
	now := c.l.o.Clock.Now()
	c.mu.Lock()
	at, why := c.used.Add(c.l.o.IdleTimeout), errIdle
	if c.accepted && !c.proved {
		at = c.used.Add(c.l.o.MessageTimeout)
	}
	if half := c.half.Add(c.l.o.MessageTimeout); !c.half.IsZero() && half.Before(at) {
		at, why = half, errHalf
	}
	if c.closed || now.Before(at) {
		if !c.closed {
			c.timer.Reset(at.Sub(now))
		}
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.finish(why, c.l.o.WriteTimeout)
}

// finish takes no more messages, lets the queue leave within d, and closes. The reader then
// comes to its end. Only the first call counts.
func (c *conn) finish(err error, d time.Duration) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed, c.err = true, err
	if c.timer != nil {
		c.timer.Stop()
	}
	writing := c.writing
	c.mu.Unlock()
	if !writing {
		c.shut()
		return
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(d)) // the writer closes when it is done
}

// shut ends our direction. A stream closed with bytes unread would be reset, and the peer might
// never see our last answer.
func (c *conn) shut() {
	defer c.once.Do(func() { close(c.written) })
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		return
	}
	c.nc.Close()
}

const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 1 << 20
)

// linger waits for the queue to leave and for the peer to hang up, not for long.
func (c *conn) linger() {
	<-c.written
	_, _ = io.CopyN(io.Discard, c.nc, lingerBytes)
	c.nc.Close()
}
