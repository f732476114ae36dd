package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	tidyAfter = time.Minute // after the start, which has better to do
	tidyEvery = time.Hour
)

// keepTidy removes records older than [store] retention, and their recordings, until
// the server closes.
func (s *server) keepTidy() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for wait := time.NewTimer(tidyAfter); ; wait.Reset(tidyEvery) {
			select {
			case <-ctx.Done():
				wait.Stop()
				return
			case now := <-wait.C:
				s.tidy(ctx, now)
			}
		}
	}()
	s.onClose(func() error {
		cancel()
		<-done
		return nil
	})
}

// tidy removes what is too old at the time now.
func (s *server) tidy(ctx context.Context, now time.Time) {
	retention := s.settings().Store.Retention
	if retention == 0 {
		return
	}
	root, err := os.OpenRoot(recordingsDir(s.booted.Config)) // no path in a record leads out of it
	if err != nil {
		s.log.Error("recordings cannot be removed", "error", err)
		return
	}
	defer root.Close()
	n, err := s.store.Prune(ctx, now.Add(-retention.Std()), func(recording string) {
		if err := root.Remove(filepath.FromSlash(recording)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("a recording cannot be removed", "recording", recording, "error", err)
		}
	})
	if err != nil && ctx.Err() == nil {
		s.log.Error("old records cannot be removed", "error", err)
	}
	if n > 0 {
		s.log.Info("old records removed", "records", n, "retention", retention)
	}
}
