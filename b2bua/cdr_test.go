package b2bua

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tandem/store"
	"tandem/store/explain"
	"tandem/store/sqlite"
)

var update = flag.Bool("update", false, "write the explanations in testdata anew")

// recorded is a real call, and what its record has to say. Expectations are patterns for the
// whole value as text; "" is NULL or empty. Moments count in ms from the call's start.
type recordedCall struct {
	name   string
	serve  handlerFunc
	phones func(w *world)
	change []func(*Options)
	of     int // how many records it leaves; the first to end is looked at
	call   row
	legs   []row
}

type row map[string]string

// says checks one row.
func (want row) says(t *testing.T, what string, fields []store.Field, start int64) {
	t.Helper()
	known := map[string]string{}
	for _, f := range fields {
		text := f.String()
		if v, ok := f.Value().(int64); ok && f.Name != "start_ms" && isMoment(f.Name) {
			text = "+" + strconv.FormatInt(v-start, 10)
		}
		known[f.Name] = text
	}
	for column, pattern := range want {
		got, ok := known[column]
		if !ok {
			t.Errorf("%s has no column %s", what, column)
			continue
		}
		if !regexp.MustCompile(`(?s)^(?:` + regexp.MustCompile(`\+(\d)`).ReplaceAllString(pattern, `\+$1`) + `)$`).MatchString(got) {
			t.Errorf("%s: %s is %q, want %s", what, column, got, pattern)
		}
	}
}

// isMoment tells a column with a time from one with a duration.
func isMoment(column string) bool {
	switch column {
	case "start_ms", "ring_ms", "answer_ms", "end_ms", "invite_ms", "first_18x_ms", "first_rtp_ms":
		return true
	}
	return false
}

// TestRecords makes each of the calls and reads its record from a real store. docs/cdr.md names
// the calls that show a column; TestEveryColumnHasACall holds the two together.
func TestRecords(t *testing.T) {
	for _, tc := range recordedCalls(t) {
		t.Run(tc.name, func(t *testing.T) {
			var all []store.Record
			inWorld(t, tc.serve, func(w *world) {
				tc.phones(w)
				all = w.all(max(1, tc.of))
			}, tc.change...)
			r := stored(t, all)
			for _, other := range all {
				if other.Call.LinkedID != all[0].Call.LinkedID {
					t.Errorf("not linked: %s and %s", all[0].Call.LinkedID, other.Call.LinkedID)
				}
			}
			tc.call.says(t, "the call", r.Call.Fields(), r.Call.StartMS)
			if len(r.Legs) != len(tc.legs) {
				t.Fatalf("%d legs, want %d: %+v", len(r.Legs), len(tc.legs), r.Legs)
			}
			for i := range tc.legs {
				tc.legs[i].says(t, "leg "+strconv.Itoa(i+1), r.Legs[i].Fields(), r.Call.StartMS)
			}
			explained(t, tc.name, r)
		})
	}
}

// stored puts records into a store and reads the first.
func stored(t *testing.T, all []store.Record) store.Record {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tandem.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Node: "here"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		s.Open(&r.Call)
		s.Finish(&r.Call, r.Legs, r.Events)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reader, err := sqlite.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	c, legs, events, err := reader.Call(t.Context(), all[0].Call.ID)
	if err != nil {
		t.Fatal(err)
	}
	return store.Record{Call: *c, Legs: legs, Events: events}
}

// explained compares what is said of the call with testdata/explain/NAME.txt.
func explained(t *testing.T, name string, r store.Record) {
	t.Helper()
	var out strings.Builder
	if err := explain.Write(&out, r, explain.Options{Zone: time.UTC, Width: 110}); err != nil {
		t.Fatal(err)
	}
	got := ""
	for line := range strings.Lines(out.String()) {
		if regexp.MustCompile(`\] media: (first RTP|recorded)|^ *:`).MatchString(line) {
			continue // the first packet may come in this frame or in the next
		}
		line = regexp.MustCompile(`\d+ packets`).ReplaceAllString(line, "N packets")
		line = regexp.MustCompile(`(10\.0\.\d+\.\d+:)(1\d{4}|2\d{4}|49\d{3}|5[1-9]\d{3})\b`).ReplaceAllString(line, "${1}PORT") // of media, which are picked
		got += regexp.MustCompile(`(?i)\bcall [a-z2-7]{20}\b`).ReplaceAllString(line, "call ID")
	}
	path := filepath.Join("testdata", "explain", strings.ReplaceAll(name, " ", "-")+".txt")
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !slices.Equal(sortedLines(string(want)), sortedLines(got)) {
		t.Errorf("explained as\n%s\nwant (%v; -update writes it)\n%s", got, err, want)
	}
}

// sortedLines compares texts in which what happens in one moment may stand in any order.
func sortedLines(s string) []string { return slices.Sorted(strings.Lines(s)) }

// TestEveryColumnHasACall holds docs/cdr.md and the calls of TestRecords to each other: there is
// a row for each column, and each call that it names looks at that column.
func TestEveryColumnHasACall(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/cdr.md")
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]recordedCall{}
	for _, tc := range recordedCalls(t) {
		calls[tc.name] = tc
	}
	_, rest, _ := strings.Cut(string(doc), "\n## calls\n")
	ofCalls, rest, _ := strings.Cut(rest, "\n## legs\n")
	ofLegs, _, _ := strings.Cut(rest, "\n## ")
	named := map[string]bool{}
	for table, columns := range map[*string][]string{&ofCalls: store.CallColumns(), &ofLegs: store.LegColumns()} {
		rows := map[string]string{}
		for line := range strings.Lines(*table) {
			if cells := strings.Split(line, "|"); len(cells) == 6 && strings.HasPrefix(cells[1], " `") {
				rows[strings.Trim(cells[1], " `")] = cells[4]
			}
		}
		if len(rows) != len(columns) {
			t.Errorf("docs/cdr.md has %d rows for %d columns", len(rows), len(columns))
		}
		for _, column := range columns {
			shown := strings.Split(strings.TrimSpace(rows[column]), ", ")
			for _, name := range shown {
				named[name] = true
				if tc, ok := calls[name]; !ok || !tc.looksAt(column, table == &ofLegs) {
					t.Errorf("docs/cdr.md: %s is to be shown by the call %q, which does not look at it", column, name)
				}
			}
		}
	}
	for name := range calls {
		if !named[name] {
			t.Errorf("docs/cdr.md names the call %q for no column", name)
		}
	}
}

func (tc recordedCall) looksAt(column string, ofLegs bool) bool {
	if !ofLegs {
		_, ok := tc.call[column]
		return ok
	}
	for _, l := range tc.legs {
		if _, ok := l[column]; ok {
			return true
		}
	}
	return false
}

// bridgedBy is a handler that bridges and returns why not.
func bridgedBy(opts DialOptions, targets ...string) handlerFunc {
	return func(ctx context.Context, c *Call) error {
		c.SetScript("main.lua", 7)
		_, err := c.BridgeTo(ctx, targets, opts)
		return err
	}
}

const bobsURI = "sip:bob@10.0.1.2:5060"
