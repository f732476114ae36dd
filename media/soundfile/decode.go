// Package soundfile reads sound files of all kinds that users have, WAV, MP3 and Ogg/Opus, into
// 16-bit mono PCM, and writes Ogg/Opus. What a file is, its first bytes tell.
package soundfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"tandem/media/codec"
	"tandem/media/wav"
)

// ErrFormat is wrapped by the errors about files that are broken or not supported; those
// about WAV files wrap wav.ErrFormat too.
var ErrFormat = errors.New("unusable sound file")

// keepRate is the rate that compressed sound is kept in memory with, in Hz: no leg is sent
// more, and a file of one megabyte unpacks to a hundred at its own.
const keepRate = 16000

// Decode reads a whole file. One that plays longer than most is an error, so that memory
// stays bounded. Errors start with name, which should be what the user calls the file, and
// wrap ErrFormat or the error of r.
func Decode(name string, r io.Reader, most time.Duration) (wav.Audio, error) {
	b := bufio.NewReaderSize(r, 16<<10)
	start, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return wav.Audio{}, fmt.Errorf("%s: %w", name, err)
	}
	var audio wav.Audio
	switch {
	case bytes.Equal(start, []byte("OggS")):
		audio, err = decodeOpus(b, most)
	case isMP3(start):
		audio, err = decodeMP3(b, most)
	default:
		audio, err = wav.Decode(name, b, most)
		if errors.Is(err, wav.ErrFormat) {
			err = errors.Join(err, ErrFormat)
		}
		return audio, err
	}
	if err != nil {
		return wav.Audio{}, fmt.Errorf("%s: %w", name, err)
	}
	return audio, nil
}

// Endings are those of the files that Decode reads, in the order they are looked for.
func Endings() []string { return []string{".wav", ".opus", ".ogg", ".mp3"} }

// kept collects mono PCM at keepRate, up to a limit.
type kept struct {
	pcm   []int16
	most  time.Duration
	limit int
	r     *codec.Resampler // nil: it comes at that rate
	out   []int16
}

func newKept(rate int, most time.Duration) (*kept, error) {
	k := &kept{most: most, limit: int(min(most, 24*time.Hour)/time.Millisecond) * keepRate / 1000}
	if rate == keepRate {
		return k, nil
	}
	var err error
	if k.r, err = codec.NewResampler(rate, keepRate); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return k, nil
}

// add takes what follows.
func (k *kept) add(pcm []int16) error {
	if k.r != nil {
		if need := k.r.OutputLen(len(pcm)); need > len(k.out) {
			k.out = make([]int16, need)
		}
		pcm = k.out[:k.r.Process(k.out, pcm)]
	}
	if len(k.pcm)+len(pcm) > k.limit {
		return fmt.Errorf("%w: it plays longer than %v", ErrFormat, k.most)
	}
	k.pcm = append(k.pcm, pcm...)
	return nil
}
