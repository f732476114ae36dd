package media

import (
	"fmt"
	"io/fs"
	"time"

	"tandem/media/wav"
)

// maxClip is the longest file that is kept in memory.
const maxClip = time.Hour

// Clip is a sound file in memory. It is encoded once a format, when it is first played.
type Clip struct {
	name  string
	audio wav.Audio
	shelf
}

// LoadClip reads a WAV file. Errors wrap fs.ErrNotExist or wav.ErrFormat.
func LoadClip(fsys fs.FS, name string) (*Clip, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	defer file.Close()
	audio, err := wav.Decode(name, file, maxClip)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	return &Clip{name: name, audio: audio}, nil
}

// Name is what LoadClip was given.
func (c *Clip) Name() string { return c.name }

// Duration is how long the clip plays.
func (c *Clip) Duration() time.Duration { return c.audio.Duration() }

func (c *Clip) track(f *format) *track { return c.get(f, c.encode) }

func (c *Clip) encode(f *format) *track {
	length := int(int64(len(c.audio.PCM)) * int64(f.perMs) * 1000 / int64(c.audio.Rate))
	return newTrack(f, length, encodeFrom(f, c.reader(f.SampleRate)))
}

// reader gives the clip's samples in order, at the rate asked for.
func (c *Clip) reader(rate int) func(dst []int16) int {
	rest := c.audio.PCM
	return func(dst []int16) int {
		n := copy(dst, rest)
		rest = rest[n:]
		return n
	}
}

// encodeFrom makes the payloads of what read gives; read returns less than asked at the
// end.
func encodeFrom(f *format, read func(dst []int16) int) func(dst []byte) int {
	enc, err := f.NewEncoder()
	if err != nil { // every format of the table has a coder
		return func([]byte) int { return 0 }
	}
	var pcm []int16
	return func(dst []byte) int {
		want := len(dst) * f.SampleRate / (f.perMs * 1000)
		if cap(pcm) < want {
			pcm = make([]int16, want)
		}
		n := read(pcm[:want])
		return enc.Encode(dst, pcm[:n])
	}
}
