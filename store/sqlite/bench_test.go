package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"tandem/store"
	"tandem/store/journal"
)

// finishedCall is what a bridged call leaves: a row, two legs and a timeline.
func finishedCall(n int) (*store.Call, []store.Leg, []store.Event) {
	c := testCall(n)
	c.ID = fmt.Sprintf("%012x%08x", c.StartMS, n*2654435761&0xffffffff) // in order of time, as ours are
	c.FromHost, c.ToHost, c.Source, c.AuthUser = "192.0.2.10", "tandem", "udp:192.0.2.10:5060", "1001"
	c.FromUser, c.ToUser = fmt.Sprint(1000+n%500), fmt.Sprintf("+4420718%05d", n%90000)
	c.Script, c.Generation, c.Direction, c.Trunk = "50-main.lua", 1, store.Outbound, "carrier"
	c.RingMS, c.AnswerMS, c.EndMS = c.StartMS+100, c.StartMS+3000, c.StartMS+63000
	c.DurationMS, c.BillableMS, c.PDDMS = 63000, 60000, 100
	c.State, c.SIPCode, c.Q850Cause, c.ReleasedBy = store.StateAnswered, 200, 16, store.ByCaller
	legs := make([]store.Leg, 2)
	for i := range legs {
		legs[i] = store.Leg{Seq: int64(i + 1), SIPCallID: c.ID + "@tandem", Remote: "udp:192.0.2.10:5060", UserAgent: "Phone 1.0",
			Codec: "pcmu", MediaMode: "relay", InviteMS: c.StartMS, AnswerMS: c.AnswerMS, EndMS: c.EndMS, SIPCode: 200,
			RxPackets: 3000, TxPackets: 3000, JitterMS: 1.5, MOS: 4.3, FirstRTPMS: c.AnswerMS + 40, DTMFMode: "rfc4733"}
	}
	events := make([]store.Event, 20)
	for i := range events {
		events[i] = store.Event{AtMS: c.StartMS + int64(i), Leg: int64(i%2 + 1), Kind: store.EventSIP, Text: "INVITE sip:1002@192.0.2.10:5060 → 180 Ringing"}
	}
	return c, legs, events
}

// BenchmarkWrite measures calls opened, answered and finished: through the store, where
// changes fold and a timeline is a value; with the same batches but an event a row; and
// naively, one transaction for each change, to which the others are compared. Rows are
// those that stay in the tables.
func BenchmarkWrite(b *testing.B) {
	naive := 0.0
	const rows = 1 + 2 // a call and its legs; events come on top
	measure := func(name string, run func(b *testing.B, s *Store)) {
		b.Run(name, func(b *testing.B) {
			s, path := newStore(b, Options{QueueBytes: 1 << 30})
			began := time.Now()
			run(b, s)
			rate := float64(b.N) / time.Since(began).Seconds()
			if name == "naive" {
				naive = rate
			}
			b.ReportMetric(rate, "calls/s")
			b.ReportMetric(rate*rows, "rows/s")
			b.ReportMetric(rate/naive, "x-naive")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(info.Size())/float64(b.N), "bytes/call")
		})
	}
	measure("naive", func(b *testing.B, s *Store) {
		ctx := context.Background()
		for i := range b.N {
			c, legs, events := finishedCall(i)
			for _, e := range []*journal.Entry{{Call: *c}, {Call: *c}, {Call: *c, Legs: named(c, legs), Events: events}} {
				transaction(b, s.db, func(tx *sql.Tx) error { return s.sink.stmts.within(ctx, tx).write(ctx, e) })
			}
		}
	})
	measure("store", func(b *testing.B, s *Store) {
		for i := range b.N {
			c, legs, events := finishedCall(i)
			done := *c
			c.State, c.EndMS, c.AnswerMS = store.StateOpen, 0, 0
			s.Open(c)
			c.AnswerMS = done.AnswerMS
			s.Update(c)
			s.Finish(&done, legs, events)
			if i%5000 == 4999 { // as fast as it is written, not as memory is filled
				flush(b, s)
			}
		}
		flush(b, s)
		if h := s.Health(); h.Written < uint64(b.N) || h.Dropped+h.Shed > 0 {
			b.Errorf("health %+v", h)
		}
	})
	// The same, but each change reaches the disk before the next: a call that lasts.
	measure("store-nothing-folds", func(b *testing.B, s *Store) {
		const together = 1000
		for n := 0; n < b.N; n += together {
			calls := min(together, b.N-n)
			for _, step := range []func(c *store.Call, legs []store.Leg, events []store.Event){
				func(c *store.Call, _ []store.Leg, _ []store.Event) {
					c.State, c.EndMS, c.AnswerMS = store.StateOpen, 0, 0
					s.Open(c)
				},
				func(c *store.Call, _ []store.Leg, _ []store.Event) {
					c.State, c.EndMS = store.StateOpen, 0
					s.Update(c)
				},
				s.Finish,
			} {
				for i := range calls {
					step(finishedCall(n + i))
				}
				flush(b, s)
			}
		}
	})
	measure("event-a-row", func(b *testing.B, s *Store) {
		if _, err := s.db.Exec("CREATE TABLE event_rows (call_id TEXT, at_ms INTEGER, leg INTEGER, kind TEXT, text TEXT); CREATE INDEX event_rows_call ON event_rows (call_id, at_ms)"); err != nil {
			b.Fatal(err)
		}
		insert, err := s.db.Prepare("INSERT INTO event_rows " + into(store.EventColumns()))
		if err != nil {
			b.Fatal(err)
		}
		ctx := context.Background()
		for n := 0; n < b.N; n += bindingRows / 4 {
			transaction(b, s.db, func(tx *sql.Tx) error {
				in, events := s.sink.stmts.within(ctx, tx), tx.Stmt(insert)
				for i := n; i < min(n+bindingRows/4, b.N); i++ {
					c, legs, lines := finishedCall(i)
					if err := in.write(ctx, &journal.Entry{Call: *c, Legs: named(c, legs)}); err != nil {
						return err
					}
					for k := range lines {
						if _, err := events.Exec(c.ID, lines[k].AtMS, lines[k].Leg, lines[k].Kind, lines[k].Text); err != nil {
							return err
						}
					}
				}
				return nil
			})
		}
	})
}

// named names the call in its legs, as the store does when rows are handed over.
func named(c *store.Call, legs []store.Leg) []store.Leg {
	for i := range legs {
		legs[i].CallID = c.ID
	}
	return legs
}

func transaction(b *testing.B, db *sql.DB, f func(*sql.Tx) error) {
	b.Helper()
	tx, err := db.Begin()
	if err == nil {
		err = f(tx)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkHandOver is what the call path pays for a change.
func BenchmarkHandOver(b *testing.B) {
	s, _ := newStore(b, Options{})
	c, _, _ := finishedCall(1)
	b.ReportAllocs()
	for b.Loop() {
		s.Update(c)
	}
}

// BenchmarkPage reads the first page and one in the middle of 200,000 calls.
func BenchmarkPage(b *testing.B) {
	s, _ := newStore(b, Options{QueueBytes: 1 << 30})
	const calls = 200_000
	for i := range calls {
		c, _, _ := finishedCall(i)
		s.Finish(c, nil, nil)
	}
	flush(b, s)
	middle, _, _ := finishedCall(calls / 2)
	for name, f := range map[string]store.Filter{
		"first":  {},
		"middle": {After: store.Cursor(middle)},
		"number": {To: "+442071800005"},
		"user":   {From: "1007"},
		"prefix": {To: "+44207180000*"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if rows, _, err := s.Calls(b.Context(), f); err != nil || len(rows) == 0 {
					b.Fatal(rows, err)
				}
			}
		})
	}
}
