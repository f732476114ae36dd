// Package wav reads sound files into 16-bit mono PCM and writes recordings whose header is
// valid at every moment.
package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrFormat is wrapped by the errors about files that are broken or not supported.
var ErrFormat = errors.New("unusable WAV file")

// Limits of what is read.
const (
	minRate     = 8000
	maxRate     = 48000
	maxChannels = 8
	maxChunks   = 256 // before the sound
	fmtSize     = 40  // of WAVE_FORMAT_EXTENSIBLE
)

// Encoding is how samples are stored.
type Encoding uint16

// The encodings that can be read, by their format tag.
const (
	PCM   Encoding = 1 // unsigned with 8 bits, else signed
	Float Encoding = 3
	ALaw  Encoding = 6
	MuLaw Encoding = 7

	extensible = 0xFFFE
)

// Format is what a file's header says.
type Format struct {
	Encoding Encoding
	Rate     int // Hz
	Channels int
	Bits     int // a sample
}

// Reader reads one file from its start to its end.
type Reader struct {
	name  string
	r     io.Reader
	f     Format
	left  int64 // bytes of sound still to come; endless if the header did not know
	value func(b []byte) int32
	buf   []byte
	have  int // bytes in buf, less than a frame between calls
}

// NewReader reads the header of a file. Errors start with name, which should be what the
// user calls the file, and wrap ErrFormat or the error of r.
func NewReader(name string, r io.Reader) (*Reader, error) {
	wr := &Reader{name: name, r: r}
	if err := wr.header(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	wr.value = wr.f.decoder()
	wr.buf = make([]byte, 1024*wr.f.frame())
	return wr, nil
}

// Format is the file's own; Read turns it into 16-bit mono at the same rate.
func (r *Reader) Format() Format { return r.f }

func (f Format) frame() int { return f.Channels * f.Bits / 8 }

// Read fills dst with mono samples, the mean of the channels. It returns io.EOF at the end,
// also when the file is shorter than its header says.
func (r *Reader) Read(dst []int16) (int, error) {
	size := r.f.frame()
	for n := 0; n < len(dst); {
		want := min(int64(len(r.buf)), int64(len(dst)-n)*int64(size), r.left+int64(r.have))
		if want < int64(size) {
			return n, end(n)
		}
		got, err := io.ReadAtLeast(r.r, r.buf[r.have:want], size-r.have)
		r.left -= int64(got)
		r.have += got
		frames := r.have / size
		for i := range frames {
			dst[n+i] = r.mono(r.buf[i*size : (i+1)*size])
		}
		n += frames
		r.have = copy(r.buf, r.buf[frames*size:r.have])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			r.left, r.have = 0, 0
			return n, end(n)
		}
		if err != nil {
			return n, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return len(dst), nil
}

func end(n int) error {
	if n == 0 {
		return io.EOF
	}
	return nil
}

func (r *Reader) mono(frame []byte) int16 {
	size, sum := r.f.Bits/8, int32(0)
	for ; len(frame) > 0; frame = frame[size:] {
		sum += r.value(frame)
	}
	return int16(sum / int32(r.f.Channels))
}

// Audio is a whole file as mono PCM.
type Audio struct {
	Rate int // Hz
	PCM  []int16
}

// Duration is how long it plays.
func (a Audio) Duration() time.Duration {
	return time.Duration(len(a.PCM)) * time.Second / time.Duration(max(1, a.Rate))
}

// Decode reads a whole file. One that plays longer than most is an error, so that memory
// stays bounded. Errors are those of NewReader.
func Decode(name string, r io.Reader, most time.Duration) (Audio, error) {
	wr, err := NewReader(name, r)
	if err != nil {
		return Audio{}, err
	}
	limit := int(min(int64(most/time.Millisecond), 24*3600*1000)) * wr.f.Rate / 1000
	var pcm []int16
	var chunk [4096]int16
	for {
		n, err := wr.Read(chunk[:])
		if errors.Is(err, io.EOF) {
			return Audio{Rate: wr.f.Rate, PCM: pcm}, nil
		}
		if err != nil {
			return Audio{}, err
		}
		if len(pcm)+n > limit {
			return Audio{}, fmt.Errorf("%s: %w: it plays longer than %v", name, ErrFormat, most)
		}
		pcm = append(pcm, chunk[:n]...)
	}
}

// header reads up to the first byte of sound.
func (r *Reader) header() error {
	var b [12]byte
	if n, err := io.ReadFull(r.r, b[:]); err != nil {
		return notWAV(b[:n], err)
	}
	if string(b[:4]) != "RIFF" || string(b[8:]) != "WAVE" {
		return notWAV(b[:], nil)
	}
	for range maxChunks {
		id, size, err := r.chunk()
		if err != nil {
			return err
		}
		switch {
		case id == "fmt ":
			if err := r.format(size); err != nil {
				return err
			}
		case id == "data" && r.f.Rate == 0:
			return fmt.Errorf("%w: sound before its format", ErrFormat)
		case id == "data":
			r.left = size
			if size == 0 || size == 0xFFFFFFFF { // written to a pipe: the length was not known
				r.left = 1<<63 - 1<<32
			}
			return nil
		default:
			if err := r.skip(size + size&1); err != nil { // RIFF: chunks are padded to an even size
				return err
			}
		}
	}
	return fmt.Errorf("%w: no sound within %d chunks", ErrFormat, maxChunks)
}

func (r *Reader) chunk() (id string, size int64, err error) {
	var b [8]byte
	if _, err := io.ReadFull(r.r, b[:]); err != nil {
		return "", 0, cut(err)
	}
	return string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:])), nil
}

func (r *Reader) skip(n int64) error {
	if _, err := io.CopyN(io.Discard, r.r, n); err != nil {
		return cut(err)
	}
	return nil
}

// cut turns the end of a file into what is wrong with it; other errors pass.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends before the sound", ErrFormat)
	}
	return err
}
