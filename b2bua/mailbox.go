package b2bua

import "sync"

// event is something that happened to a call: a message, a timer, a command. Each type
// stands in its feature's file. apply runs on the call's goroutine and never blocks.
type event interface{ apply(c *Call) }

// do is an event made of a function.
type do func(c *Call)

func (f do) apply(c *Call) { f(c) }

// networkCap bounds the requests of one call that wait to be handled. Everything else
// that is posted is bounded by what the call itself has started.
const networkCap = 64

// mailbox hands a call's events to its goroutine, in the order they were posted.
type mailbox struct {
	mu      sync.Mutex
	queue   []event
	network int // requests from the network among them
	closed  bool
	wake    chan struct{}
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

// post adds e; false when the call has ended.
func (m *mailbox) post(e event) bool { return m.add(e, false) == posted }

type admission int

const (
	posted admission = iota
	full
	gone
)

// add adds e; a new request from the network only where not too many wait already.
func (m *mailbox) add(e event, network bool) admission {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return gone
	case network && m.network >= networkCap:
		return full
	case network:
		m.network++
	}
	m.queue = append(m.queue, e)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return posted
}

// take returns all that waits.
func (m *mailbox) take(spare []event) []event {
	m.mu.Lock()
	defer m.mu.Unlock()
	batch := m.queue
	m.queue = spare[:0]
	m.network = 0
	return batch
}

// close refuses all that comes later and returns what was left.
func (m *mailbox) close() []event {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	left := m.queue
	m.queue = nil
	return left
}
