package b2bua

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tandem/media"
)

// RecordOptions of Record.
type RecordOptions struct {
	File    string        // below the recordings folder
	Max     time.Duration // 60 s if zero
	Silence time.Duration // that ends it; 3 s if zero, none if negative
	Finish  string        // keys that end it
	Beep    bool
}

// RecordResult is what Record made.
type RecordResult struct {
	Path    string // as it was given
	Seconds float64
	Why     string // finish, silence, max, hangup
}

// ErrPath is returned for a recording's name that leads out of the recordings folder.
var ErrPath = errors.New("is not a path below the recordings folder")

// RecordingPath is where a recording lies on disk. Names that could lead elsewhere are
// refused with ErrPath, and so are links that do.
func (s *Server) RecordingPath(file string) (string, error) {
	if file == "" || !filepath.IsLocal(file) || strings.ContainsAny(file, "\x00\\") {
		return "", fmt.Errorf("%q %w", file, ErrPath)
	}
	full := filepath.Join(s.o.Recordings, file)
	root, err := filepath.EvalSymlinks(s.o.Recordings)
	if err != nil {
		return full, nil // not made yet: nothing to follow
	}
	for dir := full; dir != s.o.Recordings && len(dir) > len(s.o.Recordings); dir = filepath.Dir(dir) {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			continue
		}
		if rel, err := filepath.Rel(root, real); err != nil || !filepath.IsLocal(rel) {
			return "", fmt.Errorf("%q %w", file, ErrPath)
		}
		break
	}
	return full, nil
}

// Record records what the leg says into a WAV file. The file is kept at a hangup too.
func (l *Leg) Record(ctx context.Context, opts RecordOptions) (RecordResult, error) {
	c := l.call()
	path, err := c.server.RecordingPath(opts.File)
	if err != nil {
		return RecordResult{}, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return RecordResult{}, fmt.Errorf("record %s: %w", opts.File, err)
	}
	if opts.Max <= 0 {
		opts.Max = time.Minute
	}
	if opts.Silence == 0 {
		opts.Silence = 3 * time.Second
	}
	res, err := await[RecordResult](ctx, c, l, func(o *op) {
		if err := l.ready(); err != nil {
			c.finish(o, nil, err)
			return
		}
		o.result = func(error) any { return RecordResult{Path: opts.File, Why: "hangup"} }
		l.beepThen(o, opts.Beep, func() { l.record(o, path, opts) })
	})
	return res, err
}

// beepThen plays the beep, if wanted, and then goes on.
func (l *Leg) beepThen(o *op, beep bool, next func()) {
	c := l.call()
	tone, err := media.ParseTone("beep")
	if !beep || err != nil {
		next()
		return
	}
	l.startPlaying([]media.Source{tone}, 0, func(error) {
		if _, live := c.ops[o]; live {
			next()
		}
	})
	o.stop = l.stopPlaying
}

func (l *Leg) record(o *op, path string, opts RecordOptions) {
	c := l.call()
	rec, err := l.media.Record(media.RecordOptions{Path: path, Max: opts.Max, Silence: max(opts.Silence, 0)})
	if err != nil {
		o.result = nil
		c.finish(o, nil, fmt.Errorf("record %s: %w", opts.File, err))
		return
	}
	c.recorded(opts.File)
	done := func(why string) RecordResult {
		r := rec.Stop()
		if why == "" {
			why = string(r.Why)
		}
		c.note(l.name(), "media", fmt.Sprintf("recorded %s: %.1f s, %s", opts.File, r.Seconds, why))
		return RecordResult{Path: opts.File, Seconds: r.Seconds, Why: why}
	}
	release := l.listen(func(d byte) bool {
		if opts.Finish == "" || !strings.Contains(opts.Finish, string(d)) {
			return false
		}
		c.finish(o, done("finish"), nil)
		return true
	})
	o.stop = release
	o.result = func(error) any { return done("hangup") }
	go func() {
		<-rec.Done()
		c.box.post(do(func(*Call) {
			if _, live := c.ops[o]; live {
				c.finish(o, done(""), nil)
			}
		}))
	}()
}
