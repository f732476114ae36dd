package main

import (
	"encoding/json"
	"strings"
	"testing"

	"tandem/store"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	dir := recorded(t)
	_, list, _ := tandem("cdr", "list", "--data", dir, "--flag", "one_way", "--limit", "1", "--format", "json")
	var rows []store.Call
	if err := json.Unmarshal([]byte(list), &rows); err != nil || len(rows) != 1 {
		t.Fatalf("%v in %s", err, list)
	}
	code, out, errs := tandem("explain", "--data", dir, rows[0].ID[:8], "--width", "60")
	if code != exitFine || !strings.HasPrefix(out, "Call "+rows[0].ID+"\n\n1001 called "+rows[0].ToUser+" on ") ||
		!strings.Contains(out, "! One side could not be heard.") || !strings.Contains(out, "tandem") || strings.Contains(out, "\x1b") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"explain", "--data", dir, "nobody"}, exitFailed, `call "nobody": not found`},
		{[]string{"explain", "--data", t.TempDir(), "x"}, exitFailed, "there is no store yet"},
		{[]string{"explain", "--data", dir}, exitUsage, "expected"},
		{[]string{"explain", "--data", dir, "x", "--width", "-1"}, exitUsage, "--width"},
	} {
		if code, out, errs := tandem(c.args...); code != c.code || !strings.Contains(errs, c.says) || out != "" {
			t.Errorf("%v: exit %d, %q %q", c.args, code, out, errs)
		}
	}
}

// TestQuestionsThatNoIndexServes are bounded to a day, and say so.
func TestQuestionsThatNoIndexServes(t *testing.T) {
	t.Parallel()
	dir := recorded(t)
	for _, command := range []string{"list", "stats", "export"} {
		_, _, errs := tandem("cdr", command, "--data", dir, "--to", "*9")
		if !strings.HasPrefix(errs, "no index serves this filter: only calls since ") {
			t.Errorf("%s: %q", command, errs)
		}
		if _, _, errs := tandem("cdr", command, "--data", dir, "--to", "*9", "--since", "30d"); strings.Contains(errs, "no index") {
			t.Errorf("%s with a time of its own: %q", command, errs)
		}
	}
}

// TestExportLines: an object a line, as many as there are calls.
func TestExportLines(t *testing.T) {
	t.Parallel()
	code, out, errs := tandem("cdr", "export", "--data", recorded(t), "--format", "jsonl")
	n := 0
	for line := range strings.Lines(out) {
		var c store.Call
		if err := json.Unmarshal([]byte(line), &c); err != nil || c.ID == "" {
			t.Fatalf("%v in %s", err, line)
		}
		n++
	}
	if code != exitFine || n != 120 {
		t.Errorf("exit %d, %d lines: %s", code, n, errs)
	}
}
