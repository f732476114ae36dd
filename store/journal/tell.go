package journal

import "time"

// tellEvery bounds how often a trouble that lasts is logged.
const tellEvery = 10 * time.Second

// report keeps the state for Health and logs its changes.
func (w *Writer) report(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil && w.err != nil:
		w.log.Info("call records are written again", "after", now.Sub(w.since).Round(time.Millisecond))
	case err != nil && (w.err == nil || now.Sub(w.logged) > tellEvery):
		where := "in memory"
		if w.spool != nil {
			where = w.spool.dir
		}
		w.log.Error("cannot write call records; they are kept and tried again", "error", err, "kept", where)
		w.logged = now
	}
	if err != nil && w.err == nil {
		w.since = now
	}
	w.err = err
}

// cannotSpool tells whether err is one, and logs the first of a row.
func (w *Writer) cannotSpool(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && w.spoolErr == nil {
		w.log.Error("call records cannot be spooled; they wait in memory, and beyond that are lost",
			"folder", w.spool.dir, "error", err, "spooled", w.spool.entries.Load(), "bytes", w.spool.bytes.Load())
	}
	w.spoolErr = err
	return err != nil
}

// tellDropped logs what was lost for want of room since it last did.
func (w *Writer) tellDropped() {
	h := w.Health()
	if lost := h.Dropped + h.Shed; lost > w.toldDropped {
		w.log.Error("call records were lost: the disk is too slow or full, and what may wait for it with it",
			"changes_lost", h.Dropped, "timelines_lost", h.Shed)
		w.toldDropped = lost
	}
}
