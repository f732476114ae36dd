package sqlite

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

// entry is what is to be written of one call; later changes fold into it.
type entry struct {
	call     store.Call
	legs     []store.Leg
	events   []store.Event
	finished bool

	callBytes, legBytes, eventBytes int
}

func (e *entry) bytes() int { return e.callBytes + e.legBytes + e.eventBytes }

// details takes over what an older state of the same call brought when it ended.
func (e *entry) details(from *entry) {
	e.legs, e.events, e.finished = from.legs, from.events, from.finished
	e.legBytes, e.eventBytes = from.legBytes, from.eventBytes
}

func (e *entry) rows() int {
	n := 1 + len(e.legs)
	if len(e.events) > 0 {
		n++
	}
	return n
}

// queue holds what waits to be written, oldest first, one entry a call. Memory is
// bounded: from three quarters of the limit on, only calls that end are taken, without
// their timelines; at the limit, nothing.
type queue struct {
	mu     sync.Mutex
	byID   map[string]*entry
	order  []*entry
	rows   int
	bytes  int // of entries here and of those taken and not yet written
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
		byID:  map[string]*entry{},
		limit: limit,
		wake:  make(chan struct{}, 1),
		full:  make(chan struct{}, 1),
	}
}

// put takes e or counts it as dropped.
func (q *queue) put(e *entry, c change) {
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
		if q.bytes+e.bytes() > most && len(e.events) > 0 {
			e.events, e.eventBytes = nil, 0
			q.shed++
		}
		most = q.limit
	}
	old := q.byID[e.call.ID]
	if q.closed || (q.bytes+e.bytes() > most && (old == nil || e.bytes() > old.bytes())) {
		q.dropped++
		return
	}
	if old != nil {
		q.fold(old, e)
	} else {
		q.byID[e.call.ID] = e
		q.order = append(q.order, e)
		q.rows += e.rows()
		q.bytes += e.bytes()
	}
	signal(q.wake)
	if q.rows >= batchRows {
		signal(q.full)
	}
}

// fold puts the newer state into old, which keeps its place.
func (q *queue) fold(old, e *entry) {
	q.rows -= old.rows()
	q.bytes -= old.bytes()
	if !e.finished && old.finished {
		e.details(old)
	}
	*old = *e
	q.rows += old.rows()
	q.bytes += old.bytes()
}

// take removes up to a batch of the oldest entries; their memory counts until done or back.
func (q *queue) take() []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, rows := 0, 0
	for n < len(q.order) && rows < batchRows {
		rows += q.order[n].rows()
		n++
	}
	batch := make([]*entry, n)
	copy(batch, q.order)
	kept := copy(q.order, q.order[n:])
	clear(q.order[kept:])
	q.order = q.order[:kept]
	for _, e := range batch {
		delete(q.byID, e.call.ID)
	}
	q.rows -= rows
	q.taken = n
	if kept > 0 {
		signal(q.wake)
	}
	if q.rows >= batchRows {
		signal(q.full)
	}
	return batch
}

// done forgets a batch that is on disk.
func (q *queue) done(batch []*entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range batch {
		q.bytes -= e.bytes()
	}
	q.taken -= len(batch)
}

// lose forgets an entry that can never be written.
func (q *queue) lose(e *entry) {
	q.done([]*entry{e})
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped++
}

// back returns a batch that could not be written to the front. Where the call has
// changed meanwhile, the newer state stays and takes over the details it lacks.
func (q *queue) back(batch []*entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	front := make([]*entry, 0, len(batch)+len(q.order))
	for _, e := range batch {
		newer := q.byID[e.call.ID]
		if newer == nil {
			q.byID[e.call.ID] = e
			q.rows += e.rows()
			front = append(front, e)
			continue
		}
		q.bytes -= e.bytes()
		if e.finished && !newer.finished {
			q.rows -= newer.rows()
			newer.details(e)
			q.bytes += e.legBytes + e.eventBytes
			q.rows += newer.rows()
		}
	}
	q.order = append(front, q.order...)
	q.taken -= len(batch)
	signal(q.wake)
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.order)
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
