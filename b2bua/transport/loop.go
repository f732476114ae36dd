package transport

import (
	"net/netip"
	"sync"
)

// maxLoop bounds the messages to ourselves that wait to be handled.
const maxLoop = 10_000

// loop carries messages to ourselves: in order, on a goroutine that lives while there are any.
type loop struct {
	l       *Layer
	mu      sync.Mutex
	queue   [][]byte
	running bool
}

// Loop is the flow that leads back to this layer's own Handler. What is sent on it is handled
// in order on one goroutine, and what is answered on the flow it arrives with comes back.
func (l *Layer) Loop() Flow { return Flow{link: l.looped} }

func (o *loop) layer() *Layer              { return o.l }
func (o *loop) proto() Proto               { return TCP }
func (o *loop) remoteAddr() netip.AddrPort { return o.localAddr() }
func (o *loop) alive() bool                { return !o.l.isClosed() }

func (o *loop) localAddr() netip.AddrPort {
	port := TCP.DefaultPort()
	if len(o.l.endpoints) > 0 {
		port = o.l.endpoints[0].Addr.Port()
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

func (o *loop) write(_ Flow, b []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.l.isClosed() {
		return ErrClosed
	}
	if len(o.queue) >= maxLoop {
		return ErrQueueFull
	}
	if !o.running && !o.l.goIfOpen(o.run) {
		return ErrClosed
	}
	o.running = true
	o.queue = append(o.queue, b)
	return nil
}

func (o *loop) run() {
	for {
		o.mu.Lock()
		batch := o.queue
		o.queue = nil
		o.running = len(batch) > 0
		o.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, b := range batch {
			o.l.receive(o.l.Loop(), b)
		}
	}
}

func (l *Layer) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// goIfOpen runs f in a goroutine that Close waits for; false when the layer is closed or was
// never served.
func (l *Layer) goIfOpen(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.started {
		return false
	}
	l.running.Go(f)
	return true
}
