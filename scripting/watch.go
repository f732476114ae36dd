package scripting

import (
	"errors"
	"io/fs"
	"time"

	"github.com/fsnotify/fsnotify"
)

// quiet is how long the folder must rest before it is read: editors write in several steps,
// and a copy of many files is one change.
const quiet = 150 * time.Millisecond

// maxUnrest bounds how long a folder that never rests keeps a reload off.
const maxUnrest = 2 * time.Second

// watch reloads the scripts when something in their folder changes.
func (e *Engine) watch() error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	if err := watchFolders(w, e.o.Dir); err != nil {
		w.Close()
		return err
	}
	e.done.Go(func() {
		defer w.Close()
		e.follow(w.Events, w.Errors, func() {
			if err := watchFolders(w, e.o.Dir); err != nil {
				e.o.Log.Warn("watching scripts", "dir", e.o.Dir, "error", err)
			}
			if e.changed() {
				e.reload("file changed")
			}
		})
	})
	return nil
}

// follow waits for changes and calls settled when they have come to rest.
func (e *Engine) follow(events <-chan fsnotify.Event, errs <-chan error, settled func()) {
	rest := time.NewTimer(time.Hour)
	rest.Stop()
	var since time.Time
	for {
		select {
		case <-e.ctx.Done():
			return
		case _, ok := <-events:
			if !ok {
				return
			}
			if since.IsZero() {
				since = time.Now()
			}
			rest.Reset(min(quiet, max(maxUnrest-time.Since(since), 0)))
		case err, ok := <-errs:
			if !ok {
				return
			}
			e.o.Log.Warn("watching scripts", "dir", e.o.Dir, "error", err)
			rest.Reset(quiet)
		case <-rest.C:
			since = time.Time{}
			settled()
		}
	}
}

// watchFolders has w watch what the scripts depend on now, and nothing else. What it watches
// already stays watched.
func watchFolders(w *fsnotify.Watcher, dir string) error {
	wanted, err := foldersOf(dir)
	if err != nil {
		return err
	}
	for path := range wanted {
		if err := w.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // gone meanwhile: its parent tells
			return err
		}
	}
	for _, path := range w.WatchList() {
		if !wanted[path] {
			_ = w.Remove(path) // it may be gone by itself
		}
	}
	return nil
}
