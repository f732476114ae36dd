package scripting

import (
	"sync"
	"time"
)

// suspicious is how long a script runs before the memory guard looks at it.
const suspicious = 10 * time.Millisecond

// meter counts the time that a state runs Lua. Its budget is used up by running and filled
// again, as fast, by waiting: a loop that calls blocking functions which do not block is
// stopped too. It goes by the machine's clock, whatever clock the calls go by.
type meter struct {
	mu      sync.Mutex
	budget  time.Duration
	left    time.Duration
	since   time.Time     // of the present run or wait
	total   time.Duration // of all runs that have ended
	running bool
	timer   *time.Timer
	watched bool
	onLong  func() // after 10 ms of running
	onSpent func()
}

func newMeter(budget time.Duration, onLong, onSpent func()) *meter {
	return &meter{budget: budget, left: budget, onLong: onLong, onSpent: onSpent}
}

// start says that Lua runs.
func (m *meter) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if !m.since.IsZero() {
		m.left = min(m.budget, m.left+now.Sub(m.since))
	}
	m.since, m.running, m.watched = now, true, false
	m.arm(min(suspicious, m.left))
}

// pause says that Lua waits.
func (m *meter) pause() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.left -= now.Sub(m.since)
	m.total += now.Sub(m.since)
	m.since, m.running = now, false
	if m.timer != nil {
		m.timer.Stop()
	}
}

func (m *meter) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = false
	if m.timer != nil {
		m.timer.Stop()
	}
}

// ran is the Lua time burnt so far.
func (m *meter) ran() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total
}

// runningFor tells how long the present run has lasted.
func (m *meter) runningFor() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.running {
		return 0
	}
	return time.Since(m.since)
}

func (m *meter) arm(d time.Duration) {
	if m.timer == nil {
		m.timer = time.AfterFunc(d, m.fired)
	} else {
		m.timer.Reset(d)
	}
}

func (m *meter) fired() {
	m.mu.Lock()
	if !m.running {
		m.mu.Unlock()
		return
	}
	ran := time.Since(m.since)
	if ran >= m.left {
		m.mu.Unlock()
		m.onSpent()
		return
	}
	first := !m.watched && ran >= suspicious
	m.watched = m.watched || first
	if m.watched {
		m.arm(m.left - ran)
	} else { // an earlier run's timer that fired late
		m.arm(min(suspicious, m.left) - ran)
	}
	m.mu.Unlock()
	if first {
		m.onLong()
	}
}
