package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"

	"tandem/store"
)

// writer is the goroutine that writes the queue in batches, one transaction each.
type writer struct {
	q     *queue
	db    *sql.DB
	node  string
	log   *slog.Logger
	stmts statements

	flushes chan chan error
	stop    chan struct{}
	done    chan struct{}
	once    sync.Once
	left    int       // entries given up by close
	last    time.Time // when the last batch was written

	written, retried atomic.Uint64
	mu               sync.Mutex
	err              error
	since            time.Time
	logged           time.Time
	toldDropped      uint64
}

func startWriter(ctx context.Context, db *sql.DB, o Options) (*writer, error) {
	w := &writer{
		q: newQueue(o.QueueBytes), db: db, node: o.Node, log: o.Log,
		flushes: make(chan chan error),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	if err := w.stmts.prepare(ctx, db); err != nil {
		return nil, err
	}
	go w.run()
	return w, nil
}

// put hands a change over. It does not block: cutting texts and a map entry, no disk.
func (w *writer) put(c *store.Call, legs []store.Leg, events []store.Event, ch change) {
	e := &entry{call: *c, legs: legs, finished: ch == finished}
	if e.call.Node == "" {
		e.call.Node = w.node
	}
	e.callBytes = callSize + clipFields(e.call.Fields())
	for i := range e.legs {
		e.legs[i].CallID = e.call.ID
		e.legBytes += legSize + clipFields(e.legs[i].Fields())
	}
	e.events, e.eventBytes = clipEvents(events)
	w.q.put(e, ch)
}

func (w *writer) run() {
	defer close(w.done)
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-w.q.wake:
			w.gather()
			w.drain()
			w.last = time.Now()
		case waiter := <-w.flushes:
			waiter <- w.drain()
		case <-beat.C:
			if w.q.openCalls() > 0 {
				w.writeBatch(nil)
			}
			w.tellDropped()
		case <-w.stop:
			w.drain()
			w.left = w.q.len()
			return
		}
	}
}

// gather lets a batch fill up, unless nothing was written for as long as that takes: on a
// quiet server a record can be read as soon as its call has ended.
func (w *writer) gather() {
	pause := batchWait - time.Since(w.last)
	if pause <= 0 {
		return
	}
	wait := time.NewTimer(pause)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-w.q.full:
	case waiter := <-w.flushes:
		waiter <- w.drain()
	case <-w.stop:
	}
}

// drain writes what is queued now, and tries again while it fails. When the store is
// closing it gives up after closeWait, with the error.
func (w *writer) drain() error {
	pause := retryFirst
	var deadline time.Time
	for n := w.q.len(); n > 0; {
		batch := w.q.take()
		if len(batch) == 0 { // entries put back were folded into newer ones
			break
		}
		err := w.settle(batch)
		if err == nil {
			n -= len(batch)
			pause = retryFirst
			continue
		}
		if w.stopped() {
			if deadline.IsZero() {
				deadline = time.Now().Add(closeWait)
			}
			if time.Now().After(deadline) {
				return err
			}
		}
		w.tellDropped()
		w.sleep(pause)
		pause = min(2*pause, retryMost)
	}
	return nil
}

// settle writes a batch or puts it back. Where SQLite refuses a row, the batch is
// written one by one, so that the row holds up no other; it alone is lost and logged.
func (w *writer) settle(batch []*entry) error {
	err := w.writeBatch(batch)
	switch {
	case err == nil:
		w.q.done(batch)
		w.written.Add(uint64(len(batch)))
		return nil
	case !refused(err):
		w.q.back(batch)
		w.retried.Add(1)
		return err
	case len(batch) == 1:
		w.q.lose(batch[0])
		w.log.Error("a call record was refused and is lost", "call", batch[0].call.ID, "error", err)
		return nil
	}
	for i := range batch {
		if err := w.settle(batch[i : i+1]); err != nil {
			w.q.back(batch[i+1:])
			return err
		}
	}
	return nil
}

// refused tells rows that SQLite will never take from a disk that fails or is locked.
func refused(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case sqlite3.ErrConstraint, sqlite3.ErrTooBig, sqlite3.ErrMismatch, sqlite3.ErrRange:
		return true
	}
	return false
}

func (w *writer) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// sleep pauses between attempts; stop cuts it short once, then it is a short pause.
func (w *writer) sleep(d time.Duration) {
	if w.stopped() {
		time.Sleep(min(d, time.Second))
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.stop:
	}
}

// writeBatch writes entries, and that this node is alive, in one transaction.
func (w *writer) writeBatch(batch []*entry) error {
	err := w.transact(batch)
	if !refused(err) {
		w.report(err, len(batch))
	}
	return err
}

func (w *writer) transact(batch []*entry) error {
	ctx := context.Background()
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	in := w.stmts.within(ctx, tx)
	for _, e := range batch {
		if err := in.write(ctx, e); err != nil {
			return fmt.Errorf("call %s: %w", e.call.ID, err)
		}
	}
	if _, err := in.meta.ExecContext(ctx, aliveKey(w.node), time.Now().UnixMilli()); err != nil {
		return err
	}
	return tx.Commit()
}

// report keeps the state for health and logs its changes, and at most every 10 s that it lasts.
func (w *writer) report(err error, calls int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil && w.err != nil:
		w.log.Info("call records are written again", "after", now.Sub(w.since).Round(time.Millisecond))
	case err != nil && (w.err == nil || now.Sub(w.logged) > 10*time.Second):
		w.log.Error("cannot write call records; they wait in memory and are tried again", "error", err, "calls", calls)
		w.logged = now
	}
	if err != nil && w.err == nil {
		w.since = now
	}
	w.err = err
}

// tellDropped logs what was lost for want of room since it last did.
func (w *writer) tellDropped() {
	h := w.health()
	if lost := h.Dropped + h.Shed; lost > w.toldDropped {
		w.log.Error("call records were lost: the disk is too slow or full, and the queue with it",
			"changes_lost", h.Dropped, "timelines_lost", h.Shed)
		w.toldDropped = lost
	}
}

func (w *writer) health() store.Health {
	w.q.mu.Lock()
	h := store.Health{
		Queued: len(w.q.order) + w.q.taken, QueuedBytes: w.q.bytes,
		Dropped: w.q.dropped, Shed: w.q.shed,
	}
	w.q.mu.Unlock()
	h.Written, h.Retried = w.written.Load(), w.retried.Load()
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.Err = w.err; h.Err != nil {
		h.Since = w.since
	}
	return h
}

func (w *writer) flush(ctx context.Context) error {
	waiter := make(chan error, 1)
	select {
	case w.flushes <- waiter:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), w.health().Err)
	case <-w.done:
		return sql.ErrConnDone
	}
	select {
	case err := <-waiter:
		return err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), w.health().Err)
	case <-w.done:
		return w.givenUp()
	}
}

// close writes what is queued, drops what comes later, and ends the goroutine.
func (w *writer) close() error {
	w.once.Do(func() {
		w.q.shut()
		close(w.stop)
	})
	<-w.done
	w.tellDropped()
	w.stmts.close()
	return w.givenUp()
}

func (w *writer) givenUp() error {
	if w.left == 0 {
		return nil
	}
	return fmt.Errorf("%d call records could not be written: %w", w.left, w.health().Err)
}
