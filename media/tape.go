package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tandem/media/codec"
	"tandem/media/soundfile"
	"tandem/media/wav"
)

// tape lays pieces of sound into a file in the order of their time: gaps become silence,
// and what comes a little late still finds its place.
type tape struct {
	file    *os.File
	sound   soundWriter
	err     error
	rate    int
	stereo  bool
	sides   []*lane
	written int64 // samples in the file, of each channel
	packet  [maxPacket]byte
	mixed   []int16
	late    int // samples held back for stragglers
}

// soundWriter is a kind of sound file. Whatever happens to us, what it was given plays, but
// for the last moments.
type soundWriter interface {
	Write(pcm []int16) error // interleaved
	Close() error            // leaves the file below open
	Frames() int64           // samples of each channel that it holds
}

// waveWriter is a WAV file, which needs no end.
type waveWriter struct{ *wav.Writer }

func (waveWriter) Close() error { return nil }

// lane is one side on its way into the file.
type lane struct {
	tape     *tape
	window   []int16 // what follows what is written, as far as it is known
	waiting  []piece // that a coder with a memory takes in their order only
	decoders []codec.Decoder
	convert  *codec.Resampler // to the file's rate
	from     int              // the rate it converts
	pcm      [decodedMost]int16
	out      []int16
}

// lateMs is how long a piece may be under way before its place is written.
const lateMs = 120

// maxWindow bounds the samples kept in memory: longer gaps are written out as silence.
const maxWindow = 1 << 16

// decodedMost is the most samples of a packet: 120 ms at 48 kHz.
const decodedMost = 5760

// newTape makes the file, with the header of an empty recording.
func newTape(o RecordOptions, rate int) (*tape, error) {
	file, err := os.Create(o.Path)
	if err != nil {
		return nil, fmt.Errorf("media: recording: %w", err)
	}
	t := &tape{file: file, rate: rate, stereo: o.Stereo && o.Side == SideBoth, late: lateMs * rate / 1000}
	t.sides = append(t.sides, t.newLane())
	if o.Side == SideBoth {
		t.sides = append(t.sides, t.newLane())
	}
	if t.sound, err = t.writer(o.Path); err != nil {
		file.Close()
		return nil, fmt.Errorf("media: recording %s: %w", o.Path, err)
	}
	return t, nil
}

func (t *tape) newLane() *lane {
	return &lane{tape: t, decoders: make([]codec.Decoder, len(formats))}
}

func (t *tape) channels() int {
	if t.stereo {
		return 2
	}
	return 1
}

func (t *tape) writer(path string) (soundWriter, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".opus", ".ogg":
		return soundfile.NewOpusWriter(t.file, t.rate, t.channels())
	}
	w, err := wav.NewWriter(t.file, t.rate, t.channels())
	return waveWriter{w}, err
}

// lane is where a side's pieces go.
func (t *tape) lane(s Side) *lane { return t.sides[min(int(s), len(t.sides)-1)] }

// lay puts a piece where it belongs.
func (t *tape) lay(p piece) {
	if t.err != nil || int(p.format) >= len(formats) && p.format != linearFormat {
		return
	}
	l := t.lane(p.side)
	if p.format == linearFormat || formats[p.format].law != noLaw {
		l.lay(p)
		return
	}
	p.payload = slices.Clone(p.payload)
	i, _ := slices.BinarySearchFunc(l.waiting, p, func(a, b piece) int { return int(max(-1, min(1, a.at-b.at))) })
	l.waiting = slices.Insert(l.waiting, i, p)
	newest := l.waiting[len(l.waiting)-1].at
	for len(l.waiting) > 0 && l.waiting[0].at < newest-int64(t.late)/2 {
		l.next()
	}
}

// next lays the oldest piece that waits.
func (l *lane) next() {
	p := l.waiting[0]
	l.waiting = slices.Delete(l.waiting, 0, 1)
	l.lay(p)
}

func (l *lane) lay(p piece) {
	t := l.tape
	pcm := l.decode(p)
	off := p.at - t.written
	if off < 0 { // too late, or a little: keep what still fits
		pcm = pcm[min(-off, int64(len(pcm))):]
		off = 0
	}
	if off+int64(len(pcm)) > maxWindow {
		t.pad(p.at - int64(t.late))
		off = max(p.at-t.written, 0)
	}
	if end := int(off) + len(pcm); end <= maxWindow+len(pcm) {
		l.reach(end)
		copy(l.window[off:], pcm)
	}
}

// reach makes the window at least n samples long.
func (l *lane) reach(n int) {
	for len(l.window) < n {
		l.window = append(l.window, 0)
	}
}

// decode is a piece's sound at the file's rate.
func (l *lane) decode(p piece) []int16 {
	if p.format == linearFormat {
		pcm := l.pcm[:len(p.payload)/2]
		for i := range pcm {
			pcm[i] = int16(binary.LittleEndian.Uint16(p.payload[2*i:]))
		}
		return pcm
	}
	f := &formats[p.format]
	if l.decoders[f.index] == nil {
		var err error
		if l.decoders[f.index], err = f.NewDecoder(); err != nil { // every format of the table has one
			return nil
		}
	}
	pcm := l.pcm[:l.decoders[f.index].Decode(l.pcm[:], p.payload)]
	if f.SampleRate == l.tape.rate {
		return pcm
	}
	if l.convert == nil || l.from != f.SampleRate {
		l.convert, _ = codec.NewResampler(f.SampleRate, l.tape.rate) // the coders' rates all have a filter
		l.from = f.SampleRate
	}
	if need := l.convert.OutputLen(len(pcm)); need > len(l.out) {
		l.out = make([]int16, need)
	}
	return l.out[:l.convert.Process(l.out, pcm)]
}

// pad writes everything before the sample at, with silence where nothing is known.
func (t *tape) pad(at int64) {
	for t.written < at && t.err == nil {
		t.flush(int(min(at-t.written, maxWindow)))
	}
}

// known is how many samples behind what is written a side has.
func (t *tape) known() (n int) {
	for _, l := range t.sides {
		n = max(n, len(l.window))
	}
	return n
}

// write puts into the file what is old enough, or all.
func (t *tape) write(all bool) {
	if all {
		for _, l := range t.sides {
			for len(l.waiting) > 0 {
				l.next()
			}
		}
	}
	n := t.known()
	if !all {
		n -= t.late
	}
	if n > 0 {
		t.flush(n)
	}
}

// flush writes the next n samples.
func (t *tape) flush(n int) {
	for _, l := range t.sides {
		l.reach(n)
	}
	if t.err == nil {
		t.err = t.sound.Write(t.join(n))
		t.written = t.sound.Frames()
	}
	for _, l := range t.sides {
		l.window = append(l.window[:0], l.window[n:]...)
	}
}

// join is the next n samples as the file holds them.
func (t *tape) join(n int) []int16 {
	if len(t.sides) == 1 {
		return t.sides[0].window[:n]
	}
	left, right := t.sides[0].window[:n], t.sides[1].window[:n]
	t.mixed = t.mixed[:0]
	for i := range n {
		if t.stereo {
			t.mixed = append(t.mixed, left[i], right[i])
			continue
		}
		sum := int(left[i]) + int(right[i])
		t.mixed = append(t.mixed, int16(max(math.MinInt16, min(math.MaxInt16, sum))))
	}
	return t.mixed
}

// close makes the file exactly length samples long and closes it.
func (t *tape) close(length int64) error {
	for _, l := range t.sides {
		for len(l.waiting) > 0 {
			l.next()
		}
		if over := t.written + int64(len(l.window)) - length; over > 0 {
			l.window = l.window[:max(0, int64(len(l.window))-over)]
		}
	}
	t.write(true)
	t.pad(length)
	t.err = errors.Join(t.err, t.sound.Close(), t.file.Close())
	return t.err
}
