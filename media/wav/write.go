package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// ErrFull says that a recording has reached the 4 GB that its header can express.
var ErrFull = errors.New("WAV file is full")

const headerSize = 44

// block is the most bytes of sound that a full disk takes from a recording: a whole number
// of frames.
const block = 2048

// maxData is the largest even size of the sound, so that RIFF's own size fits too.
const maxData = math.MaxUint32 - headerSize - 1

// Writer appends 16-bit PCM to a file. After each Write the header tells what is there; if
// the process dies within one, what came before it plays. It is not safe for concurrent use.
type Writer struct {
	w        io.WriterAt
	rate     int
	channels int
	size     int64 // bytes of sound that the header counts
	buf      []byte
	head     [headerSize]byte
}

// NewWriter writes the header of an empty recording at the start of w, a fresh file not
// opened for appending. Samples of two channels are interleaved.
func NewWriter(w io.WriterAt, rate, channels int) (*Writer, error) {
	if rate < minRate || rate > maxRate || channels < 1 || channels > 2 {
		return nil, fmt.Errorf("cannot record %d channels at %d Hz", channels, rate)
	}
	wr := &Writer{w: w, rate: rate, channels: channels}
	wr.fill()
	if err := wr.header(); err != nil {
		return nil, err
	}
	return wr, nil
}

func (w *Writer) frame() int { return 2 * w.channels }

func (w *Writer) fill() {
	b := w.head[:]
	le := binary.LittleEndian
	copy(b, "RIFF\x00\x00\x00\x00WAVEfmt ")
	le.PutUint32(b[16:], 16)
	le.PutUint16(b[20:], uint16(PCM))
	le.PutUint16(b[22:], uint16(w.channels))
	le.PutUint32(b[24:], uint32(w.rate))
	le.PutUint32(b[28:], uint32(w.rate*w.frame()))
	le.PutUint16(b[32:], uint16(w.frame()))
	le.PutUint16(b[34:], 16)
	copy(b[36:], "data")
}

func (w *Writer) header() error {
	binary.LittleEndian.PutUint32(w.head[4:], uint32(w.size)+headerSize-8)
	binary.LittleEndian.PutUint32(w.head[40:], uint32(w.size))
	if _, err := w.w.WriteAt(w.head[:], 0); err != nil {
		return fmt.Errorf("writing the header: %w", err)
	}
	return nil
}

// Write appends samples: first the sound, then the header that counts it. On an error, a
// full disk for instance, the header counts what was written. ErrFull at 4 GB.
func (w *Writer) Write(pcm []int16) error {
	if len(pcm)%w.channels != 0 {
		return fmt.Errorf("%d samples for %d channels", len(pcm), w.channels)
	}
	if w.size+int64(2*len(pcm)) > maxData {
		return ErrFull
	}
	w.buf = w.buf[:0]
	for _, s := range pcm {
		w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(s))
	}
	n, err := w.put(w.buf)
	if n -= n % w.frame(); n > 0 {
		w.size += int64(n)
		if herr := w.header(); err == nil {
			return herr
		}
	}
	if err != nil {
		return fmt.Errorf("writing sound: %w", err)
	}
	return nil
}

// put writes the sound block by block: an os.File that fails does not tell how much of a
// block it has written.
func (w *Writer) put(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = w.w.WriteAt(b[n:min(n+block, len(b))], headerSize+w.size+int64(n))
		n += m
	}
	return n, err
}

// Frames is the number of samples of each channel that the file holds.
func (w *Writer) Frames() int64 { return w.size / int64(w.frame()) }

// Duration is how long the file plays.
func (w *Writer) Duration() time.Duration {
	return time.Duration(w.Frames()) * time.Second / time.Duration(w.rate)
}
