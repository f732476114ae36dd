package sim

import (
	"container/heap"
	"sync"
	"time"

	"tandem/clock"
)

// Clock is a time that stands still until step moves it to the next thing that is due.
type Clock struct {
	mu    sync.Mutex
	now   time.Time
	due   dueHeap
	order uint64
}

// NewClock makes a clock that stands at a moment.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now is the moment at which the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc runs f in a goroutine of its own once the clock has moved by d.
func (c *Clock) AfterFunc(d time.Duration, f func()) clock.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{clock: c, f: f, index: -1}
	c.arm(t, d)
	return t
}

// arm needs mu.
func (c *Clock) arm(t *timer, d time.Duration) {
	c.order++
	t.at, t.order = c.now.Add(max(d, 0)), c.order
	heap.Push(&c.due, t)
}

// step moves to the next moment at which something is due, but not past limit, and lets it
// run; false when nothing is due before limit, where the clock then stands.
func (c *Clock) step(limit time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.due) == 0 || c.due[0].at.After(limit) {
		if limit.After(c.now) {
			c.now = limit
		}
		return false
	}
	if at := c.due[0].at; at.After(c.now) {
		c.now = at
	}
	for len(c.due) > 0 && !c.due[0].at.After(c.now) {
		t := heap.Pop(&c.due).(*timer)
		go t.f()
	}
	return true
}

type timer struct {
	clock *Clock
	f     func()
	at    time.Time
	order uint64
	index int // in the heap; -1: not pending
}

func (t *timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.stop()
}

func (t *timer) stop() bool {
	if t.index < 0 {
		return false
	}
	heap.Remove(&t.clock.due, t.index)
	return true
}

func (t *timer) Reset(d time.Duration) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	pending := t.stop()
	t.clock.arm(t, d)
	return pending
}

// dueHeap is ordered by time, and for the same moment by who asked first.
type dueHeap []*timer

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].order < h[j].order
	}
	return h[i].at.Before(h[j].at)
}
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *dueHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}
func (h *dueHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
