package soundfile

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"tandem/media/hear"
)

// sweep is a second and a bit that does not repeat.
func sweep(rate, samples int) []int16 {
	pcm := make([]int16, samples)
	phase := 0.0
	for i := range pcm {
		phase += 2 * math.Pi * (300 + 1500*float64(i)/float64(samples)) / float64(rate)
		pcm[i] = int16(8000 * math.Sin(phase))
	}
	return pcm
}

func TestWriteReadsBack(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000, 48000} {
		for _, channels := range []int{1, 2} {
			sent := sweep(rate, rate*1234/1000)
			var file bytes.Buffer
			w, err := NewOpusWriter(&file, rate, channels)
			if err != nil {
				t.Fatal(err)
			}
			for rest := sent; len(rest) > 0; {
				n := min(len(rest), 777) // no whole number of frames
				var both []int16
				for _, s := range rest[:n] {
					for range channels {
						both = append(both, s)
					}
				}
				if err := w.Write(both); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			audio, err := Decode("it", &file, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if d := audio.Duration() - w.Duration(); d.Abs() > time.Millisecond || w.Frames() != int64(len(sent)) {
				t.Errorf("%d Hz, %d channels: %v written, %v read", rate, channels, w.Duration(), audio.Duration())
			}
			want := sweep(keepRate, keepRate*1234/1000)
			if got := hear.Correlate(audio.PCM, want); got.Score < 0.95 || math.Abs(float64(got.Offset)) > 20 {
				t.Errorf("%d Hz, %d channels: correlates by %.3f at %d", rate, channels, got.Score, got.Offset)
			}
		}
	}
}

// TestWriteIsPlayableAtEveryMoment reads what is there after each write, without the end.
func TestWriteIsPlayableAtEveryMoment(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	w, err := NewOpusWriter(&file, 8000, 1)
	if err != nil {
		t.Fatal(err)
	}
	pcm := sweep(8000, 16000)
	for n := 0; n < len(pcm); n += 320 {
		if err := w.Write(pcm[n : n+320]); err != nil {
			t.Fatal(err)
		}
		for _, cut := range []int{0, 1, 40} { // the last page may be half on disk
			audio, err := Decode("it", bytes.NewReader(file.Bytes()[:file.Len()-cut]), time.Minute)
			if err != nil {
				t.Fatalf("after %d samples, %d bytes short: %v", n+320, cut, err)
			}
			if missing := w.Duration() - audio.Duration(); missing > 65*time.Millisecond {
				t.Fatalf("%v of %v play", audio.Duration(), w.Duration())
			}
		}
	}
}

func TestWriteToAFullDisk(t *testing.T) {
	t.Parallel()
	w, err := NewOpusWriter(&full{left: 2000}, 8000, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if err = w.Write(make([]int16, 8000)); err != nil {
			break
		}
	}
	if !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
	if _, err := NewOpusWriter(&full{left: 10}, 8000, 1); !errors.Is(err, errFull) {
		t.Errorf("the header: %v", err)
	}
	if _, err := NewOpusWriter(&bytes.Buffer{}, 11025, 1); err == nil {
		t.Error("11025 Hz is taken")
	}
}

var errFull = errors.New("no room")

type full struct{ left int }

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}
