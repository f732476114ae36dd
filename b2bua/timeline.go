package b2bua

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/clock"
	"tandem/store"
)

// timeline is what happened in a call, bounded: a call that goes on and on keeps its first
// lines and its last ones. What a leg says on the wire is noted where it is read or written,
// all else by the call's goroutine. It outlives the record by the transactions that watch it,
// and is then empty.
type timeline struct {
	clock   clock.Clock
	started time.Time
	callID  string
	secret  atomic.Bool   // keys of all legs are not to be told
	asking  *atomic.Int32 // how many ask for a secret, in this call and those to ourselves that it led to

	mu     sync.Mutex
	lines  []store.Event
	last   []store.Event // what came after lines was full; its oldest is at next once it is full, too
	next   int
	left   int // lines left out between the two
	bytes  int // in lines
	closed bool

	owed    map[owed]struct{} // what has to come yet before all is told
	settled func()            // called once nothing is owed any more; nil: nobody waits
}

// owed is a message that ends what another began: a final response to a request of ours, by
// the request's method, or the ACK of a refusal.
type owed struct {
	leg    int64
	method sip.RequestMethod
	seq    uint32
}

// maxOwed bounds what a far end can make us remember.
const maxOwed = 64

// What a record keeps of a timeline. With the longest texts the last lines come to 100 KB.
const (
	timelineFirst = 1000
	timelineBytes = 96 << 10
	timelineLast  = 100
	longestLine   = 500
	longestTraced = 4000 // of a line that shows a whole message; a store keeps no longer text
	lastTraced    = 1000
)

func newTimeline(c *Call, cl clock.Clock) *timeline {
	return &timeline{clock: cl, started: c.started, callID: c.id, asking: new(atomic.Int32)}
}

// ask notes in flag whether one more asks for a secret: what is pressed for a call to ourselves
// passes through the call that led there.
func (t *timeline) ask(flag *atomic.Bool, on bool) {
	switch was := flag.Swap(on); {
	case on && !was:
		t.asking.Add(1)
	case was && !on:
		t.asking.Add(-1)
	}
}

// add notes a line about a leg (its number from 1, or 0 for the call as a whole).
func (t *timeline) add(leg int64, kind, text string, longest int) {
	now := t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	full := len(t.last) > 0 || len(t.lines) >= timelineFirst || t.bytes >= timelineBytes
	if full {
		longest = min(longest, lastTraced)
	}
	text = clip(text, longest)
	e := store.Event{CallID: t.callID, AtMS: t.ms(now), Leg: leg, Kind: kind, Text: text}
	switch {
	case !full:
		t.lines = append(t.lines, e)
		t.bytes += len(text)
	case len(t.last) < timelineLast:
		t.last = append(t.last, e)
	default:
		t.last[t.next] = e
		t.next = (t.next + 1) % timelineLast
		t.left++
	}
}

// ms is a moment in UTC milliseconds, counted from the call's start by the monotonic clock.
func (t *timeline) ms(at time.Time) int64 {
	return t.started.UnixMilli() + at.Sub(t.started).Milliseconds()
}

// take hands the lines over for the record and keeps none.
func (t *timeline) take() []store.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	out := t.lines
	last := append(t.last[t.next:len(t.last):len(t.last)], t.last[:t.next]...)
	if t.left > 0 {
		out = append(out, store.Event{CallID: t.callID, AtMS: last[0].AtMS, Kind: store.EventScript,
			Text: fmt.Sprintf("%d lines are left out here", t.left)})
	}
	out = append(out, last...)
	t.lines, t.last, t.left = nil, nil, 0
	t.owed, t.settled = nil, nil
	return out
}

// owes notes that a message is still to come; t.mu is held.
func (t *timeline) owes(o owed) {
	if t.closed || len(t.owed) >= maxOwed {
		return
	}
	if t.owed == nil {
		t.owed = map[owed]struct{}{}
	}
	t.owed[o] = struct{}{}
}

// came notes that it is there and told.
func (t *timeline) came(o owed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.owed[o]; !ok {
		return
	}
	delete(t.owed, o)
	if len(t.owed) == 0 && t.settled != nil {
		t.settled()
		t.settled = nil
	}
}

// complete reports whether all messages have come; if not, settled is called once they have,
// with a lock held: it must not block.
func (t *timeline) complete(settled func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.owed) == 0 {
		return true
	}
	t.settled = settled
	return false
}

// note adds a line to the timeline. leg is a leg's name, or "" for the call as a whole.
func (c *Call) note(leg, kind, text string) {
	var n int64
	for _, l := range c.legs {
		if l.name() == leg {
			n = int64(l.seq) + 1
		}
	}
	c.timeline.add(n, kind, text, longestLine)
}
