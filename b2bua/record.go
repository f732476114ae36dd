package b2bua

import (
	"context"
	"errors"
	"fmt"
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
	Keep    bool // the record does not name it, so that it stays when the record is removed
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
	path, err := l.home.server.recordingFile(opts.File)
	if err != nil {
		return RecordResult{}, err
	}
	if opts.Max <= 0 {
		opts.Max = time.Minute
	}
	if opts.Silence == 0 {
		opts.Silence = 3 * time.Second
	}
	for {
		session, err := l.beep(ctx, opts.Beep)
		if errors.Is(err, ErrHangup) {
			return RecordResult{Path: opts.File, Why: "hangup"}, nil
		}
		if err != nil {
			return RecordResult{}, err
		}
		r, err := l.recordFrom(ctx, session, path, opts)
		if r.Why == "hangup" && l.replaced(ctx, session) {
			continue // the recording is of who has taken the leg's place
		}
		return r, err
	}
}

// replaced reports whether another leg has taken the place of the one whose media session was.
func (l *Leg) replaced(ctx context.Context, was *media.Session) bool {
	is, err := await[*media.Session](ctx, l.home, l, func(o *op) { l.call().finish(o, l.now().media, nil) })
	return err == nil && is != was
}

func (l *Leg) recordFrom(ctx context.Context, session *media.Session, path string, opts RecordOptions) (RecordResult, error) {
	// Here and not on the call's goroutine: the disk may be slow.
	rec, err := session.Record(media.RecordOptions{Path: path, Max: opts.Max, Silence: max(opts.Silence, 0)})
	if errors.Is(err, media.ErrClosed) {
		return RecordResult{Path: opts.File, Why: "hangup"}, nil
	}
	if err != nil {
		return RecordResult{}, fmt.Errorf("record %s: %w", opts.File, err)
	}
	why, err := l.whileRecording(ctx, rec, opts)
	rec.Stop()
	<-rec.Done()
	r := rec.Result()
	if r.Err != nil {
		return RecordResult{}, fmt.Errorf("record %s: %w", opts.File, r.Err)
	}
	if why == "" {
		why = r.Why
	}
	l.home.Note("media", fmt.Sprintf("recorded %s: %.1f s, %s", opts.File, r.Seconds, why))
	return RecordResult{Path: opts.File, Seconds: r.Seconds, Why: why}, err
}

// beep answers if need be and plays the beep, if wanted.
func (l *Leg) beep(ctx context.Context, wanted bool) (*media.Session, error) {
	return await[*media.Session](ctx, l.home, l, func(o *op) {
		l := l.now()
		c := l.call()
		if err := l.ready(); err != nil {
			c.finish(o, nil, err)
			return
		}
		o.heritable, o.inherit = true, func(n *Leg) { c.finish(o, n.media, nil) }
		tone, err := media.ParseTone("beep")
		if !wanted || err != nil {
			c.finish(o, l.media, nil)
			return
		}
		pb := l.startPlaying([]media.Source{tone}, 0, func(error) { c.finish(o, l.media, nil) })
		o.stop = pb.Stop
	})
}

// whileRecording waits for the finish key (why is then "finish"), the end of the recording
// (""), or of the leg ("hangup").
func (l *Leg) whileRecording(ctx context.Context, rec *media.Recording, opts RecordOptions) (why string, err error) {
	return await[string](ctx, l.home, l, func(o *op) {
		l := l.now()
		c := l.call()
		if !opts.Keep {
			c.recorded(opts.File)
		}
		o.heritable, o.inherit = true, func(*Leg) { c.finish(o, "hangup", nil) } // it begins anew
		o.result = func(error) any { return "hangup" }
		o.stop = l.listen(func(d byte) bool {
			if opts.Finish == "" || !strings.Contains(opts.Finish, string(d)) {
				return false
			}
			c.finish(o, "finish", nil)
			return true
		})
		c.aside(func() {
			<-rec.Done()
			c.box.post(do(func(*Call) { c.finish(o, "", nil) }))
		})
	})
}
