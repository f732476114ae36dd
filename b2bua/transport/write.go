package transport

import (
	"context"
	"net"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// write queues a message.
func (c *conn) write(_ Flow, b []byte) error { return c.put(b, true) }

// put queues b; a goroutine that lives while there is something to write sends it. A peer that
// does not read fills the queue and loses the connection. Only what counts as traffic keeps the
// connection from being idle.
func (c *conn) put(b []byte, counts bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	size := len(b) + queueOverhead
	if c.queued+size > c.l.o.MaxQueue {
		c.abort(ErrQueueFull)
		return ErrQueueFull
	}
	if !c.writing {
		if !c.l.goIfOpen(c.flush) {
			return ErrClosed
		}
		c.writing = true
	}
	if counts {
		c.used = c.l.o.Clock.Now()
	}
	c.queue = append(c.queue, b)
	c.queued += size
	return nil
}

// queueOverhead is what a queued message costs beside its bytes: pongs of two bytes must not
// wait by the half million.
const queueOverhead = 64

// abort closes without waiting; the caller holds the lock.
func (c *conn) abort(err error) {
	if !c.closed {
		c.close(err)
	}
	c.queue, c.queued = nil, 0
	c.raw.Close() // closing TLS or a WebSocket could wait for the peer
	c.once.Do(func() { close(c.written) })
}

func (c *conn) flush() {
	for {
		c.mu.Lock()
		batch := net.Buffers(c.queue)
		c.queue, c.queued = nil, 0
		if len(batch) == 0 {
			c.writing = false
			closed := c.closed
			c.mu.Unlock()
			if closed {
				c.shut()
			}
			return
		}
		if !c.closed {
			_ = c.raw.SetWriteDeadline(time.Now().Add(c.l.o.WriteTimeout))
		}
		c.mu.Unlock()
		if err := c.send(batch); err != nil {
			c.mu.Lock()
			c.writing = false
			c.abort(err)
			c.mu.Unlock()
			return
		}
	}
}

// send writes messages out, on a WebSocket one a frame (RFC 7118 §4.2).
func (c *conn) send(batch net.Buffers) error {
	if c.ws == nil {
		_, err := batch.WriteTo(c.nc)
		return err
	}
	for _, b := range batch {
		kind := websocket.MessageText
		if !utf8.Valid(b) {
			kind = websocket.MessageBinary // RFC 6455 §8.1: a text frame with it would end the connection
		}
		if err := c.ws.Write(context.Background(), kind, b); err != nil {
			return err
		}
	}
	return nil
}
