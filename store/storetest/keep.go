package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tandem/store"
)

func stats(t *testing.T, open Opener) {
	s := open(t, Options{})
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

func prune(t *testing.T, open Opener) {
	s := open(t, Options{})
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
	for _, f := range []store.Filter{{}, {Flag: store.FlagNoAck}, {Flag: store.FlagSilent}} {
		f.Limit = store.MaxLimit
		if rows, _, err := s.Calls(t.Context(), f); err != nil || len(rows) != young+1 {
			t.Errorf("%+v: %d calls are left, %v", f, len(rows), err)
		}
	}
	if stats, err := s.Stats(t.Context(), store.Filter{}, store.ByUserAgent); err != nil || len(stats) != 1 || stats[0].Calls != young {
		t.Errorf("statistics %+v, %v", stats, err)
	}
	if _, _, _, err := s.Call(t.Context(), testCall(0).ID); err != store.ErrNotFound {
		t.Errorf("a removed call: %v", err)
	}
	if n, err := s.Prune(t.Context(), time.UnixMilli(base+old), nil); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}
