package b2bua

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"tandem/clock"
)

const panicInCall = "panic in a call; it is ended"

// caught counts a panic and logs it with its stack: a few a second, for what a message can
// set off can come with every message. It is called where the panic was recovered.
func (s *Server) caught(log *slog.Logger, what string, p any) {
	s.panics.Add(1)
	if s.loud.allow(s.o.Clock.Now()) {
		log.Error(what, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
}

// limiter bounds how many lines are logged in a second.
type limiter struct {
	mu    sync.Mutex
	since time.Time
	n     int
}

const linesPerSecond = 5

func (l *limiter) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= time.Second {
		l.since, l.n = now, 0
	}
	l.n++
	return l.n <= linesPerSecond
}

// crashed ends the call after a panic; e is what was being applied, if anything.
func (c *Call) crashed(e event) {
	if r, ok := e.(*request); ok {
		c.attempt(func() { refuse(500, "").respond(r.tx, "") }) // unless it has its answer
	}
	c.attempt(func() { c.end(BySystem, failure(500, "")) })
	if c.broken {
		return
	}
	c.broken = true
	// What was left half done may wait for what never comes: no longer than a transaction.
	c.attempt(func() {
		c.clock.AfterFunc(64*c.server.o.Timers.T1, func() { c.box.post(do((*Call).drop)) })
	})
}

// drop lets go of all that the call has, in order or not.
func (c *Call) drop() {
	for _, l := range c.legs {
		c.attempt(func() { l.ended(500, "") })
		c.attempt(l.closeMedia)
		l.enter(legEnded)
		l.answering, l.roamers = 0, 0
		l.inviting, l.unacked, l.offering, l.leaving, l.outbox = false, false, nil, nil, nil
	}
	select {
	case <-c.done:
	default:
		c.attempt(c.callerEnded)
	}
	c.awaiting, c.handlerDone = 0, true
}

// attempt runs f, whatever becomes of it.
func (c *Call) attempt(f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.server.caught(c.log, "panic in ending a call after a panic", p)
		}
	}()
	f()
}

// aside runs f, which must not touch what the call's goroutine owns, on a goroutine of its own.
func (c *Call) aside(f func()) { go c.guarded(f) }

// guarded runs f off the call's goroutine; a panic there ends the call, too.
func (c *Call) guarded(f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.server.caught(c.log, panicInCall, p)
			c.box.post(do(func(c *Call) { c.crashed(nil) }))
		}
	}()
	f()
}

// guardedClock is the clock of one call: a panic in what it calls back ends that call.
type guardedClock struct {
	clock.Clock
	c *Call
}

func (g guardedClock) AfterFunc(d time.Duration, f func()) clock.Timer {
	return g.Clock.AfterFunc(d, func() { g.c.guarded(f) })
}
