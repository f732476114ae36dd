package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tandem/store"
)

func TestPrune(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	const old, young = 1234, 100
	for i := range old + young {
		c := testCall(i)
		c.State, c.Flags = store.StateAnswered, store.JoinFlags(store.FlagNoAck, store.FlagSilent)
		if i%100 == 0 {
			c.Recording = fmt.Sprintf("r%d.wav\nmessages/r%d.opus", i, i)
		}
		if i == 50 {
			c.State = store.StateOpen
		}
		s.Finish(c, []store.Leg{{Seq: 1}}, []store.Event{{Text: "x"}})
	}
	flush(t, s)
	var recordings []string
	n, err := s.Prune(t.Context(), time.UnixMilli(base+old), func(path string) { recordings = append(recordings, path) })
	if err != nil || n != old-1 {
		t.Errorf("removed %d, %v", n, err)
	}
	if len(recordings) != 26 || !slices.Contains(recordings, "r1200.wav") || !slices.Contains(recordings, "messages/r0.opus") || slices.Contains(recordings, "r1300.wav") {
		t.Errorf("recordings %v", recordings)
	}
	for table, want := range map[string]int{"calls": young + 1, "legs": young + 1, "timelines": young + 1, "call_flags": 2 * (young + 1)} {
		if n := count(t, s.db, "SELECT count(*) FROM "+table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
	if n, err := s.Prune(t.Context(), time.UnixMilli(base+old), nil); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}

func TestBackupWhileWriting(t *testing.T) {
	t.Parallel()
	s, path := newStore(t, Options{Serve: true})
	for i := range 3000 {
		s.Finish(testCall(i), []store.Leg{{Seq: 1}}, []store.Event{{Text: "x"}})
	}
	flush(t, s)
	if err := s.PutUser(t.Context(), store.User{Name: "1001", HA1: "aa"}); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 3000; ; i++ {
			select {
			case <-stop:
				return
			default:
				s.Finish(testCall(i), []store.Leg{{Seq: 1}}, []store.Event{{Text: "x"}})
			}
		}
	}()
	dir := t.TempDir()
	for i, from := range []*Reader{s.Reader, reader(t, path)} {
		file := filepath.Join(dir, fmt.Sprintf("copy%d.db", i))
		if err := from.Backup(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		if err := from.Backup(t.Context(), file); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over a file: %v", err)
		}
		copied := reopen(t, file, Options{Serve: true, Node: "other"})
		calls := count(t, copied.db, "SELECT count(*) FROM calls")
		if calls < 3000 || calls != count(t, copied.db, "SELECT count(*) FROM legs") || calls != count(t, copied.db, "SELECT count(*) FROM timelines") {
			t.Errorf("the copy has %d calls", calls)
		}
		var check string
		if err := copied.db.QueryRow("PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
			t.Errorf("integrity: %s %v", check, err)
		}
		if users, err := copied.Users(t.Context()); err != nil || len(users) != 1 {
			t.Errorf("users %v %v", users, err)
		}
		copied.Close()
	}
	close(stop)
	<-stopped
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	add := func(n int, trunk, agent string, answered bool, pdd, billable int64, flag string, mos float64) {
		c := testCall(n)
		c.StartMS = time.Date(2026, 11, 1, 10+n%2, 30, 0, 0, time.UTC).UnixMilli()
		c.Trunk, c.PDDMS, c.Flags, c.State, c.SIPCode = trunk, pdd, flag, store.StateBusy, 486
		l := store.Leg{Seq: 1, UserAgent: agent, InviteMS: c.StartMS, EndMS: c.StartMS + 2*billable, Flags: flag}
		if pdd > 0 {
			l.First18xMS = c.StartMS + pdd
		}
		c.DurationMS = 2 * billable
		if answered {
			c.AnswerMS, c.BillableMS, c.State, c.SIPCode = c.StartMS+billable, billable, store.StateAnswered, 200
			l.AnswerMS, l.MOS = c.AnswerMS, mos
		}
		s.Finish(c, []store.Leg{l}, nil)
	}
	for i := range 100 { // PDD 10, 20 … 1000
		add(i, "carrier", "A", i < 40, int64(10*(i+1)), 1000, "", 4)
	}
	add(100, "other", "B", true, 50, 5000, store.FlagOneWay, 3)
	add(101, "other", "B", false, 0, 1000, store.FlagSilent, 0)
	s.Open(testCall(999)) // in progress: no attempt yet
	flush(t, s)
	carrier := store.Stat{Calls: 100, Answered: 40, ASR: 40, ACDMS: 1000, AvgDurationMS: 2000, PDDP50MS: 500, PDDP95MS: 950, MOS: 4}
	other := store.Stat{Calls: 2, Answered: 1, ASR: 50, ACDMS: 5000, AvgDurationMS: 6000, PDDP50MS: 50, PDDP95MS: 50, MOS: 3, OneWay: 1, Silent: 1}
	named := func(s store.Stat, key string) store.Stat { s.Key = key; return s }
	for _, c := range []struct {
		by   store.By
		f    store.Filter
		want []store.Stat
	}{
		{store.ByTrunk, store.Filter{}, []store.Stat{named(carrier, "carrier"), named(other, "other")}},
		{store.ByTrunk, store.Filter{Trunk: "oth*", Limit: 1, After: "1.x"}, []store.Stat{named(other, "other")}},
		{store.ByUserAgent, store.Filter{}, []store.Stat{named(carrier, "A"), named(other, "B")}},
		{store.ByUser, store.Filter{Trunk: "carrier"}, []store.Stat{named(carrier, "")}},
		{store.ByTrunk, store.Filter{Trunk: "nobody"}, []store.Stat{}},
		{store.ByTrunk, store.Filter{Flag: store.FlagOneWay}, []store.Stat{{Key: "other", Calls: 1, Answered: 1, ASR: 100, ACDMS: 5000, AvgDurationMS: 10000, PDDP50MS: 50, PDDP95MS: 50, MOS: 3, OneWay: 1}}},
	} {
		got, err := s.Stats(t.Context(), c.f, c.by)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("by %s %+v\n got %+v, %v\nwant %+v", c.by, c.f, got, err, c.want)
		}
	}
	codes, err := s.Stats(t.Context(), store.Filter{}, store.ByCode)
	if err != nil || len(codes) != 2 || codes[0].Key != "486" || codes[0].Calls != 61 || codes[1].Key != "200" || codes[1].ASR != 100 {
		t.Errorf("by code %+v, %v", codes, err)
	}
	hours, err := s.Stats(t.Context(), store.Filter{}, store.ByHour)
	if err != nil || len(hours) != 2 || hours[0].Key != "2026-11-01T10:00:00Z" || hours[1].Key != "2026-11-01T11:00:00Z" || hours[0].Calls != 51 {
		t.Errorf("by hour %+v, %v", hours, err)
	}
	if _, err := s.Stats(t.Context(), store.Filter{}, "1; DROP TABLE calls"); !isFilterError(err) {
		t.Errorf("unknown grouping: %v", err)
	}
}
