package transport

import (
	"net"
	"time"
)

// write queues b; a goroutine that lives while there is something to write sends it. A peer
// that does not read fills the queue and loses the connection.
func (c *conn) write(_ Flow, b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if c.queued+len(b) > c.l.o.MaxQueue {
		c.abort(ErrQueueFull)
		return ErrQueueFull
	}
	if !c.writing {
		if !c.l.goIfOpen(c.flush) {
			return ErrClosed
		}
		c.writing = true
	}
	c.queue = append(c.queue, b)
	c.queued += len(b)
	return nil
}

// abort closes without waiting; the caller holds the lock.
func (c *conn) abort(err error) {
	if !c.closed {
		c.closed, c.err = true, err
		if c.timer != nil {
			c.timer.Stop()
		}
	}
	c.queue, c.queued = nil, 0
	c.nc.Close()
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
			c.used = c.l.o.Clock.Now()
			c.mu.Unlock()
			if closed {
				c.shut()
			}
			return
		}
		if !c.closed {
			_ = c.nc.SetWriteDeadline(time.Now().Add(c.l.o.WriteTimeout))
		}
		c.mu.Unlock()
		if _, err := batch.WriteTo(c.nc); err != nil {
			c.mu.Lock()
			c.writing = false
			c.abort(err)
			c.mu.Unlock()
			return
		}
	}
}
