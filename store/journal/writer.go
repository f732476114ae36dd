// Package journal stands between calls and a database: it takes what changes without
// making a call wait, gathers it into batches for one writer, and keeps on disk what the
// database does not take, until it does.
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tandem/store"
)

// Sink is the database. Both methods are called by one goroutine at a time.
type Sink interface {
	// Write writes entries, and that this node is alive, in one transaction. A state that
	// was written already does no harm when it comes again, even after a newer one: what
	// has ended never becomes open or lost.
	Write(ctx context.Context, batch []*Entry) error
	// Refused tells an entry that the database will never take from a database that fails.
	Refused(err error) bool
}

// Options of Start.
type Options struct {
	Log  *slog.Logger
	Node string // named in records that do not say theirs
	// QueueBytes bounds the memory of what waits to be written; 64 MiB if 0.
	QueueBytes int
	// Spool is a folder for what the database does not take in time; "" keeps it in memory.
	Spool string
	// SpoolBytes bounds the files in it; 256 MiB if 0.
	SpoolBytes int64
}

const (
	batchRows  = 1000                  // a batch is written when it has so many rows,
	batchWait  = 50 * time.Millisecond // or so long after the one before
	spoolAfter = 60 * time.Millisecond // the database has had so long: on to the spool
	spoolEvery = 20 * time.Millisecond // what comes meanwhile follows
	writeLimit = 30 * time.Second      // a batch that takes longer has failed
	closeWait  = 10 * time.Second      // for a database that fails while we close
	beatEvery  = 5 * time.Second       // "still alive" while calls are open
	syncEvery  = time.Second           // the spool
	retryFirst = 50 * time.Millisecond
	retryMost  = 5 * time.Second
)

// ErrClosed says that the writer has ended.
var ErrClosed = errors.New("the store is closed")

// Writer takes the records of calls and writes them to a Sink. It implements
// store.Journal. Its state but for queue and counts belongs to the goroutine run.
type Writer struct {
	q     *queue
	sink  Sink
	node  string
	log   *slog.Logger
	spool *spool // nil: there is none

	flushes chan flush
	results chan result
	stop    chan struct{}
	done    chan struct{}
	once    sync.Once

	busy     *job     // what the sink works on
	held     []*Entry // a batch that failed and is not in the spool
	failing  bool     // the last job failed
	pause    time.Duration
	retryAt  time.Time
	last     time.Time // when the last job ended
	beat     bool      // it is time to say that we live
	waiters  []flush
	closing  bool
	deadline time.Time // while closing
	left     int       // entries given up by Close

	written, retried atomic.Uint64
	mu               sync.Mutex
	err              error
	since            time.Time
	logged           time.Time
	spoolErr         error
	toldDropped      uint64
}

// job is a batch from the queue or a segment of the spool that is being written.
type job struct {
	batch   []*Entry
	segment *segment
	copied  *segment // where the batch lies as well, since it takes long
	began   time.Time
}

type result struct {
	written int
	err     error
}

// flush waits until every entry before seq is in the database.
type flush struct {
	seq  uint64
	done chan error
}

// Start begins to write to sink. What a process before this one left in the spool is
// written first.
func Start(sink Sink, o Options) (*Writer, error) {
	if o.QueueBytes == 0 {
		o.QueueBytes = 64 << 20
	}
	if o.SpoolBytes == 0 {
		o.SpoolBytes = 256 << 20
	}
	w := &Writer{
		q: newQueue(o.QueueBytes), sink: sink, node: o.Node, log: o.Log, pause: retryFirst,
		flushes: make(chan flush),
		results: make(chan result, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	if o.Spool != "" {
		var err error
		if w.spool, err = openSpool(o.Spool, o.SpoolBytes); err != nil {
			return nil, fmt.Errorf("spool %s: %w", o.Spool, err)
		}
		if n := w.spool.entries.Load(); n > 0 {
			w.log.Info("call records wait in the spool since before the start", "calls", n, "folder", o.Spool)
		}
	}
	go w.run()
	return w, nil
}

// Open begins the record of a call.
func (w *Writer) Open(c *store.Call) { w.put(c, nil, nil, opened) }

// Update replaces what is known of an open call.
func (w *Writer) Update(c *store.Call) { w.put(c, nil, nil, changed) }

// Finish closes the record.
func (w *Writer) Finish(c *store.Call, legs []store.Leg, events []store.Event) {
	w.put(c, legs, events, finished)
}

// put hands a change over. It does not block: cutting texts and a map entry, no disk.
func (w *Writer) put(c *store.Call, legs []store.Leg, events []store.Event, ch change) {
	e := &Entry{Call: *c, Legs: legs, Finished: ch == finished}
	if e.Call.Node == "" {
		e.Call.Node = w.node
	}
	e.callBytes = callSize + clipFields(e.Call.Fields())
	for i := range e.Legs {
		e.Legs[i].CallID = e.Call.ID
		e.legBytes += legSize + clipFields(e.Legs[i].Fields())
	}
	e.Events, e.eventBytes = clipEvents(events)
	w.q.put(e, ch)
}

// Flush returns when all that was handed over before is in the database. While that
// fails it waits until ctx ends, and its error says why.
func (w *Writer) Flush(ctx context.Context) error {
	w.q.mu.Lock()
	f := flush{seq: w.q.next, done: make(chan error, 1)}
	w.q.mu.Unlock()
	select {
	case w.flushes <- f:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), w.Health().Err)
	case <-w.done:
		return ErrClosed
	}
	select {
	case err := <-f.done:
		return err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), w.Health().Err)
	case <-w.done:
		return w.givenUp()
	}
}

// Close writes what waits, to the spool if the database does not take it, drops what comes
// later, and ends the goroutine. Closing again does nothing more.
func (w *Writer) Close() error {
	w.once.Do(func() {
		w.q.shut()
		close(w.stop)
	})
	<-w.done
	return w.givenUp()
}

func (w *Writer) givenUp() error {
	if w.left == 0 {
		return nil
	}
	return fmt.Errorf("%d call records could not be written: %w", w.left, w.Health().Err)
}

// Health is how writing goes.
func (w *Writer) Health() store.Health {
	w.q.mu.Lock()
	h := store.Health{
		Queued: len(w.q.order) + w.q.taken, QueuedBytes: w.q.bytes,
		Dropped: w.q.dropped, Shed: w.q.shed,
	}
	w.q.mu.Unlock()
	if w.spool != nil {
		h.Spooled, h.SpooledBytes = int(w.spool.entries.Load()), w.spool.bytes.Load()
	}
	h.Written, h.Retried = w.written.Load(), w.retried.Load()
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.Err = w.err; h.Err != nil {
		h.Since = w.since
	}
	return h
}
