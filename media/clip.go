package media

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"sync"
	"time"

	"tandem/media/codec"
	"tandem/media/soundfile"
	"tandem/media/wav"
)

// maxClip is the longest file that is kept in memory.
const maxClip = time.Hour

// Clip is a sound file in memory. It is encoded once a format, when it is first played.
type Clip struct {
	name  string
	audio wav.Audio
	gain  float64 // 0: as it is
	shelf

	other sync.Mutex
	loud  map[int]*Clip // the same at other volumes
}

// LoadClip reads a WAV, MP3 or Ogg/Opus file. Errors wrap fs.ErrNotExist or soundfile.ErrFormat.
func LoadClip(fsys fs.FS, name string) (*Clip, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	defer file.Close()
	return ReadClip(name, file)
}

// ReadClip reads a clip from wherever it comes; name is what the user calls it. Errors wrap
// soundfile.ErrFormat or are the reader's.
func ReadClip(name string, r io.Reader) (*Clip, error) {
	audio, err := soundfile.Decode(name, r, maxClip)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	for i := range formats {
		if _, err := codec.NewResampler(audio.Rate, formats[i].SampleRate); err != nil {
			return nil, fmt.Errorf("media: %s: %w", name, err)
		}
	}
	return &Clip{name: name, audio: audio}, nil
}

// Name is what LoadClip was given.
func (c *Clip) Name() string { return c.name }

// Duration is how long the clip plays.
func (c *Clip) Duration() time.Duration { return c.audio.Duration() }

// Size is the memory that its samples take, in bytes; encoded, it takes up to as much again
// for each format.
func (c *Clip) Size() int { return 2 * len(c.audio.PCM) }

func (c *Clip) length() (time.Duration, bool) { return c.Duration(), true }

// from shares the samples and is encoded anew: whoever wants the middle of an hour does not
// wait until the first half is.
func (c *Clip) from(d time.Duration) Source {
	rest := c.audio
	rest.PCM = rest.PCM[min(int(int64(d/time.Millisecond)*int64(rest.Rate)/1000), len(rest.PCM)):]
	return &Clip{name: c.name, audio: rest, gain: c.gain}
}

func (c *Clip) louder(dB int) Source {
	if dB == 0 {
		return c
	}
	c.other.Lock()
	defer c.other.Unlock()
	l := c.loud[dB]
	if l == nil {
		if c.loud == nil {
			c.loud = map[int]*Clip{}
		}
		l = &Clip{name: c.name, audio: c.audio, gain: codec.Decibels(float64(dB))}
		c.loud[dB] = l
	}
	return l
}

func (c *Clip) track(f *format) *track { return c.get(f, c.encode) }

func (c *Clip) encode(f *format) *track {
	length := int(int64(len(c.audio.PCM)) * int64(f.perMs) * 1000 / int64(c.audio.Rate))
	read := c.samples()
	if c.audio.Rate != f.SampleRate {
		r, err := codec.NewResampler(c.audio.Rate, f.SampleRate)
		if err != nil {
			return silentTrack(0) // LoadClip has refused such a rate
		}
		read = resample(r, read)
	}
	return newTrack(f, length, encodeFrom(f, read))
}

// samples gives the clip's samples in order, and silence behind them.
func (c *Clip) samples() func(dst []int16) int {
	rest := c.audio.PCM
	return func(dst []int16) int {
		n := copy(dst, rest)
		rest = rest[n:]
		if c.gain != 0 {
			amplify(dst[:n], c.gain)
		}
		clear(dst[n:])
		return len(dst)
	}
}

func amplify(pcm []int16, gain float64) {
	for i, s := range pcm {
		pcm[i] = int16(max(math.MinInt16, min(math.MaxInt16, math.Round(float64(s)*gain))))
	}
}

// resample gives what read gives at another rate, without the delay of the filter.
func resample(r *codec.Resampler, read func([]int16) int) func(dst []int16) int {
	var in [480]int16
	out := make([]int16, r.OutputLen(len(in)))
	var rest []int16
	skip := int(math.Round(r.Delay()))
	return func(dst []int16) int {
		for n := 0; n < len(dst); {
			if len(rest) == 0 {
				read(in[:])
				rest = out[:r.Process(out, in[:])]
			}
			drop := min(skip, len(rest))
			skip, rest = skip-drop, rest[drop:]
			got := copy(dst[n:], rest)
			n, rest = n+got, rest[got:]
		}
		return len(dst)
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
