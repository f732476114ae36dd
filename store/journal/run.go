package journal

import (
	"context"
	"time"
)

// run gives the sink one job after the other. While one takes long or fails, what waits in
// memory goes to the spool; and as long as the spool holds anything, it is older than what
// is in memory and is written first.
func (w *Writer) run() {
	defer close(w.done)
	beat, sync := time.NewTicker(beatEvery), time.NewTicker(syncEvery)
	defer beat.Stop()
	defer sync.Stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	stop := w.stop
	for {
		w.divert()
		w.start()
		w.release()
		if w.ended() {
			return
		}
		wake := w.q.wake
		if pause, ok := w.pauseNow(); ok {
			timer.Reset(pause)
			wake = nil // the timer looks after what comes meanwhile
		}
		select {
		case <-wake:
		case <-w.q.full:
		case <-timer.C:
		case r := <-w.results:
			w.settle(r)
		case f := <-w.flushes:
			w.waiters = append(w.waiters, f)
		case <-beat.C:
			w.beat = true
			w.tellDropped()
		case <-sync.C:
			if w.spool != nil {
				w.spool.sync()
			}
		case <-stop:
			stop = nil
			w.closing, w.deadline = true, time.Now().Add(closeWait)
		}
	}
}

// pauseNow is how long to wait at most until there is something to do, if more is known
// than that anything may come.
func (w *Writer) pauseNow() (time.Duration, bool) {
	waiting, _ := w.q.waiting()
	switch {
	case w.busy != nil:
		if first := spoolAfter - time.Since(w.busy.began); first > 0 {
			return first, true
		}
		return spoolEvery, true
	case w.failing:
		return max(time.Millisecond, min(spoolEvery, time.Until(w.retryAt))), true
	case waiting > 0:
		return max(time.Millisecond, batchWait-time.Since(w.last)), true
	}
	return 0, false
}

// start begins the next job, if there is one and nothing else is at work.
func (w *Writer) start() {
	if w.busy != nil || w.failing && time.Now().Before(w.retryAt) {
		return
	}
	j := &job{began: time.Now()}
	waiting, whole := w.q.waiting()
	switch {
	case w.spool != nil && w.spool.len() > 0:
		j.segment = w.spool.oldest()
	case w.held != nil:
		j.batch, w.held = w.held, nil
	case waiting > 0 && (whole || w.closing || len(w.waiters) > 0 || time.Since(w.last) >= batchWait):
		// A quiet server does not wait for a batch: a record can be read as its call ends.
		j.batch = w.q.take()
	case w.beat && w.q.openCalls() > 0, w.failing: // asks whether the database is back
	default:
		w.beat = false
		return
	}
	w.beat = false
	w.busy = j
	probe := w.failing
	go func() { w.results <- w.work(j.batch, j.segment, probe) }()
}

// work writes a batch or a segment; it runs beside run. A segment is only read when the
// database answers.
func (w *Writer) work(batch []*Entry, seg *segment, probe bool) result {
	if seg == nil {
		return w.write(batch)
	}
	if probe {
		if err := w.writeOnce(nil); err != nil {
			return result{err: err}
		}
	}
	entries, broken, err := seg.read()
	if err != nil {
		return result{err: err}
	}
	if broken > 0 {
		w.log.Error("a spool file is damaged; what can be read of it is kept", "file", seg.path, "bytes_lost", broken)
	}
	total := 0
	for len(entries) > 0 {
		n, rows := 0, 0
		for n < len(entries) && rows < batchRows {
			rows += entries[n].rows()
			n++
		}
		r := w.write(entries[:n])
		total += r.written
		if r.err != nil {
			return result{total, r.err}
		}
		entries = entries[n:]
	}
	return result{written: total}
}

// write writes a batch. Where the database refuses an entry, the batch is written one by
// one, so that the entry holds up no other; it alone is lost and logged.
func (w *Writer) write(batch []*Entry) result {
	err := w.writeOnce(batch)
	switch {
	case err == nil:
		return result{written: len(batch)}
	case !w.sink.Refused(err):
		return result{err: err}
	case len(batch) < 2:
		w.q.lost(len(batch))
		for _, e := range batch {
			w.log.Error("a call record was refused and is lost", "call", e.Call.ID, "error", err)
		}
		return result{}
	}
	total := 0
	for i := range batch {
		r := w.write(batch[i : i+1])
		total += r.written
		if r.err != nil {
			return result{total, r.err}
		}
	}
	return result{written: total}
}

func (w *Writer) writeOnce(batch []*Entry) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	return w.sink.Write(ctx, batch)
}

// settle ends the job: what is written is forgotten, what is not stays in the spool or is held.
func (w *Writer) settle(r result) {
	j := w.busy
	w.busy, w.last = nil, time.Now()
	w.written.Add(uint64(r.written))
	w.report(r.err)
	if r.err == nil {
		w.failing, w.pause = false, retryFirst
		w.q.done(j.batch)
		w.forget(j.segment)
		w.forget(j.copied)
		return
	}
	w.retried.Add(1)
	w.failing, w.retryAt = true, w.last.Add(w.pause)
	w.pause = min(2*w.pause, retryMost)
	switch {
	case j.copied != nil:
		w.q.done(j.batch)
	case len(j.batch) > 0:
		w.held = j.batch
	}
	w.tellDropped()
}

func (w *Writer) forget(seg *segment) {
	if seg == nil {
		return
	}
	if err := w.spool.remove(seg); err != nil {
		w.log.Warn("a spool file that has been read cannot be removed", "error", err)
	}
}

// divert puts what waits into the spool while the database fails or takes long.
func (w *Writer) divert() {
	slow := w.busy != nil && time.Since(w.busy.began) >= spoolAfter
	if w.spool == nil || !slow && !w.failing {
		return
	}
	if j := w.busy; j != nil && len(j.batch) > 0 && j.copied == nil {
		seg, err := w.spool.copy(j.batch)
		if w.cannotSpool(err) {
			return
		}
		j.copied = seg
	}
	if w.held != nil {
		if w.cannotSpool(w.spool.append(w.held)) {
			return
		}
		w.q.done(w.held)
		w.held = nil
	}
	for {
		batch := w.q.take()
		if len(batch) == 0 {
			return
		}
		if w.cannotSpool(w.spool.append(batch)) {
			w.held = batch
			return
		}
		w.q.done(batch)
	}
}

// release ends the flushes whose entries are all in the database.
func (w *Writer) release() {
	if len(w.waiters) == 0 {
		return
	}
	oldest := w.q.oldest()
	if len(w.held) > 0 {
		oldest = min(oldest, w.held[0].seq)
	}
	if w.busy != nil && len(w.busy.batch) > 0 {
		oldest = min(oldest, w.busy.batch[0].seq)
	}
	if w.spool != nil && w.spool.len() > 0 {
		oldest = min(oldest, w.spool.segments[0].first)
	}
	kept := w.waiters[:0]
	for _, f := range w.waiters {
		if oldest < f.seq {
			kept = append(kept, f)
			continue
		}
		f.done <- nil
	}
	clear(w.waiters[len(kept):])
	w.waiters = kept
}

// ended tells whether all is done that a Close waits for, and leaves things in order then.
func (w *Writer) ended() bool {
	if !w.closing {
		return false
	}
	waiting, _ := w.q.waiting()
	spooled := w.spool != nil && w.spool.len() > 0
	inMemory := waiting + len(w.held)
	if w.busy != nil && w.busy.copied == nil {
		inMemory += len(w.busy.batch)
	}
	late := time.Now().After(w.deadline)
	switch {
	case !late && (inMemory > 0 || w.busy != nil):
		return false
	case !late && spooled && !w.failing:
		return false
	}
	w.left = inMemory
	if w.spool != nil {
		if n := w.spool.entries.Load(); n > 0 {
			w.log.Warn("call records stay in the spool and go in at the next start", "calls", n, "folder", w.spool.dir)
		}
		if err := w.spool.close(); err != nil {
			w.log.Warn("the spool does not close", "error", err)
		}
	}
	w.tellDropped()
	return true
}
