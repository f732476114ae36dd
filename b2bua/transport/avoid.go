package transport

import (
	"sync"
	"time"
)

const (
	avoidTime = time.Minute      // for a target that failed and did not say for how long
	maxAvoid  = 10 * time.Minute // whatever it says
	maxDead   = 1024             // targets remembered
)

// deadTargets are those that failed lately.
type deadTargets struct {
	mu sync.Mutex
	by map[peer]time.Time // until when
}

// Avoid notes that a target failed (RFC 3263 §4.3): Resolve puts it last for d, by default a
// minute, at most ten. d is what Retry-After said, if anything.
func (l *Layer) Avoid(t Target, d time.Duration) {
	if d <= 0 {
		d = avoidTime
	}
	now := l.o.Clock.Now()
	m := &l.dead
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = map[peer]time.Time{}
	}
	for key, until := range m.by {
		if len(m.by) < maxDead {
			break
		}
		if now.After(until) {
			delete(m.by, key)
		}
	}
	for key := range m.by {
		if len(m.by) < maxDead {
			break
		}
		delete(m.by, key)
	}
	m.by[peer{proto: t.Proto, addr: t.Addr}] = now.Add(min(d, maxAvoid))
}

// Works takes back Avoid: the target has answered.
func (l *Layer) Works(t Target) {
	m := &l.dead
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.by, peer{proto: t.Proto, addr: t.Addr})
}

// deadLast moves the targets to avoid behind the others. They are not left out: when nothing
// else works, one of them may do again.
func (l *Layer) deadLast(targets []Target) []Target {
	now := l.o.Clock.Now()
	m := &l.dead
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Target, 0, len(targets))
	var dead []Target
	for _, t := range targets {
		if until, ok := m.by[peer{proto: t.Proto, addr: t.Addr}]; ok && now.Before(until) {
			dead = append(dead, t)
			continue
		}
		out = append(out, t)
	}
	return append(out, dead...)
}
