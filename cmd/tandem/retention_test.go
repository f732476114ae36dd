package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tandem/config"
	"tandem/store"
)

// Old records go, and their recordings with them; nothing outside the folder does.
func TestRetention(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := config.Default()
	cfg.SetData(filepath.Join(dir, "data"))
	s := &server{log: slog.New(slog.DiscardHandler), booted: settings{Config: cfg}}
	s.current.Store(&s.booted)
	if err := s.openStore(t.Context(), s.booted); err != nil {
		t.Fatal(err)
	}
	defer s.closeParts()
	now := time.Now()
	outside := write(t, filepath.Join(dir, "data", "outside.wav"), "x")
	for id, c := range map[string]struct {
		age       time.Duration
		recording string
	}{
		"old": {91 * 24 * time.Hour, "a/old.wav"}, "older": {200 * 24 * time.Hour, "../outside.wav"},
		"gone": {100 * 24 * time.Hour, "never/was.wav"}, "young": {89 * 24 * time.Hour, "a/young.wav"},
	} {
		if filepath.IsLocal(c.recording) && id != "gone" {
			write(t, filepath.Join(recordingsDir(cfg), c.recording), "x")
		}
		call := &store.Call{ID: id, StartMS: now.Add(-c.age).UnixMilli(), State: store.StateAnswered, Recording: c.recording}
		s.store.Open(call)
		s.store.Finish(call, nil, nil)
	}
	if err := s.store.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.tidy(t.Context(), now)
	rows, _, err := s.store.Calls(t.Context(), store.Filter{})
	if err != nil || len(rows) != 1 || rows[0].ID != "young" {
		t.Errorf("records left: %+v, %v", rows, err)
	}
	for path, want := range map[string]bool{
		filepath.Join(recordingsDir(cfg), "a", "old.wav"): false, filepath.Join(recordingsDir(cfg), "a", "young.wav"): true, outside: true,
	} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: is there %v, want %v", path, err == nil, want)
		}
	}
	cfg.Store.Retention = 0
	s.tidy(t.Context(), now.Add(1000*24*time.Hour))
	if rows, _, _ := s.store.Calls(t.Context(), store.Filter{}); len(rows) != 1 {
		t.Error(`retention "0" removed a record`)
	}
}
