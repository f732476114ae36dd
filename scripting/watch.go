package scripting

import (
	"io/fs"
	"os"
	"path/filepath"
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
	if err := e.watchAll(w); err != nil {
		w.Close()
		return err
	}
	e.done.Go(func() {
		defer w.Close()
		e.follow(w)
	})
	return nil
}

// watchAll watches the folder, what lies in it, and its parent: the folder may be swapped
// as a whole, or be a link that is pointed elsewhere.
func (e *Engine) watchAll(w *fsnotify.Watcher) error {
	dir := e.o.Dir
	if err := w.Add(filepath.Dir(filepath.Clean(dir))); err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	return filepath.WalkDir(real, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) { // gone meanwhile
				return nil
			}
			return err
		}
		if !d.IsDir() {
			return nil
		}
		if rel, _ := filepath.Rel(real, path); rel == "prompts" || rel == "spec" {
			return fs.SkipDir
		}
		return w.Add(path)
	})
}

// follow waits for changes and reloads when they have come to rest.
func (e *Engine) follow(w *fsnotify.Watcher) {
	rest := time.NewTimer(time.Hour)
	rest.Stop()
	var since time.Time
	for {
		select {
		case <-e.ctx.Done():
			return
		case _, ok := <-w.Events:
			if !ok {
				return
			}
			if since.IsZero() {
				since = time.Now()
			}
			rest.Reset(min(quiet, max(maxUnrest-time.Since(since), 0)))
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			e.o.Log.Warn("watching scripts", "dir", e.o.Dir, "error", err)
			rest.Reset(quiet)
		case <-rest.C:
			since = time.Time{}
			if err := e.watchAll(w); err != nil { // new folders; those watched stay so
				e.o.Log.Warn("watching scripts", "dir", e.o.Dir, "error", err)
			}
			if e.changed() {
				e.reload("file changed")
			}
		}
	}
}
