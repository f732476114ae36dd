package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"

	"tandem/store"
)

// TestFullOrLockedStoreSpools: records that the file does not take wait in the spool, those of
// a server that ends meanwhile for the next one.
func TestFullOrLockedStoreSpools(t *testing.T) {
	t.Parallel()
	for name, block := range map[string]func(t *testing.T, s *Store, path string) (release func()){
		"full": func(t *testing.T, s *Store, _ string) func() {
			limit := func(pages int) {
				if _, err := s.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
					t.Fatal(err)
				}
			}
			limit(count(t, s.db, "PRAGMA page_count"))
			return func() { limit(1_000_000) }
		},
		"locked": func(t *testing.T, _ *Store, path string) func() { return lockOut(t, path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "data", "tandem.db")
			o := Options{Serve: true, Spool: filepath.Join(filepath.Dir(path), "spool")}
			s := reopen(t, path, o)
			release := block(t, s, path)
			for i := range 300 {
				s.Open(testCall(i))
			}
			// The first few fit on pages that are there.
			waitFor(t, "the spool has the rest", func() bool { return s.Health().Spooled > 200 })
			for i := range 100 {
				c := testCall(i)
				c.State = store.StateAnswered
				s.Finish(c, []store.Leg{{Seq: 1}}, nil)
			}
			release()
			flush(t, s)
			if h := s.Health(); h.Spooled != 0 || h.SpooledBytes != 0 || h.Queued != 0 || h.Dropped+h.Shed != 0 {
				t.Errorf("health %+v", h)
			}
			for state, want := range map[string]int{store.StateOpen: 200, store.StateAnswered: 100} {
				if n := count(t, s.db, "SELECT count(*) FROM calls WHERE state = ?", state); n != want {
					t.Errorf("%d calls are %s, want %d", n, state, want)
				}
			}
		})
	}
}

// TestASpoolIsReadBeforeTheServerStarts: whoever asks after the start finds what was spooled.
func TestASpoolIsReadBeforeTheServerStarts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "tandem.db")
	o := Options{Serve: true, Spool: filepath.Join(filepath.Dir(path), "spool")}
	s := reopen(t, path, o)
	s.Open(testCall(1))
	s.Open(testCall(2))
	flush(t, s)
	release := lockOut(t, path)
	c := testCall(2)
	c.State, c.AnswerMS, c.EndMS = store.StateAnswered, c.StartMS+1, c.StartMS+2
	s.Finish(c, nil, nil)
	s.Open(testCall(3))
	waitFor(t, "the calls are in the spool", func() bool { return s.Health().Spooled >= 2 })
	if err := s.Close(); err != nil { // gives the lock a while, then leaves the spool as it is
		t.Fatal(err)
	}
	release()
	s = reopen(t, path, o)
	for id, want := range map[string]string{"call00000001": store.StateLost, "call00000002": store.StateAnswered, "call00000003": store.StateLost} {
		c, _, _, err := s.Call(t.Context(), id)
		if err != nil || c.State != want || want == store.StateLost && (c.EndMS < c.StartMS || c.ReleasedBy != store.BySystem) {
			t.Errorf("%s: %+v, %v, want %s", id, c, err, want)
		}
	}
	if stats, err := s.Stats(t.Context(), store.Filter{}, store.ByTrunk); err != nil || len(stats) != 1 || stats[0].Calls != 3 {
		t.Errorf("stats %+v, %v", stats, err)
	}
}
