package store

import (
	"encoding/json"
	"errors"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPatternSplit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		kind    PatternKind
		text    string
	}{
		{"", MatchAll, ""},
		{"*", MatchAll, ""},
		{"***", MatchAll, ""},
		{"+44", MatchExact, "+44"},
		{"+44*", MatchPrefix, "+44"},
		{"+44**", MatchPrefix, "+44"},
		{"*44", MatchGlob, "*44"},
		{"1?01", MatchGlob, "1?01"},
		{"[*]97", MatchGlob, "[*]97"},
		{"a*b*", MatchGlob, "a*b*"},
	} {
		if kind, text := Pattern(c.pattern).Split(); kind != c.kind || text != c.text {
			t.Errorf("%q: %d %q, want %d %q", c.pattern, kind, text, c.kind, c.text)
		}
	}
}

func TestPatternCheck(t *testing.T) {
	t.Parallel()
	for pattern, ok := range map[string]bool{
		"": true, "*": true, "[a-z]*": true, "[^a]": true, "[]a]": true, "a]": true,
		"[": false, "[a": false, "x[^": false, "[]": false, "[a][b": false,
		"*a*a*a*a*a*a*a*": true, "*a*a*a*a*a*a*a*a*": false,
		strings.Repeat("*", 200): true, strings.Repeat("a", 257): false,
	} {
		if err := Pattern(pattern).Check(); (err == nil) != ok {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"+44*", "[a-", "[]]", "*[^*", "a?b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := Pattern(s)
		if p.Check() != nil {
			return
		}
		kind, text := p.Split()
		if kind != MatchGlob && kind != MatchAll && strings.ContainsAny(text, "*?[") {
			t.Errorf("%q is %d %q", s, kind, text)
		}
		if kind == MatchExact && !strings.Contains(s, `\`) {
			if ok, err := path.Match(s, text); err != nil || !ok {
				t.Errorf("%q does not match itself: %v", s, err)
			}
		}
	})
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 3600)
	now := time.Date(2026, 11, 22, 15, 0, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"24h":                  now.Add(-24 * time.Hour),
		"1h30m":                now.Add(-90 * time.Minute),
		"7d":                   now.AddDate(0, 0, -7),
		"2w":                   now.AddDate(0, 0, -14),
		"0s":                   now,
		"2026-11-01":           time.Date(2026, 11, 1, 0, 0, 0, 0, zone),
		"2026-11-01 15:04":     time.Date(2026, 11, 1, 15, 4, 0, 0, zone),
		"2026-11-01T15:04:05":  time.Date(2026, 11, 1, 15, 4, 5, 0, zone),
		"2026-11-01T15:04:05Z": time.Date(2026, 11, 1, 15, 4, 5, 0, time.UTC),
	} {
		if got, err := ParseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday-ish", "-1h", "d", "-7d", "99999999999d", "36501d", "2026-13-01", "2026-11-31", "7 d", "1.5d", "24"} {
		if got, err := ParseTime(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestFilterText(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	f, err := FilterText{Since: "24h", Until: "2026-11-22", From: "+44*", State: StateBusy, MinDuration: "30s", Flag: FlagOneWay, Limit: "7", After: "5.abc"}.Filter(now)
	want := Filter{Since: now.Add(-24 * time.Hour), Until: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), From: "+44*",
		State: StateBusy, MinDuration: 30 * time.Second, Flag: FlagOneWay, Limit: 7, After: "5.abc"}
	if err != nil || f != want {
		t.Errorf("%+v, %v", f, err)
	}
	for field, text := range map[string]FilterText{
		"since":        {Since: "yesterday-ish"},
		"until":        {Until: "x"},
		"from":         {From: "["},
		"to":           {To: strings.Repeat("x", 300)},
		"user":         {User: "[a"},
		"trunk":        {Trunk: "["},
		"state":        {State: "Answered"},
		"min-duration": {MinDuration: "-1s"},
		"flag":         {Flag: "one_way,silent"},
		"limit":        {Limit: "0"},
		"after":        {After: "abc"},
	} {
		_, err := text.Filter(now)
		var fe *FilterError
		if !errors.As(err, &fe) || fe.Field != field || !strings.HasPrefix(err.Error(), field+" \"") {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := (FilterText{Limit: "10001"}).Filter(now); err == nil {
		t.Error("a page of 10,001 rows")
	}
}

func TestCursor(t *testing.T) {
	t.Parallel()
	c := &Call{StartMS: 1_750_000_000_000, ID: "a.b.c"}
	if ms, id, err := ParseCursor(Cursor(c)); ms != c.StartMS || id != c.ID || err != nil {
		t.Errorf("%d %q %v", ms, id, err)
	}
	for _, s := range []string{".", "1.", ".a", "x.a", "1,a", "99999999999999999999.a", "1." + strings.Repeat("a", 300)} {
		if _, _, err := ParseCursor(s); err == nil {
			t.Errorf("%q is a cursor", s)
		}
	}
}

// Each field of the row types is one column, in the order of the struct.
func TestFieldsAreTheStructs(t *testing.T) {
	t.Parallel()
	check := func(row any, fields []Field) {
		v := reflect.ValueOf(row).Elem()
		if v.NumField() != len(fields) {
			t.Errorf("%T has %d fields and %d columns", row, v.NumField(), len(fields))
			return
		}
		for i, f := range fields {
			if v.Field(i).Addr().Interface() != f.Ptr {
				t.Errorf("%T: column %d (%s) is not the field %s", row, i, f.Name, v.Type().Field(i).Name)
			}
			if plain := strings.ToLower(v.Type().Field(i).Name); plain != strings.ReplaceAll(f.Name, "_", "") {
				t.Errorf("%T: field %s is column %s", row, v.Type().Field(i).Name, f.Name)
			}
		}
	}
	var c Call
	var l Leg
	var e Event
	check(&c, c.Fields())
	check(&l, l.Fields())
	check(&e, e.Fields())
}

func TestRecordJSON(t *testing.T) {
	t.Parallel()
	r := Record{
		Call:   Call{ID: "a", FromDisplay: "\"<script>\u2028\x00", StartMS: 5, Vars: `{"lang":"en"}`, Flags: FlagSilent},
		Legs:   []Leg{{CallID: "a", Seq: 1, MOS: 4.25}},
		Events: []Event{{CallID: "a", AtMS: 5, Kind: EventSIP, Text: "x"}, {CallID: "a", Leg: 1}},
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if len(raw) != len(CallColumns())+2 {
		t.Errorf("%d keys", len(raw))
	}
	for key, want := range map[string]any{"answer_ms": nil, "duration_ms": 0.0, "start_ms": 5.0, "vars": map[string]any{"lang": "en"}, "trunk": ""} {
		if got, ok := raw[key]; !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	var back Record
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("%v\n got %+v\nwant %+v", err, back, r)
	}
	empty, err := json.Marshal(Record{})
	if err != nil || !strings.HasSuffix(string(empty), `"vars":null,"legs":[],"events":[]}`) {
		t.Errorf("%s %v", empty, err)
	}
}

func TestJoinFlags(t *testing.T) {
	t.Parallel()
	if got := JoinFlags(FlagScriptError, FlagOneWay, "", FlagOneWay, "unknown"); got != "one_way,script_error" {
		t.Errorf("%q", got)
	}
	if got := JoinFlags(); got != "" {
		t.Errorf("%q", got)
	}
}

func TestNone(t *testing.T) {
	t.Parallel()
	s := None()
	ctx := t.Context()
	s.Open(&Call{ID: "a"})
	s.Finish(&Call{ID: "a"}, nil, nil)
	if _, _, err := s.Calls(ctx, Filter{}); !errors.Is(err, ErrNoRecords) {
		t.Errorf("calls: %v", err)
	}
	if _, _, _, err := s.Call(ctx, "a"); !errors.Is(err, ErrNoRecords) {
		t.Errorf("call: %v", err)
	}
	for _, name := range []string{"b", "a"} {
		if err := s.PutUser(ctx, User{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if users, err := s.Users(ctx); err != nil || !slices.Equal(users, []User{{Name: "a"}, {Name: "b"}}) {
		t.Errorf("users %v %v", users, err)
	}
	if err := errors.Join(s.DeleteUser(ctx, "a"), s.SetMeta(ctx, "k", "v")); err != nil {
		t.Error(err)
	}
	if err := s.DeleteUser(ctx, "a"); err != ErrNotFound {
		t.Errorf("deleted again: %v", err)
	}
	if v, err := s.Meta(ctx, "k"); v != "v" || err != nil {
		t.Errorf("meta %q %v", v, err)
	}
	if _, err := s.Meta(ctx, "x"); err != ErrNotFound {
		t.Errorf("meta: %v", err)
	}
	if err := errors.Join(s.Flush(ctx), s.Close()); err != nil {
		t.Error(err)
	}
}
