package transport

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// memPipe is one direction of a stream in memory, with a bounded buffer.
type memPipe struct {
	mu     sync.Mutex
	buf    []byte
	ended  bool          // the writer will write no more
	broken bool          // the reader will read no more
	change chan struct{} // closed and replaced whenever something above changes
}

const memPipeSize = 64 << 10

func newMemPipe() *memPipe { return &memPipe{change: make(chan struct{})} }

// changed wakes whoever waits; the caller holds the lock.
func (p *memPipe) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

func (p *memPipe) read(b []byte, late <-chan struct{}) (int, error) {
	for {
		p.mu.Lock()
		if p.broken {
			p.mu.Unlock()
			return 0, net.ErrClosed
		}
		if len(p.buf) > 0 {
			n := copy(b, p.buf)
			p.buf = append(p.buf[:0], p.buf[n:]...)
			p.changed()
			p.mu.Unlock()
			return n, nil
		}
		ended, change := p.ended, p.change
		p.mu.Unlock()
		if ended {
			return 0, io.EOF
		}
		select {
		case <-change:
		case <-late:
			return 0, os.ErrDeadlineExceeded
		}
	}
}

func (p *memPipe) write(b []byte, late <-chan struct{}) (int, error) {
	done := 0
	for {
		p.mu.Lock()
		if p.ended || p.broken {
			p.mu.Unlock()
			return done, errBrokenPipe
		}
		n := min(len(b)-done, memPipeSize-len(p.buf))
		if n > 0 {
			p.buf = append(p.buf, b[done:done+n]...)
			done += n
			p.changed()
		}
		change := p.change
		p.mu.Unlock()
		if done == len(b) {
			return done, nil
		}
		select {
		case <-change:
		case <-late:
			return done, os.ErrDeadlineExceeded
		}
	}
}

func (p *memPipe) end(broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.broken = p.broken || broken
	p.changed()
}

// memConn is one end of a stream in memory.
type memConn struct {
	in, out           *memPipe
	local, remote     netip.AddrPort
	readLate, wrtLate *deadline
}

func newMemConns(a, b netip.AddrPort) (net.Conn, net.Conn) {
	there, back := newMemPipe(), newMemPipe()
	return &memConn{back, there, a, b, newDeadline(), newDeadline()},
		&memConn{there, back, b, a, newDeadline(), newDeadline()}
}

func (c *memConn) Read(b []byte) (int, error)  { return c.in.read(b, c.readLate.wait()) }
func (c *memConn) Write(b []byte) (int, error) { return c.out.write(b, c.wrtLate.wait()) }

func (c *memConn) Close() error {
	c.in.end(true)
	c.out.end(false)
	c.readLate.set(time.Time{})
	c.wrtLate.set(time.Time{})
	return nil
}

// CloseWrite ends our direction only.
func (c *memConn) CloseWrite() error {
	c.out.end(false)
	return nil
}

func (c *memConn) LocalAddr() net.Addr                { return net.TCPAddrFromAddrPort(c.local) }
func (c *memConn) RemoteAddr() net.Addr               { return net.TCPAddrFromAddrPort(c.remote) }
func (c *memConn) SetReadDeadline(t time.Time) error  { c.readLate.set(t); return nil }
func (c *memConn) SetWriteDeadline(t time.Time) error { c.wrtLate.set(t); return nil }

func (c *memConn) SetDeadline(t time.Time) error {
	c.readLate.set(t)
	c.wrtLate.set(t)
	return nil
}

// deadline is a moment that wakes those who wait on it, also when it is set while they wait.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	turn  int           // how often it was set
	late  chan struct{} // closed when the moment has come
}

func newDeadline() *deadline { return &deadline{late: make(chan struct{})} }

func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.late
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	select {
	case <-d.late:
		d.late = make(chan struct{})
	default:
	}
	d.turn++
	if t.IsZero() {
		return
	}
	turn := d.turn
	d.timer = time.AfterFunc(time.Until(t), func() { d.fire(turn) })
}

func (d *deadline) fire(turn int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if turn == d.turn { // else it has been set anew meanwhile
		close(d.late)
	}
}
