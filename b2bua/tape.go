package b2bua

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tandem/media"
)

// TapeOptions of StartRecording.
type TapeOptions struct {
	File   string     // below the recordings folder; see RecordingEndings
	Side   media.Side // whose voice
	Stereo bool       // of both sides: what the leg says left, what it hears right; else they are mixed
	Skip   bool       // a pause leaves nothing in the file, rather than silence
}

// RecordingEndings are those that recordings may have; the ending decides the format.
func RecordingEndings() []string { return []string{".wav", ".opus", ".ogg"} }

// errEnding is returned for a recording whose ending is none of RecordingEndings.
var errEnding = fmt.Errorf("%w: recordings end in %s", ErrPath, strings.Join(RecordingEndings(), ", "))

// recordingFile is where a recording is to be made; its folder is there when it returns.
func (s *Server) recordingFile(file string) (string, error) {
	if !slices.Contains(RecordingEndings(), strings.ToLower(filepath.Ext(file))) {
		return "", fmt.Errorf("%q %w", file, errEnding)
	}
	path, err := s.RecordingPath(file)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return "", fmt.Errorf("record %s: %w", file, err)
	}
	return path, nil
}

// taping is a recording that goes on beside everything else.
type taping struct {
	file string
	rec  *media.Recording
}

// StartRecording records the conversation of the leg from now on, whoever it is joined
// with, until StopRecording or its end. ErrState if it is being recorded.
func (l *Leg) StartRecording(ctx context.Context, opts TapeOptions) error {
	path, err := l.home.server.recordingFile(opts.File)
	if err != nil {
		return err
	}
	session, err := await[*media.Session](ctx, l.home, l, func(o *op) {
		l := l.now()
		c := l.call()
		err := l.reclaim()
		if err == nil && l.media == nil {
			err = l.openMedia() // it may ring or be answered later
		}
		if err == nil && l.taping != nil {
			err = ErrState
		}
		c.finish(o, l.media, err)
	})
	if err != nil {
		return err
	}
	// Here and not on the call's goroutine: the disk may be slow.
	rec, err := session.Record(media.RecordOptions{Path: path, Side: opts.Side, Stereo: opts.Stereo, Skip: opts.Skip})
	if errors.Is(err, media.ErrClosed) {
		return ErrHangup
	}
	if err != nil {
		return fmt.Errorf("record %s: %w", opts.File, err)
	}
	return l.home.command(ctx, func(o *op) {
		l := l.now()
		c := l.call()
		if l.taping != nil || c != l.home {
			rec.Stop()
			c.finish(o, nil, ErrState)
			return
		}
		l.tape(&taping{opts.File, rec})
		l.home.finish(o, nil, nil)
	})
}

// tape keeps a recording that has begun, and tells when it ends of itself.
func (l *Leg) tape(t *taping) {
	c := l.call()
	l.taping = t
	c.recorded(t.file)
	c.note(l.name(), "media", "recording to "+t.file)
	c.aside(func() {
		<-t.rec.Done()
		c.box.post(do(func(*Call) { c.taped(l, t) }))
	})
}

// taped notes how a recording went. One that the disk has ended leaves the call alone.
func (c *Call) taped(l *Leg, t *taping) {
	r := t.rec.Result()
	if r.Err != nil {
		c.log.Warn("a recording ended early", "file", t.file, "seconds", r.Seconds, "error", r.Err)
		c.note(l.name(), "media", fmt.Sprintf("recording to %s failed after %.1f s: %v", t.file, r.Seconds, r.Err))
		return
	}
	c.note(l.name(), "media", fmt.Sprintf("recorded %s: %.1f s, %s", t.file, r.Seconds, r.Why))
}

// PauseRecording keeps what follows out of the recording; ErrState if there is none.
func (l *Leg) PauseRecording(ctx context.Context) error {
	return l.withTape(ctx, (*media.Recording).Pause)
}

// ResumeRecording ends a pause.
func (l *Leg) ResumeRecording(ctx context.Context) error {
	return l.withTape(ctx, (*media.Recording).Resume)
}

func (l *Leg) withTape(ctx context.Context, f func(*media.Recording)) error {
	_, err := await[struct{}](ctx, l.home, l, func(o *op) {
		l := l.now()
		if l.taping == nil {
			l.call().finish(o, nil, ErrState)
			return
		}
		f(l.taping.rec)
		l.call().finish(o, nil, nil)
	})
	return err
}

// StopRecording ends the recording and returns when its file is complete. Its error is that
// of the file, if it could not be written; ErrState if there is no recording.
func (l *Leg) StopRecording(ctx context.Context) (RecordResult, error) {
	t, err := await[*taping](ctx, l.home, l, func(o *op) {
		l := l.now()
		t := l.taping
		l.taping = nil
		if t == nil {
			l.call().finish(o, nil, ErrState)
			return
		}
		l.call().finish(o, t, nil)
	})
	if err != nil {
		return RecordResult{}, err
	}
	t.rec.Stop()
	<-t.rec.Done()
	r := t.rec.Result()
	if r.Err != nil {
		return RecordResult{}, fmt.Errorf("record %s: %w", t.file, r.Err)
	}
	return RecordResult{Path: t.file, Seconds: r.Seconds, Why: r.Why}, nil
}
