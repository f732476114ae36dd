package transport

import (
	"sync"
	"time"
)

const (
	avoidTime = time.Minute      // for a target that failed and did not say for how long
	maxAvoid  = 10 * time.Minute // whatever it says
	maxNoted  = 1024
)

// memo is what is remembered of far ends for a while: a bounded number of them, so that they
// cost little however many we call.
type memo struct {
	mu sync.Mutex
	by map[peer]time.Time // until when
}

func (m *memo) note(key peer, now time.Time, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = map[peer]time.Time{}
	}
	if len(m.by) >= maxNoted {
		for old, until := range m.by {
			if now.After(until) {
				delete(m.by, old)
			}
		}
	}
	for old := range m.by {
		if len(m.by) < maxNoted {
			break
		}
		delete(m.by, old)
	}
	m.by[key] = now.Add(d)
}

func (m *memo) forget(key peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.by, key)
}

func (m *memo) has(key peer, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	until, ok := m.by[key]
	return ok && now.Before(until)
}

func (t Target) key() peer { return peer{proto: t.Proto, addr: t.Addr} }

// Avoid notes that a target failed (RFC 3263 §4.3): Resolve puts it last for d, by default a
// minute, at most ten. d is what Retry-After said, if anything.
func (l *Layer) Avoid(t Target, d time.Duration) {
	if d <= 0 {
		d = avoidTime
	}
	l.dead.note(t.key(), l.o.Clock.Now(), min(d, maxAvoid))
}

// Works takes back Avoid: the target has answered.
func (l *Layer) Works(t Target) { l.dead.forget(t.key()) }

// deadLast moves the targets to avoid behind the others. They are not left out: when nothing
// else works, one of them may do again.
func (l *Layer) deadLast(targets []Target) []Target {
	now := l.o.Clock.Now()
	out := make([]Target, 0, len(targets))
	var dead []Target
	for _, t := range targets {
		if l.dead.has(t.key(), now) {
			dead = append(dead, t)
			continue
		}
		out = append(out, t)
	}
	return append(out, dead...)
}
