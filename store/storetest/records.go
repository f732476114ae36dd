package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"tandem/store"
)

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

func recordComesBackWhole(t *testing.T, open Opener) {
	s := open(t, Options{})
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

func pagesAreWholeAndInOrder(t *testing.T, open Opener) {
	s := open(t, Options{})
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

func prefixes(t *testing.T, open Opener) {
	s := open(t, Options{})
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

func usersAndMeta(t *testing.T, open Opener) {
	s := open(t, Options{})
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

func callIsUpdatedInPlace(t *testing.T, open Opener) {
	s := open(t, Options{})
	c := testCall(1)
	s.Open(c)
	flush(t, s)
	if rows, _, err := s.Calls(t.Context(), store.Filter{State: store.StateOpen}); err != nil || len(rows) != 1 {
		t.Errorf("open calls: %v %v", rows, err)
	}
	c.Trunk, c.State, c.Flags = "carrier", store.StateBusy, store.FlagSlowSetup
	s.Finish(c, nil, nil)
	c.ID = "the caller may use its copy again"
	flush(t, s)
	for _, f := range []store.Filter{{State: store.StateBusy}, {Trunk: "carrier"}, {Flag: store.FlagSlowSetup}} {
		if rows, _, err := s.Calls(t.Context(), f); err != nil || len(rows) != 1 || rows[0].ID != "call00000001" {
			t.Errorf("%+v: %v %v", f, rows, err)
		}
	}
	if rows, _, err := s.Calls(t.Context(), store.Filter{}); err != nil || len(rows) != 1 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func manyCallsAtOnce(t *testing.T, open Opener) {
	s := open(t, Options{})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				c := testCall(g*1000 + i)
				s.Open(c)
				c.State = store.StateAnswered
				s.Update(c)
				s.Finish(c, []store.Leg{{Seq: 1}, {Seq: 2}}, []store.Event{{Text: "x"}})
				if i%100 == 0 {
					if _, _, err := s.Calls(t.Context(), store.Filter{}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil { // without a Flush: Close writes what waits
		t.Fatal(err)
	}
	s = open(t, Options{})
	stats, err := s.Stats(t.Context(), store.Filter{}, store.ByUserAgent) // counts legs
	if err != nil || len(stats) != 1 || stats[0].Calls != 8000 {
		t.Errorf("legs: %+v, %v", stats, err)
	}
	n := 0
	if _, err := store.Each(t.Context(), s, store.Filter{State: store.StateAnswered}, func(*store.Call) error { n++; return nil }); err != nil || n != 4000 {
		t.Errorf("%d of 4000 calls, %v", n, err)
	}
}

// lostCalls: what a server of the same name left open is lost, what others have is theirs.
func lostCalls(t *testing.T, open Opener) {
	ours, theirs := testCall(1), testCall(2)
	ours.AnswerMS = ours.StartMS + 10
	a, b := open(t, Options{}), open(t, Options{Node: "elsewhere"}) // no servers: as if they had died
	a.Open(ours)
	b.Open(theirs)
	for _, s := range []store.Store{a, b} {
		flush(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, Options{Serve: true})
	c, _, _, err := s.Call(t.Context(), ours.ID)
	if err != nil || c.State != store.StateLost || c.ReleasedBy != store.BySystem || c.EndMS < ours.AnswerMS ||
		c.DurationMS != c.EndMS-c.StartMS || c.BillableMS != c.EndMS-c.AnswerMS {
		t.Errorf("%+v, %v", c, err)
	}
	if c, _, _, err := s.Call(t.Context(), theirs.ID); err != nil || c.State != store.StateOpen {
		t.Errorf("%+v, %v", c, err)
	}
	if stats, err := s.Stats(t.Context(), store.Filter{}, store.ByTrunk); err != nil || len(stats) != 1 || stats[0].Calls != 1 || stats[0].Answered != 1 {
		t.Errorf("statistics %+v, %v", stats, err)
	}
}

// whatHasEndedStaysSo: an older state that comes again changes nothing, the true end of a
// call that was taken for lost does.
func whatHasEndedStaysSo(t *testing.T, open Opener) {
	s := open(t, Options{})
	for n, states := range [][]string{
		{store.StateAnswered, store.StateOpen, store.StateAnswered},
		{store.StateBusy, store.StateLost, store.StateBusy},
		{store.StateLost, store.StateAnswered, store.StateAnswered},
	} {
		for _, state := range states[:2] {
			c := testCall(n)
			c.State = state
			s.Update(c)
			flush(t, s)
		}
		if c, _, _, err := s.Call(t.Context(), testCall(n).ID); err != nil || c.State != states[2] {
			t.Errorf("%v: %+v, %v", states, c, err)
		}
	}
	if stats, err := s.Stats(t.Context(), store.Filter{}, store.ByTrunk); err != nil || len(stats) != 1 || stats[0].Calls != 3 {
		t.Errorf("statistics %+v, %v", stats, err)
	}
}
