package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tandem/store"
)

// base is the time at which test calls begin; a fixed one, so that failures repeat.
const base = 1_750_000_000_000

func newStore(t testing.TB, o Options) (*Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data", "tandem.db")
	return reopen(t, path, o), path
}

func reopen(t testing.TB, path string, o Options) *Store {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	if o.Node == "" {
		o.Node = "test"
	}
	s, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func flush(t testing.TB, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func testCall(n int) *store.Call {
	return &store.Call{
		ID: fmt.Sprintf("call%08d", n), StartMS: base + int64(n), State: store.StateOpen,
		FromUser: "1001", ToUser: "1002", Direction: store.Internal,
	}
}

func count(t testing.TB, db *sql.DB, query string, args ...any) int {
	t.Helper()
	var n int
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSchemaHasTheColumnsOfTheRows(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	for table, want := range map[string][]string{
		"calls": store.CallColumns(), "legs": store.LegColumns(), "events": store.EventColumns(),
	} {
		res, err := s.db.Query("SELECT name FROM pragma_table_info(?) ORDER BY cid", table)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for res.Next() {
			var name string
			if err := res.Scan(&name); err != nil {
				t.Fatal(err)
			}
			got = append(got, name)
		}
		if err := res.Close(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\n got %v\nwant %v", table, got, want)
		}
	}
	var journal string
	var sync int
	if err := s.db.QueryRow("PRAGMA journal_mode").Scan(&journal); err != nil || journal != "wal" {
		t.Errorf("journal_mode %q, %v", journal, err)
	}
	if err := s.db.QueryRow("PRAGMA synchronous").Scan(&sync); err != nil || sync != 2 {
		t.Errorf("synchronous %d (2 is FULL), %v", sync, err)
	}
}

func TestUnknownIsNull(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	s.Open(testCall(1))
	flush(t, s)
	if n := count(t, s.db, `SELECT count(*) FROM calls WHERE ring_ms IS NULL AND answer_ms IS NULL AND end_ms IS NULL
		AND pdd_ms IS NULL AND sip_code IS NULL AND q850_cause IS NULL AND vars IS NULL AND duration_ms = 0`); n != 1 {
		t.Error("what is not known of an open call should be NULL")
	}
	if n := count(t, s.db, "SELECT count(*) FROM calls WHERE node = 'test'"); n != 1 {
		t.Error("a call without a node should get the store's")
	}
}

func TestPageLooksNothingUpTwice(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	// A page by each indexed column must come in index order, without a sort of all matches.
	for _, f := range []store.Filter{
		{}, {From: "1001"}, {To: "1002"}, {User: "1001"}, {Trunk: "carrier"}, {State: store.StateBusy},
		{Flag: store.FlagOneWay}, {From: "1001", Since: time.UnixMilli(base), After: fmt.Sprintf("%d.x", base)},
	} {
		q, err := selection(f)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.db.Query("EXPLAIN QUERY PLAN SELECT c.id"+q.from()+q.where()+" ORDER BY "+q.order+".start_ms DESC, "+q.orderID()+" DESC LIMIT 1", q.args...)
		if err != nil {
			t.Fatal(err)
		}
		for res.Next() {
			var a, b, c int
			var detail string
			if err := res.Scan(&a, &b, &c, &detail); err != nil {
				t.Fatal(err)
			}
			if slices.Contains([]string{"USE TEMP B-TREE FOR ORDER BY", "SCAN c"}, detail) {
				t.Errorf("%+v: %s", f, detail)
			}
		}
		res.Close()
	}
}
