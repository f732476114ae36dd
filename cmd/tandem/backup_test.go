package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/store"
)

// TestBackup: a copy made with and without a server can be asked and served like the store
// itself, and nothing is written over.
func TestBackup(t *testing.T) {
	dir := recorded(t)
	count := func(data string) int {
		t.Helper()
		var rows []store.Call
		code, out, errs := tandem("cdr", "list", "--data", data, "--format", "json", "--limit", "1000")
		if err := json.Unmarshal([]byte(out), &rows); code != exitFine || err != nil {
			t.Fatalf("exit %d, %v: %s", code, err, errs)
		}
		return len(rows)
	}
	copyTo := func(name string) string {
		t.Helper()
		data := t.TempDir()
		file := filepath.Join(data, "tandem.db")
		if code, out, errs := tandem("backup", "--data", dir, file); code != exitFine || !strings.Contains(out, file) {
			t.Fatalf("%s: exit %d: %s%s", name, code, out, errs)
		}
		return data
	}
	still := copyTo("without a server")
	if n := count(still); n != 120 {
		t.Errorf("the copy has %d calls", n)
	}
	before, err := os.ReadFile(filepath.Join(still, "tandem.db"))
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := tandem("backup", "--data", dir, filepath.Join(still, "tandem.db")); code != exitFailed || !strings.Contains(errs, "is there already") {
		t.Errorf("over a file: exit %d: %s", code, errs)
	}
	if after, err := os.ReadFile(filepath.Join(still, "tandem.db")); err != nil || string(after) != string(before) {
		t.Errorf("the file that was there has changed: %v", err)
	}
	if code, _, errs := tandem("backup", "--data", t.TempDir(), filepath.Join(t.TempDir(), "copy")); code != exitFailed || !strings.Contains(errs, "there is no store yet") {
		t.Errorf("of nothing: exit %d: %s", code, errs)
	}

	s := serve(t, "--data", dir)
	live := copyTo("beside a server")
	if n := count(dir); n != 120 {
		t.Errorf("beside a server the store has %d calls", n)
	}
	s.stop()
	if n := count(live); n != 120 {
		t.Errorf("the copy has %d calls", n)
	}
	serve(t, "--data", live).stop() // restored
	if n := count(live); n != 120 {
		t.Errorf("after it was served the copy has %d calls", n)
	}
}
