package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"tandem/store"
	"tandem/store/journal"
)

// lockOut holds the write lock of the store from another connection, as a disk that
// does not answer, until release is called.
func lockOut(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := connect(path, writing, 1)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(context.Background(), nil) // immediate
	if err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		tx.Rollback()
		db.Close()
	})
	t.Cleanup(release)
	return release
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestChangesFold(t *testing.T) {
	t.Parallel()
	s, path := newStore(t, Options{})
	release := lockOut(t, path)
	for i := range 100 {
		c := testCall(i)
		s.Open(c)
		c.RingMS = c.StartMS + 5
		s.Update(c)
		c.AnswerMS = c.StartMS + 10
		s.Update(c)
		c.State, c.EndMS = store.StateAnswered, c.StartMS+20
		s.Finish(c, []store.Leg{{Seq: 1}}, []store.Event{{AtMS: c.StartMS}})
	}
	// The first change of all may be on its way to the disk already: one entry of its own.
	if h := s.Health(); h.Queued != 100 && h.Queued != 101 {
		t.Errorf("%d entries queued for 100 calls", h.Queued)
	}
	release()
	flush(t, s)
	h := s.Health()
	if h.Written != 100 && h.Written != 101 || h.Queued != 0 || h.QueuedBytes != 0 || h.Dropped != 0 {
		t.Errorf("health %+v", h)
	}
	if n := count(t, s.db, "SELECT count(*) FROM calls WHERE state = 'answered' AND answer_ms = start_ms + 10"); n != 100 {
		t.Errorf("%d calls are answered", n)
	}
	if n := count(t, s.db, "SELECT count(*) FROM legs JOIN events USING (call_id)"); n != 100 {
		t.Errorf("%d calls have their details", n)
	}
}

func TestRowsWaitForTheirBatchNotLonger(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	s.Open(testCall(1))
	waitFor(t, "a row without a flush", func() bool { return s.Health().Written == 1 })
}

func isFull(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrFull
}

// A disk that is full is SQLite's own limit on pages here: the same error, from the same place.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	pages := count(t, s.db, "PRAGMA page_count")
	if _, err := s.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages+2)); err != nil {
		t.Fatal(err)
	}
	const calls = 2000
	for i := range calls {
		c := testCall(i)
		s.Open(c)
		c.State = store.StateAnswered
		s.Finish(c, nil, []store.Event{{Text: strings.Repeat("x", 100)}})
	}
	waitFor(t, "an error in Health", func() bool {
		h := s.Health()
		return isFull(h.Err) && !h.Since.IsZero() && h.Retried > 1
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) || !isFull(err) {
		t.Errorf("flush on a full disk: %v", err)
	}
	if _, err := s.db.Exec("PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	if h := s.Health(); h.Err != nil || h.Written != calls && h.Written != calls+1 || h.Queued != 0 || h.QueuedBytes != 0 {
		t.Errorf("health %+v", h)
	}
	if n := count(t, s.db, "SELECT count(*) FROM calls JOIN timelines ON id = call_id WHERE state = 'answered'"); n != calls {
		t.Errorf("%d calls of %d", n, calls)
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	s, path := newStore(t, Options{QueueBytes: limit})
	release := lockOut(t, path)
	began := time.Now()
	for i := range 20_000 {
		c := testCall(i)
		s.Open(c)
		c.State = store.StateAnswered
		s.Finish(c, nil, []store.Event{{Text: strings.Repeat("x", 100)}})
	}
	if took := time.Since(began); took > lockWait {
		t.Errorf("handing rows over took %s: it waited for the disk", took)
	}
	h := s.Health()
	if h.QueuedBytes > limit || h.Dropped == 0 || h.Shed == 0 {
		t.Errorf("health %+v", h)
	}
	release()
	flush(t, s)
	after := s.Health()
	if after.QueuedBytes != 0 || after.Queued != 0 || after.Written != uint64(h.Queued) {
		t.Errorf("queued %d, then %+v", h.Queued, after)
	}
	// From three quarters on, only calls that have ended are taken.
	if n := count(t, s.db, "SELECT count(*) FROM calls WHERE state = 'open'"); n != 0 {
		t.Errorf("%d calls were kept open though their end was known", n)
	}
	if n := count(t, s.db, "SELECT count(*) FROM calls"); n != h.Queued && n != h.Queued-1 { // the first may have been on its way, and queued again at its end
		t.Errorf("%d rows of %d queued", n, h.Queued)
	}
}

func TestRefusedRowHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	if _, err := s.db.Exec("CREATE TRIGGER no BEFORE INSERT ON calls WHEN new.to_user = 'bad' BEGIN SELECT raise(ABORT, 'no'); END"); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		c := testCall(i)
		if i%10 == 3 {
			c.ToUser = "bad"
		}
		s.Open(c)
	}
	flush(t, s)
	if h := s.Health(); h.Written != 90 || h.Dropped != 10 || h.Queued != 0 || h.QueuedBytes != 0 || h.Err != nil {
		t.Errorf("health %+v", h)
	}
}

func TestNothingIsTakenAfterClose(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.Open(testCall(1)) // a call that ends after us: counted, no panic
	if h := s.Health(); h.Dropped != 1 {
		t.Errorf("health %+v", h)
	}
	if err := s.Flush(t.Context()); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("flush: %v", err)
	}
}
