package storetest

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tandem/store"
)

// population is a set of calls that differ in every column a filter looks at.
func population() []store.Call {
	states := store.States()
	users := []string{"1001", "1002", "alice", "Alice", "+442071838750", "+4420", "", "a*b", "50%", "x_y", "o'hara"}
	trunks := []string{"", "carrier", "carrier-2"}
	flags := append([]string{"", store.JoinFlags(store.FlagOneWay, store.FlagNoAck)}, store.Flags()...)
	var out []store.Call
	for i := range 600 {
		c := *testCall(i)
		c.StartMS = base + int64(i)*60_000
		c.FromUser, c.ToUser = users[i%len(users)], users[i/3%len(users)]
		c.AuthUser, c.Trunk = users[i/5%len(users)], trunks[i%len(trunks)]
		c.State, c.DurationMS = states[i%len(states)], int64(i*100)
		c.Flags = flags[i%len(flags)]
		out = append(out, c)
	}
	return out
}

// wanted is the reference: the same filter in plain Go.
func wanted(calls []store.Call, f store.Filter) []string {
	glob := func(pattern, s string) bool {
		ok, err := path.Match(pattern, s)
		return pattern == "" || err == nil && ok
	}
	var ids []string
	for _, c := range calls {
		start := time.UnixMilli(c.StartMS)
		if (f.Since.IsZero() || !start.Before(f.Since)) && (f.Until.IsZero() || start.Before(f.Until)) &&
			glob(f.From, c.FromUser) && glob(f.To, c.ToUser) && glob(f.User, c.AuthUser) && glob(f.Trunk, c.Trunk) &&
			(f.State == "" || c.State == f.State) && c.DurationMS >= f.MinDuration.Milliseconds() &&
			(f.Flag == "" || slices.Contains(strings.Split(c.Flags, ","), f.Flag)) {
			ids = append(ids, c.ID)
		}
	}
	slices.Reverse(ids)
	return ids
}

func filtersAreDataNeverSQL(t *testing.T, open Opener) {
	s := open(t, Options{})
	evil := []string{
		"'; DROP TABLE calls; --", `" OR 1=1 --`, "' OR ''='", "1001' UNION SELECT name, ha1 FROM users --",
		"\x00", "x\x00'; DELETE FROM calls", "%", "_", "\\", "?1", ":id", "@x", "$x", "☎\U0001F4DE", "\xff\xfe", strings.Repeat("'", 200),
	}
	for i, text := range evil {
		c := testCall(i)
		c.FromUser, c.FromDisplay, c.AuthUser = text, text, text
		c.ID = fmt.Sprintf("%d%s", i, clip(text, 30))
		s.Finish(c, []store.Leg{{Seq: 1, UserAgent: text}}, []store.Event{{Text: text}})
	}
	flush(t, s)
	for i, text := range evil {
		rows, _, err := s.Calls(t.Context(), store.Filter{From: clip(text, maxText)})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		// clip turns NUL and broken UTF-8 into ?, which as a pattern stands for any character.
		if len(rows) == 0 || len(rows) > 1 && !strings.Contains(clip(text, maxText), "?") {
			t.Errorf("%q found %d calls", text, len(rows))
		}
		for _, f := range []store.Filter{{To: text}, {User: text}, {Trunk: text}, {After: "1." + text}, {State: text}, {Flag: text}, {After: text}} {
			if _, _, err := s.Calls(t.Context(), f); err != nil && !isFilterError(err) {
				t.Errorf("%+v: %v", f, err)
			}
		}
		if _, _, events, err := s.Call(t.Context(), fmt.Sprintf("%d%s", i, clip(text, 30))); err != nil || len(events) != 1 || events[0].Text != clip(text, maxText) {
			t.Errorf("%q: %v %v", text, events, err)
		}
		if _, err := s.Match(t.Context(), text, 2); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if rows, _, err := s.Calls(t.Context(), store.Filter{}); err != nil || len(rows) != len(evil) {
		t.Errorf("%d calls of %d are left, %v", len(rows), len(evil), err)
	}
}

func isFilterError(err error) bool {
	_, ok := err.(*store.FilterError)
	return ok
}

func textIsCut(t *testing.T, open Opener) {
	s := open(t, Options{})
	c := testCall(1)
	c.FromDisplay = strings.Repeat("☎", 10_000)
	c.Vars = `{"a":"` + strings.Repeat("x", 100_000) + `"}`
	events := make([]store.Event, 50_000)
	for i := range events {
		events[i].Text = "line\x00"
	}
	s.Finish(c, nil, events)
	broken := testCall(2)
	broken.Vars = "{not json"
	s.Finish(broken, nil, nil)
	flush(t, s)
	got, _, lines, err := s.Call(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.FromDisplay) != 1023 || strings.Trim(got.FromDisplay, "☎") != "" {
		t.Errorf("display name has %d bytes: %q", len(got.FromDisplay), got.FromDisplay[:20])
	}
	if got.Vars != `{"_error":"100008 bytes are too many to keep"}` {
		t.Errorf("vars %q", got.Vars)
	}
	if len(lines) != maxEvents+1 || lines[maxEvents].Text != "48000 more lines were not kept" || lines[0].Text != "line?" {
		t.Errorf("%d lines, the last %+v", len(lines), lines[len(lines)-1])
	}
	if got, _, _, err := s.Call(t.Context(), broken.ID); err != nil || got.Vars != `{"_error":"not valid JSON"}` {
		t.Errorf("broken vars: %+v %v", got, err)
	}
}

// clip is how a text of the network is kept.
func clip(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?")
	for len(s) > limit || !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

const maxText, maxEvents = 1 << 10, 2000

// Filters holds what s finds to the same filters in plain Go; s has to be empty.
func Filters(t *testing.T, s store.Store) {
	t.Helper()
	calls := population()
	for i := range calls {
		s.Open(&calls[i])
	}
	flush(t, s)
	at := func(minutes int) time.Time { return time.UnixMilli(base).Add(time.Duration(minutes) * time.Minute) }
	for _, f := range []store.Filter{
		{},
		{Since: at(100)},
		{Until: at(100)},
		{Since: at(100), Until: at(101)},
		{Since: at(200), Until: at(100)},
		{From: "1001"},
		{From: "+44*"},
		{From: "*a*"},
		{From: "?lice"},
		{From: "[aA]lice"},
		{From: "a[*]b"},
		{From: "[^1+]*"},
		{From: "[a-b]*b"},
		{From: "*"},
		{From: "50%"},
		{From: "x_y"},
		{From: "o'hara"},
		{From: "ALICE"},
		{To: "100?"},
		{To: "*50"},
		{User: "1001"},
		{User: "*1"},
		{User: "alice", Trunk: "carrier*"},
		{Trunk: "carrier"},
		{State: store.StateLost},
		{State: store.StateAnswered, MinDuration: 30 * time.Second},
		{Flag: store.FlagOneWay},
		{Flag: store.FlagNoAck, From: "1*", Since: at(50), Until: at(500)},
		{Flag: store.FlagSilent, State: store.StateBusy},
		{Since: at(10), Until: at(590), From: "1*", To: "+*", State: store.StateBusy, MinDuration: time.Second},
		{To: "+4*", State: store.StateBusy},
		{From: "+44*0", User: "1*"},
	} {
		want := wanted(calls, f)
		for _, limit := range []int{0, 7, store.MaxLimit} { // 0 stands for one page with the default
			f.Limit, f.After = limit, ""
			var got []string
			for {
				rows, next, err := s.Calls(t.Context(), f)
				if err != nil {
					t.Fatalf("%+v: %v", f, err)
				}
				for _, c := range rows {
					got = append(got, c.ID)
				}
				if f.After = next; next == "" || limit == 0 {
					break
				}
			}
			expect := want
			if limit == 0 {
				expect = want[:min(len(want), store.DefaultLimit)]
			}
			if !slices.Equal(got, expect) {
				t.Errorf("%+v:\n got %d %v\nwant %d %v", f, len(got), got, len(expect), expect)
			}
		}
	}
}
