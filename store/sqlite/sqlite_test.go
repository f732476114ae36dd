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

// fill gives every field a value of its own.
func fill(fields []store.Field, seed int) {
	for i, f := range fields {
		switch p := f.Ptr.(type) {
		case *string:
			*p = fmt.Sprintf("%s-%d 'ü\"☎", f.Name, seed)
			if f.Kind == store.JSON {
				*p = `{"n":1,"s":"'"}`
			}
		case *int64:
			*p = int64(seed*1000 + i + 1)
		case *float64:
			*p = float64(i) + 0.25
		}
	}
}

func TestRecordComesBackWhole(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	c := store.Call{}
	fill(c.Fields(), 1)
	legs := make([]store.Leg, 2)
	for i := range legs {
		fill(legs[i].Fields(), i+1)
		legs[i].CallID, legs[i].Seq = c.ID, int64(i+1)
	}
	events := []store.Event{
		{CallID: c.ID, AtMS: base, Leg: 1, Kind: store.EventSIP, Text: "INVITE sip:\"700'@x\\ ☎\n"},
		{CallID: c.ID, AtMS: base + 1, Kind: store.EventScript, Text: ""},
	}
	wantLegs, wantEvents := slices.Clone(legs), slices.Clone(events)
	s.Finish(&c, legs, events)
	flush(t, s)
	got, gotLegs, gotEvents, err := s.Call(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if *got != c {
		t.Errorf("call\n got %+v\nwant %+v", *got, c)
	}
	if !slices.Equal(gotLegs, wantLegs) {
		t.Errorf("legs\n got %+v\nwant %+v", gotLegs, wantLegs)
	}
	if !slices.Equal(gotEvents, wantEvents) {
		t.Errorf("events\n got %+v\nwant %+v", gotEvents, wantEvents)
	}
	if _, _, _, err := s.Call(t.Context(), "nobody"); err != store.ErrNotFound {
		t.Errorf("unknown id: %v", err)
	}
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

func TestPagesAreWholeAndInOrder(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	const total = 10_000
	for i := range total {
		c := testCall(i)
		c.StartMS = base + int64(i/7) // several begin in the same millisecond
		s.Open(c)
	}
	flush(t, s)
	seen := map[string]bool{}
	f := store.Filter{Limit: 77}
	var last *store.Call
	for page := 0; ; page++ {
		rows, next, err := s.Calls(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			c := &rows[i]
			if seen[c.ID] {
				t.Fatalf("%s came twice", c.ID)
			}
			seen[c.ID] = true
			if last != nil && (c.StartMS > last.StartMS || c.StartMS == last.StartMS && c.ID >= last.ID) {
				t.Fatalf("%s after %s", c.ID, last.ID)
			}
			last = c
		}
		if next == "" {
			break
		}
		if len(rows) != f.Limit {
			t.Fatalf("page %d has %d rows", page, len(rows))
		}
		// Calls that begin meanwhile do not move the pages.
		c := testCall(total + page)
		c.ID = fmt.Sprintf("later%d", page)
		s.Open(c)
		flush(t, s)
		f.After = next
	}
	if len(seen) != total {
		t.Errorf("saw %d of %d", len(seen), total)
	}
	n := 0
	next, err := store.Each(t.Context(), s, store.Filter{Limit: 2500}, func(*store.Call) error { n++; return nil })
	if err != nil || n != 2500 || next == "" {
		t.Errorf("Each gave %d rows, next %q, %v", n, next, err)
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

func TestPrefixes(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	for _, id := range []string{"0199aaaa1111", "0199aaaa2222", "0199aaaa2223", "77", "bbbbbbbbcccc"} {
		c := testCall(0)
		c.ID = id
		s.Open(c)
	}
	flush(t, s)
	got, err := s.Shorten(t.Context(), []string{"0199aaaa1111", "0199aaaa2222", "0199aaaa2223", "77", "bbbbbbbbcccc"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"0199aaaa1", "0199aaaa2222", "0199aaaa2223", "77", "bbbbbbbb"}; !slices.Equal(got, want) {
		t.Errorf("short ids %v, want %v", got, want)
	}
	for _, c := range []struct {
		prefix string
		want   []string
	}{
		{"0199aaaa2", []string{"0199aaaa2222", "0199aaaa2223"}},
		{"7", []string{"77"}},
		{"x", nil},
		{"%", nil},
	} {
		if got, err := s.Match(t.Context(), c.prefix, 2); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("Match(%q) = %v, %v, want %v", c.prefix, got, err, c.want)
		}
	}
}

func TestUsersAndMeta(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	ctx := t.Context()
	for _, u := range []store.User{
		{Name: "1002", Realm: "tandem", HA1: "aa", HA1SHA256: "bb"},
		{Name: "1001", Display: "Alice", Realm: "tandem", HA1: "cc", HA1SHA256: "dd"},
		{Name: "1002", Display: "Bob", Realm: "tandem", HA1: "ee", HA1SHA256: "ff"},
	} {
		if err := s.PutUser(ctx, u); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Users(ctx)
	want := []store.User{
		{Name: "1001", Display: "Alice", Realm: "tandem", HA1: "cc", HA1SHA256: "dd"},
		{Name: "1002", Display: "Bob", Realm: "tandem", HA1: "ee", HA1SHA256: "ff"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("users %+v, %v", got, err)
	}
	if err := s.DeleteUser(ctx, "1001"); err != nil {
		t.Error(err)
	}
	if err := s.DeleteUser(ctx, "1001"); err != store.ErrNotFound {
		t.Errorf("deleted again: %v", err)
	}
	if _, err := s.Meta(ctx, "k"); err != store.ErrNotFound {
		t.Errorf("missing key: %v", err)
	}
	if err := s.SetMeta(ctx, "k", "1"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetMeta(ctx, "k", "2"); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Meta(ctx, "k"); v != "2" || err != nil {
		t.Errorf("meta %q, %v", v, err)
	}
}
