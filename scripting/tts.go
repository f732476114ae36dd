package scripting

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"tandem/b2bua"
	"tandem/media"
	"tandem/scripting/voice"
)

// Speaker makes sound files of text; voice.Speaker does.
type Speaker interface {
	// Speak gives the path of a sound file, which stays while nobody has asked for others for a while.
	Speak(ctx context.Context, voice, text string) (path string, err error)
}

// SetVoice replaces who reads text; nil is nobody.
func (e *Engine) SetVoice(v Speaker, language string) {
	if v == nil {
		v = voice.New(voice.Options{})
	}
	e.speaker.Store(&v)
	e.language.Store(&language)
}

// voice has a text spoken while the script waits. A caller who hangs up meanwhile hears
// nothing, as when a sound is fetched.
func (a arguments) voice(name, text string) ([]media.Source, error) {
	s := of(a.L)
	if len(text) > voice.MaxText {
		return nil, misuse{errors.New("the text is too long: at most 4000 bytes")}
	}
	ctx, cancel := context.WithCancelCause(a.L.Context())
	defer cancel(nil)
	if o := runningIn(a.L).call; o != nil {
		defer context.AfterFunc(untilHangup(o.c), func() { cancel(b2bua.ErrHangup) })()
	}
	var clip *media.Clip
	var err error
	s.block(a.L, a.name, func(context.Context) {
		var path string
		if path, err = (*s.engine.speaker.Load()).Speak(ctx, name, text); err == nil {
			clip, err = readSpeech(path)
		}
	})
	if wrong, ok := errors.AsType[*voice.Misuse](err); ok {
		return nil, misuse{wrong}
	}
	switch {
	case errors.Is(err, b2bua.ErrHangup):
		return []media.Source{media.Silence(0)}, nil
	case err != nil:
		return nil, err
	}
	return []media.Source{clip}, nil
}

// readSpeech reads a file that was just asked for.
func readSpeech(path string) (*media.Clip, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return media.ReadClip(filepath.Base(path), f)
}

// untilHangup is a context that ends with the call.
func untilHangup(c *b2bua.Call) context.Context { return callContext{context.Background(), c} }

type callContext struct {
	context.Context
	c *b2bua.Call
}

func (c callContext) Done() <-chan struct{} { return c.c.Done() }

func (c callContext) Err() error {
	select {
	case <-c.c.Done():
		return context.Canceled
	default:
		return nil
	}
}
