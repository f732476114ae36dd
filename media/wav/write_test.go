package wav

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestWriteReadsBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.wav")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := NewWriter(f, 8000, 1)
	if err != nil {
		t.Fatal(err)
	}
	var want []int16
	for i := range 10 {
		// At every moment the file holds what was written, without being closed.
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode("x.wav", bytes.NewReader(b), time.Minute)
		if err != nil || !slices.Equal(got.PCM, want) {
			t.Fatalf("after %d: %d samples, want %d, %v", i, len(got.PCM), len(want), err)
		}
		pcm := make([]int16, 100*i+1)
		for k := range pcm {
			pcm[k] = int16(i*1000 - k)
		}
		want = append(want, pcm...)
		if err := w.Write(pcm); err != nil {
			t.Fatal(err)
		}
	}
	if w.Frames() != int64(len(want)) || w.Duration() != time.Duration(len(want))*125*time.Microsecond {
		t.Errorf("%d frames, %v, want %d", w.Frames(), w.Duration(), len(want))
	}
}

func TestWriteStereo(t *testing.T) {
	t.Parallel()
	var d disk
	w, err := NewWriter(&d, 16000, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]int16{1, 3, 5, 7}); err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]int16{1}); err == nil {
		t.Error("half a frame was taken")
	}
	r, err := NewReader("x", bytes.NewReader(d.b))
	if err != nil || r.Format() != (Format{Encoding: PCM, Rate: 16000, Channels: 2, Bits: 16}) {
		t.Fatalf("%+v, %v", r, err)
	}
	pcm := make([]int16, 5)
	if n, err := r.Read(pcm); n != 2 || err != nil || pcm[0] != 2 || pcm[1] != 6 {
		t.Errorf("%v, %d, %v", pcm, n, err)
	}
	if n, err := r.Read(pcm); n != 0 || err != io.EOF {
		t.Errorf("%d, %v at the end", n, err)
	}
}

// disk is a file that keeps its bytes, and may be full or stop after some writes.
type disk struct {
	b     []byte
	room  int // bytes; 0 = endless
	after func(writes int) bool
	n     int
}

var errFull = errors.New("no space left")

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	if d.n++; d.after != nil && d.after(d.n) {
		return 0, errFull
	}
	var err error
	if d.room > 0 && int(off)+len(p) > d.room {
		p, err = p[:max(0, d.room-int(off))], errFull
	}
	if grow := int(off) + len(p) - len(d.b); grow > 0 {
		d.b = append(d.b, make([]byte, grow)...)
	}
	return copy(d.b[off:], p), err
}

func TestFullDiskKeepsWhatFits(t *testing.T) {
	t.Parallel()
	d := disk{room: headerSize + 1001}
	w, err := NewWriter(&d, 8000, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Write(make([]int16, 400)); err != nil && !errors.Is(err, errFull) {
			t.Fatal(err)
		} else if err == nil && w.Frames() != 400 {
			t.Fatalf("%d frames without error", w.Frames())
		}
	}
	got, err := Decode("x", bytes.NewReader(d.b), time.Minute)
	if err != nil || len(got.PCM) != 500 || w.Frames() != 500 {
		t.Errorf("%d samples in the file, %d counted, %v", len(got.PCM), w.Frames(), err)
	}
}

// TestCrashBetweenWrites stops the file after each of the single writes.
func TestCrashBetweenWrites(t *testing.T) {
	t.Parallel()
	for stop := 2; stop < 12; stop++ {
		d := disk{after: func(n int) bool { return n > stop }}
		w, err := NewWriter(&d, 8000, 1)
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for w.Write(make([]int16, 160)) == nil {
			whole++
		}
		got, err := Decode("x", bytes.NewReader(d.b), time.Minute)
		if err != nil || len(got.PCM) < 160*whole || whole == 0 && stop > 2 {
			t.Errorf("stopped after %d writes: %d samples of %d, %v", stop, len(got.PCM), 160*whole, err)
		}
	}
}

func TestWriteLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rate, channels int }{{0, 1}, {8000, 0}, {8000, 3}, {96000, 1}} {
		if _, err := NewWriter(&disk{}, c.rate, c.channels); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if _, err := NewWriter(&disk{room: 10}, 8000, 1); !errors.Is(err, errFull) {
		t.Errorf("no room for the header: %v", err)
	}
	w, err := NewWriter(&disk{}, 8000, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.size = maxData - 2
	if err := w.Write(make([]int16, 2)); !errors.Is(err, ErrFull) {
		t.Errorf("beyond 4 GB: %v", err)
	}
}

func TestWriteDoesNotAllocate(t *testing.T) {
	d := disk{b: make([]byte, 1<<20)}
	w, err := NewWriter(&d, 8000, 1)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, 1600)
	if n := testing.AllocsPerRun(100, func() {
		if err := w.Write(pcm); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a write", n)
	}
}
