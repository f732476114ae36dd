package web

import (
	"crypto/rand"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
)

// feedLength is how many events are remembered for clients that come back.
const feedLength = 2048

// Feed is what happens in the server, for those who listen to GET /events. Publishing never
// waits for a listener: each reads from what is remembered at its own pace.
type Feed struct {
	epoch string // of this process: ids of another's mean nothing here

	mu     sync.Mutex
	ring   [feedLength]*happening
	last   uint64        // number of the newest; 0: none yet
	wake   chan struct{} // closed and replaced with each event
	ended  chan struct{} // closed by Close
	closed bool
}

// happening is one event. It is written as JSON once, when somebody listens.
type happening struct {
	kind  string
	value any

	once sync.Once
	text []byte
}

func (h *happening) json() []byte {
	h.once.Do(func() { h.text, _ = json.Marshal(h.value) }) // values of ours: each has a JSON form
	return h.text
}

// NewFeed makes an empty feed.
func NewFeed() *Feed {
	return &Feed{epoch: strings.ToLower(rand.Text()[:8]), wake: make(chan struct{}), ended: make(chan struct{})}
}

// Publish adds an event. The value must not change any more.
func (f *Feed) Publish(kind string, value any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.last++
	f.ring[f.last%feedLength] = &happening{kind: kind, value: value}
	close(f.wake)
	f.wake = make(chan struct{})
}

// Close ends all listening.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.ended)
		close(f.wake)
	}
}

// newest is the number of the last event.
func (f *Feed) newest() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// after returns the events that follow number n, at most max of them, and the number of the
// last one returned. missed says that some after n are not remembered any more. wake is closed
// when there is more, or when the feed has ended.
func (f *Feed) after(n uint64, max int) (got []*happening, upTo uint64, missed, closed bool, wake <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last > feedLength && n < f.last-feedLength {
		n, missed = f.last-feedLength, true
	}
	for n < f.last && len(got) < max {
		n++
		got = append(got, f.ring[n%feedLength])
	}
	return got, n, missed, f.closed, f.wake
}

// id is how a client names an event; number reads it. ok is false for one of another process
// or none at all.
func (f *Feed) id(n uint64) string { return f.epoch + "-" + strconv.FormatUint(n, 10) }

func (f *Feed) number(id string) (n uint64, ok bool) {
	text, ours := strings.CutPrefix(id, f.epoch+"-")
	n, err := strconv.ParseUint(text, 10, 64)
	return n, ours && err == nil && n <= f.newest()
}
