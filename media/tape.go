package media

import (
	"fmt"
	"os"

	"tandem/media/wav"
)

// tape lays pieces of sound into a file in the order of their time: gaps become silence,
// and what comes a little late still finds its place.
type tape struct {
	file    *os.File
	sound   *wav.Writer
	err     error
	written int64   // samples in the file
	window  []int16 // those that follow, as far as they are known
	packet  [maxPacket]byte
	pcm     [maxPacket]int16
	late    int // samples held back for stragglers
}

// lateMs is how long a piece may be under way before its place is written.
const lateMs = 120

// maxWindow bounds the samples kept in memory: longer gaps are written out as silence.
const maxWindow = 1 << 16

// newTape makes the file, with the header of an empty recording.
func newTape(path string, rate int) (*tape, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("media: recording: %w", err)
	}
	sound, err := wav.NewWriter(file, rate, 1)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("media: recording %s: %w", path, err)
	}
	return &tape{file: file, sound: sound, late: lateMs * rate / 1000}, nil
}

// lay puts a piece where it belongs.
func (t *tape) lay(p piece) {
	if t.err != nil {
		return
	}
	pcm := t.pcm[:len(p.payload)]
	expand(pcm, p.payload, p.law)
	off := p.at - t.written
	if off < 0 { // too late, or a little: keep what still fits
		pcm = pcm[min(-off, int64(len(pcm))):]
		off = 0
	}
	if off+int64(len(pcm)) > maxWindow {
		t.pad(p.at - int64(t.late))
		off = max(p.at-t.written, 0)
	}
	for int64(len(t.window)) < off+int64(len(pcm)) {
		t.window = append(t.window, 0)
	}
	copy(t.window[off:], pcm)
}

// pad writes everything before the sample at, with silence where nothing is known.
func (t *tape) pad(at int64) {
	for t.written < at && t.err == nil {
		n := min(at-t.written, maxWindow)
		for int64(len(t.window)) < n {
			t.window = append(t.window, 0)
		}
		t.flush(int(n))
	}
}

// write puts into the file what is old enough, or all.
func (t *tape) write(all bool) {
	n := len(t.window)
	if !all {
		n -= t.late
	}
	if n > 0 {
		t.flush(n)
	}
}

// flush writes the first n samples of the window.
func (t *tape) flush(n int) {
	if t.err == nil {
		t.err = t.sound.Write(t.window[:n])
		t.written = t.sound.Frames()
	}
	t.window = append(t.window[:0], t.window[n:]...)
}

// close makes the file exactly length samples long and closes it.
func (t *tape) close(length int64) error {
	if over := t.written + int64(len(t.window)) - length; over > 0 {
		t.window = t.window[:max(0, int64(len(t.window))-over)]
	}
	t.write(true)
	t.pad(length)
	err := t.file.Close()
	if t.err == nil {
		t.err = err
	}
	return t.err
}
