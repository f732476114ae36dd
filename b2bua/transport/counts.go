package transport

import (
	"sync"
	"sync/atomic"
	"time"

	"tandem/clock"
)

// Counts are totals since the layer was made, except Conns.
type Counts struct {
	Received   uint64 // whole messages handed to the handler
	Sent       uint64 // messages written or queued
	Bad        uint64 // of those received, the ones that were not valid
	Dropped    uint64 // datagrams and streams with nothing usable in them
	SendErrors uint64
	Refused    uint64 // connections over a limit
	Panics     uint64 // recovered while a message was handled
	Conns      int    // connections open now
}

type counters struct {
	received, sent, bad, dropped, sendErrors, refused, panics atomic.Uint64
	rx, tx                                                    tally
}

// Counts reads the counters.
func (l *Layer) Counts() Counts {
	l.mu.Lock()
	conns := len(l.open)
	l.mu.Unlock()
	c := &l.counts
	return Counts{
		Received:   c.received.Load(),
		Sent:       c.sent.Load(),
		Bad:        c.bad.Load(),
		Dropped:    c.dropped.Load(),
		SendErrors: c.sendErrors.Load(),
		Refused:    c.refused.Load(),
		Panics:     c.panics.Load(),
		Conns:      conns,
	}
}

// limiter lets a few log lines a second through, so that a flood of garbage from the network
// does not become a flood on the disk.
type limiter struct {
	clock clock.Clock
	mu    sync.Mutex
	since time.Time
	n     int
}

const linesPerSecond = 5

func (q *limiter) allow() bool {
	now := q.clock.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Sub(q.since) >= time.Second {
		q.since, q.n = now, 0
	}
	q.n++
	return q.n <= linesPerSecond
}
