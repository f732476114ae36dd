package journal

import (
	"sync"

	"tandem/store"
)

type change int

const (
	opened change = iota
	changed
	finished
)

// About what a row takes in memory besides its texts.
const (
	callSize  = 640
	legSize   = 400
	eventSize = 72
)

// Entry is what is to be written of one call; later changes fold into it.
type Entry struct {
	Call     store.Call
	Legs     []store.Leg
	Events   []store.Event
	Finished bool // Legs and Events are whole, however few they are

	seq                             uint64 // its place in the order of arrival
	callBytes, legBytes, eventBytes int
}

func (e *Entry) bytes() int { return e.callBytes + e.legBytes + e.eventBytes }

// details takes over what an older state of the same call brought when it ended.
func (e *Entry) details(from *Entry) {
	e.Legs, e.Events, e.Finished = from.Legs, from.Events, from.Finished
	e.legBytes, e.eventBytes = from.legBytes, from.eventBytes
}

// fold makes old the newer state e of the same call; old keeps its place.
func (old *Entry) fold(e *Entry) {
	if !e.Finished && old.Finished {
		e.details(old)
	}
	e.seq = old.seq
	*old = *e
}

func (e *Entry) rows() int {
	n := 1 + len(e.Legs)
	if len(e.Events) > 0 {
		n++
	}
	return n
}

// queue holds what waits in memory, oldest first, one entry a call. Memory is bounded:
// from three quarters of the limit on, only calls that end are taken, without their
// timelines; at the limit, nothing.
type queue struct {
	mu     sync.Mutex
	byID   map[string]*Entry
	order  []*Entry
	next   uint64 // the seq of the next entry
	rows   int
	bytes  int // of entries here and of those taken and not yet settled
	limit  int
	taken  int // entries
	closed bool
	open   int // calls opened and not finished

	dropped, shed uint64

	wake chan struct{} // has a token while entries wait
	full chan struct{} // has a token while a whole batch waits
}

func newQueue(limit int) *queue {
	return &queue{
		byID:  map[string]*Entry{},
		next:  1,
		limit: limit,
		wake:  make(chan struct{}, 1),
		full:  make(chan struct{}, 1),
	}
}

// put takes e or counts it as dropped.
func (q *queue) put(e *Entry, c change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch c {
	case opened:
		q.open++
	case finished:
		q.open--
	}
	most := q.limit - q.limit/4
	if c == finished {
		if q.bytes+e.bytes() > most && len(e.Events) > 0 {
			e.Events, e.eventBytes = nil, 0
			q.shed++
		}
		most = q.limit
	}
	old := q.byID[e.Call.ID]
	if q.closed || (q.bytes+e.bytes() > most && (old == nil || e.bytes() > old.bytes())) {
		q.dropped++
		return
	}
	if old != nil {
		q.rows -= old.rows()
		q.bytes -= old.bytes()
		old.fold(e)
		e = old
	} else {
		e.seq = q.next
		q.next++
		q.byID[e.Call.ID] = e
		q.order = append(q.order, e)
	}
	q.rows += e.rows()
	q.bytes += e.bytes()
	signal(q.wake)
	if q.rows >= batchRows {
		signal(q.full)
	}
}

// take removes up to a batch of the oldest entries; their memory counts until done.
func (q *queue) take() []*Entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, rows := 0, 0
	for n < len(q.order) && rows < batchRows {
		rows += q.order[n].rows()
		n++
	}
	batch := make([]*Entry, n)
	copy(batch, q.order)
	kept := copy(q.order, q.order[n:])
	clear(q.order[kept:])
	q.order = q.order[:kept]
	for _, e := range batch {
		delete(q.byID, e.Call.ID)
	}
	q.rows -= rows
	q.taken += n
	return batch
}

// done forgets a batch that is on disk.
func (q *queue) done(batch []*Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range batch {
		q.bytes -= e.bytes()
	}
	q.taken -= len(batch)
}

// lost counts n changes that can never be written.
func (q *queue) lost(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped += uint64(n)
}

// waiting is the number of entries, and whether they make a whole batch.
func (q *queue) waiting() (n int, whole bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.order), q.rows >= batchRows
}

// oldest is the seq of the first entry, or of the next to come.
func (q *queue) oldest() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.order) > 0 {
		return q.order[0].seq
	}
	return q.next
}

func (q *queue) openCalls() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.open
}

// shut makes put drop from now on.
func (q *queue) shut() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
