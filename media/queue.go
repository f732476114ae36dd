package media

import (
	"net/netip"
	"sync"
	"time"

	"tandem/clock"
)

// inboxDepth bounds the datagrams that wait for one socket; the kernel keeps about as many.
const inboxDepth = 256

type datagram struct {
	data []byte
	from netip.AddrPort
}

// inbox holds what has arrived for one socket of a backend that is not the kernel's epoll.
type inbox struct {
	mu     sync.Mutex
	queue  []datagram
	free   [][]byte
	closed bool
	poller *queuePoller // nil while no worker waits on it
	socket *socket
	listed bool // in the poller's ready list
}

// push copies b in; it is dropped when the inbox is full, as the kernel does.
func (i *inbox) push(b []byte, from netip.AddrPort) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed || len(i.queue) >= inboxDepth {
		return
	}
	var buf []byte
	if n := len(i.free); n > 0 {
		buf, i.free = i.free[n-1], i.free[:n-1]
	}
	i.queue = append(i.queue, datagram{append(buf[:0], b...), from})
	i.list()
}

// list puts the socket on its poller's ready list; i.mu is held.
func (i *inbox) list() {
	if i.poller != nil && !i.listed && len(i.queue) > 0 {
		i.listed = true
		i.poller.put(i.socket)
	}
}

func (i *inbox) recv(b []byte) (int, netip.AddrPort, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return 0, netip.AddrPort{}, errClosed
	}
	if len(i.queue) == 0 {
		return 0, netip.AddrPort{}, errAgain
	}
	d := i.queue[0]
	i.queue = append(i.queue[:0], i.queue[1:]...)
	n := copy(b, d.data)
	if len(i.free) < 4 {
		i.free = append(i.free, d.data)
	}
	i.list()
	return n, d.from, nil
}

func (i *inbox) attach(p *queuePoller, s *socket) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.poller, i.socket = p, s
	i.list()
}

func (i *inbox) detach() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.poller, i.socket, i.listed = nil, nil, false
}

func (i *inbox) taken() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.listed = false
}

func (i *inbox) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed, i.queue, i.free = true, nil, nil
}

// queued is a conn that keeps its datagrams in an inbox.
type queued interface {
	conn
	box() *inbox
}

// queuePoller waits on inboxes with a channel and the engine's clock, so it also works in
// virtual time.
type queuePoller struct {
	clock clock.Clock
	mu    sync.Mutex
	ready []*socket
	bell  chan struct{}
	timer clock.Timer
	until time.Time
}

func newQueuePoller(c clock.Clock) *queuePoller {
	return &queuePoller{clock: c, bell: make(chan struct{}, 1)}
}

func (p *queuePoller) put(s *socket) {
	p.mu.Lock()
	p.ready = append(p.ready, s)
	p.mu.Unlock()
	p.wake()
}

func (p *queuePoller) wake() {
	select {
	case p.bell <- struct{}{}:
	default:
	}
}

func (p *queuePoller) wait(until time.Time, ready []*socket) []*socket {
	p.alarm(until)
	ready = p.take(ready)
	if len(ready) > 0 || !until.IsZero() && !p.clock.Now().Before(until) {
		return ready
	}
	<-p.bell
	return p.take(ready)
}

// take moves the ready list out. A socket that still has more is listed anew by its recv.
func (p *queuePoller) take(ready []*socket) []*socket {
	p.mu.Lock()
	from := len(ready)
	ready = append(ready, p.ready...)
	p.ready = p.ready[:0]
	p.mu.Unlock()
	for _, s := range ready[from:] {
		s.conn.(queued).box().taken()
	}
	return ready
}

// alarm rings the bell at until.
func (p *queuePoller) alarm(until time.Time) {
	if until.Equal(p.until) {
		return
	}
	p.until = until
	if p.timer != nil {
		p.timer.Stop()
	}
	if until.IsZero() {
		return
	}
	d := until.Sub(p.clock.Now())
	if p.timer == nil {
		p.timer = p.clock.AfterFunc(d, p.wake)
		return
	}
	p.timer.Reset(d)
}

func (p *queuePoller) add(s *socket) error {
	s.conn.(queued).box().attach(p, s)
	return nil
}

func (p *queuePoller) remove(s *socket) { s.conn.(queued).box().detach() }

func (p *queuePoller) close() error {
	if p.timer != nil {
		p.timer.Stop()
	}
	return nil
}
