package dialog

import (
	"sync"
	"time"

	"tandem/clock"
)

// Resend repeats the 2xx to an INVITE until its ACK comes, RFC 3261 §13.3.1.4:
// over every transport, since a proxy behind us may use UDP.
type Resend struct {
	clock    clock.Clock
	t2       time.Duration
	deadline time.Time
	send     func()
	giveUp   func()

	running sync.Mutex // one callback at a time, in order; Stop does not take it

	mu       sync.Mutex
	interval time.Duration
	timer    clock.Timer
	stopped  bool
}

// NewResend starts the timer for a 2xx that the caller has just sent: send runs
// after t1, then at intervals that double up to t2; after 64*t1 giveUp runs,
// once, and it is over. Both run in the clock's goroutine, one at a time, and may call Stop.
func NewResend(c clock.Clock, t1, t2 time.Duration, send func(), giveUp func()) *Resend {
	r := &Resend{
		clock: c, t2: max(t1, t2), interval: t1, deadline: c.Now().Add(64 * t1),
		send: send, giveUp: giveUp,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = c.AfterFunc(t1, r.fire)
	return r
}

// Stop ends it: the ACK has come. A send that had already begun may still finish. It may be called again.
func (r *Resend) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	r.timer.Stop()
}

func (r *Resend) fire() {
	r.running.Lock()
	defer r.running.Unlock()
	r.mu.Lock()
	if r.stopped {
		r.mu.Unlock()
		return
	}
	left := r.deadline.Sub(r.clock.Now())
	if left <= 0 {
		r.stopped = true
		r.mu.Unlock()
		r.giveUp()
		return
	}
	r.interval = min(2*r.interval, r.t2)
	r.timer.Reset(min(r.interval, left))
	r.mu.Unlock()
	r.send()
}
