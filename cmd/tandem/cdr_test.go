package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/store"
	"tandem/store/sqlite"
)

// recorded makes a data folder with the records of 120 calls, one a minute until now;
// every third was answered.
func recorded(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "tandem.db"), sqlite.Options{Node: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		c := &store.Call{
			ID: fmt.Sprintf("%08x-call", i*0x01000193), StartMS: time.Now().Add(-time.Duration(119-i) * time.Minute).UnixMilli(),
			FromUser: "1001", ToUser: fmt.Sprintf("+4420%03d", i), Trunk: "carrier", State: store.StateBusy, SIPCode: 486, PDDMS: 100,
		}
		if i%3 == 0 {
			c.State, c.SIPCode, c.AnswerMS, c.BillableMS, c.DurationMS = store.StateAnswered, 200, c.StartMS, 60_000, 60_000
			c.Flags = store.FlagOneWay
		}
		s.Finish(c, []store.Leg{{Seq: 1, Role: store.RoleA}}, []store.Event{{AtMS: c.StartMS, Leg: 1, Kind: store.EventSIP, Text: "INVITE"}})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func tandem(args ...string) (code int, stdout, stderr string) {
	var out, errs strings.Builder
	code = run(args, &out, &errs, nil)
	return code, out.String(), errs.String()
}

func TestCDRList(t *testing.T) {
	dir := recorded(t)
	list := func(args ...string) (rows []store.Call, stderr string) {
		t.Helper()
		code, out, errs := tandem(append([]string{"cdr", "list", "--data", dir, "--format", "json"}, args...)...)
		if code != exitFine {
			t.Fatalf("%v: exit %d: %s", args, code, errs)
		}
		if err := json.Unmarshal([]byte(out), &rows); err != nil {
			t.Fatalf("%v: %v in %s", args, err, out)
		}
		return rows, errs
	}
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, 50},
		{[]string{"--limit", "7"}, 7},
		{[]string{"--limit", "20000"}, 120},
		{[]string{"--since", "10m", "--limit", "100"}, 10},
		{[]string{"--until", "100m", "--limit", "100"}, 20},
		{[]string{"--to", "+44200*", "--limit", "200"}, 100},
		{[]string{"--from", "1001", "--to", "+4420005"}, 1},
		{[]string{"--state", "answered"}, 40},
		{[]string{"--flag", "one_way"}, 40},
		{[]string{"--min-duration", "30s"}, 40},
		{[]string{"--trunk", "carrier", "--limit", "200"}, 120},
		{[]string{"--user", "1001"}, 0},
	} {
		if rows, _ := list(c.args...); len(rows) != c.want {
			t.Errorf("%v: %d calls, want %d", c.args, len(rows), c.want)
		}
	}
	var ids []string
	for after := []string(nil); ; {
		rows, errs := list(append(after, "--limit", "50")...)
		for _, c := range rows {
			ids = append(ids, c.ID)
		}
		cursor, ok := strings.CutPrefix(errs, "more calls: --after ")
		if !ok {
			break
		}
		after = []string{"--after", strings.TrimSpace(cursor)}
	}
	if sorted := slices.Sorted(slices.Values(ids)); len(slices.Compact(sorted)) != 120 || len(ids) != 120 {
		t.Errorf("pages gave %d calls", len(ids))
	}
}

func TestCDRForPeople(t *testing.T) {
	dir := recorded(t)
	code, out, errs := tandem("cdr", "list", "--data", dir, "--limit", "2")
	lines := strings.Split(out, "\n")
	if code != exitFine || len(lines) != 4 || !strings.HasPrefix(lines[0], "ID        STARTED ") || !strings.HasPrefix(errs, "more calls: --after ") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	short, _, _ := strings.Cut(lines[1], " ")
	code, out, errs = tandem("cdr", "show", "--data", dir, short)
	if code != exitFine || !strings.Contains(out, "to_user       +4420119\n") || !strings.Contains(out, "INVITE") {
		t.Errorf("show %s: exit %d\n%s%s", short, code, out, errs)
	}
	code, out, errs = tandem("cdr", "show", "--data", dir, "--format", "json", short)
	var records []store.Record
	if err := json.Unmarshal([]byte(out), &records); code != exitFine || err != nil || len(records) != 1 || len(records[0].Legs) != 1 || len(records[0].Events) != 1 {
		t.Errorf("show as JSON: exit %d, %v\n%s%s", code, err, out, errs)
	}
	code, out, _ = tandem("cdr", "stats", "--data", dir, "--by", "code")
	if code != exitFine || !strings.Contains(out, "486   80 ") || !strings.Contains(out, "100.0%") {
		t.Errorf("stats: exit %d\n%s", code, out)
	}
	code, out, _ = tandem("cdr", "export", "--data", dir, "--state", "busy")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if code != exitFine || err != nil || len(rows) != 81 || !slices.Equal(rows[0], store.CallColumns()) {
		t.Errorf("export: exit %d, %d rows, %v", code, len(rows), err)
	}
}

func TestCDRErrors(t *testing.T) {
	dir := recorded(t)
	empty := t.TempDir()
	none := filepath.Join(empty, "none.toml")
	if err := os.WriteFile(none, []byte("[store]\nurl = \"none\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"list", "--data", dir, "--since", "yesterday-ish"}, exitUsage, `--since "yesterday-ish": want a span`},
		{[]string{"list", "--data", dir, "--state", "up"}, exitUsage, `--state "up": want one of`},
		{[]string{"list", "--data", dir, "--from", "["}, exitUsage, `--from "["`},
		{[]string{"list", "--data", dir, "--limit", "0"}, exitUsage, "--limit 0"},
		{[]string{"list", "--data", dir, "--after", "x"}, exitUsage, `--after "x"`},
		{[]string{"list", "--data", dir, "--format", "xml"}, exitUsage, "--format"},
		{[]string{"stats", "--data", dir, "--by", "colour"}, exitUsage, "--by"},
		{[]string{"show", "--data", dir}, exitUsage, "<id>"},
		{[]string{"show", "--data", dir, "zz"}, exitFailed, `call "zz": not found`},
		{[]string{"show", "--data", dir, "0"}, exitFailed, `call "0": several begin so: 00000000-call, `},
		{[]string{"show", "--data", dir, ""}, exitFailed, `not found`},
		{[]string{"list", "--data", empty}, exitFailed, "store " + filepath.Join(empty, "tandem.db") + ": there is no store yet"},
		{[]string{"list", "-c", none}, exitFailed, "no records are kept"},
	} {
		code, out, errs := tandem(append([]string{"cdr"}, c.args...)...)
		if code != c.code || out != "" || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: exit %d, stdout %q, stderr %q, want exit %d and one line with %q", c.args, code, out, errs, c.code, c.want)
		}
	}
	if entries, err := os.ReadDir(empty); err != nil || len(entries) != 1 {
		t.Errorf("asking made files: %v %v", entries, err)
	}
}
