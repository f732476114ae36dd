package media

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tandem/media/hear"
	"tandem/media/soundfile"
	"tandem/media/tone"
	"tandem/media/wav"
)

// chirp glides from 300 to 3000 Hz: each moment of it sounds like no other.
func chirp(rate int, d time.Duration) []int16 {
	pcm := make([]int16, int(d.Seconds()*float64(rate)))
	for i := range pcm {
		at := float64(i) / float64(rate)
		phase := 2 * math.Pi * (300*at + 1350*at*at/d.Seconds())
		pcm[i] = int16(9000 * math.Sin(phase))
	}
	return pcm
}

// whole is a source's sound in one format, as far as it goes within limit.
func whole(t *testing.T, s Source, f *format, limit time.Duration) []int16 {
	t.Helper()
	tr := s.track(f)
	for tr.encodeChunk() {
	}
	b := make([]byte, bytesOf(f, limit))
	n := 0
	for n < len(b) {
		got, ended, ready := tr.read(b[n:], n, f)
		if !ready {
			t.Fatalf("byte %d is not there after all has been encoded", n)
		}
		if n += got; ended {
			break
		}
	}
	var list [][]byte
	for unit := f.whole(f.perMs); n > 0; n -= unit {
		list = append(list, b[:unit])
		b = b[unit:]
	}
	return decodePackets(t, f, list)
}

func writeWAV(t *testing.T, path string, rate int, pcm []int16) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := wav.NewWriter(f, rate, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(pcm); err != nil {
		t.Fatal(err)
	}
}

func TestLoadClip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, rate := range []int{8000, 11025, 16000, 24000, 44100, 48000} {
		pcm := chirp(rate, 800*time.Millisecond)
		writeWAV(t, filepath.Join(dir, "a.wav"), rate, pcm)
		c, err := LoadClip(os.DirFS(dir), "a.wav")
		if err != nil {
			t.Fatal(err)
		}
		if d := c.Duration(); c.Name() != "a.wav" || d < 799*time.Millisecond || d > 801*time.Millisecond {
			t.Errorf("%s of %v", c.Name(), d)
		}
		for i := range formats {
			f := &formats[i]
			want := resampled(t, pcm, rate, f.SampleRate)
			got := whole(t, c, f, time.Minute)
			if n := len(got) - f.FrameSamples(800); n < -16 || n > 16 {
				t.Errorf("%d Hz in %s: %d samples", rate, formats[i].Name, len(got))
			}
			// Coders with a filter bank are late: G.722 by 22 samples, Opus by 40.
			if m := hear.Correlate(got, want); m.Score < 0.97 || m.Offset < -1 || m.Offset > 1+(f.SampleRate-8000)/200 {
				t.Errorf("%d Hz in %s: %+v", rate, formats[i].Name, m)
			}
			if c.track(&formats[i]) != c.track(&formats[i]) {
				t.Error("encoded anew for each player")
			}
		}
	}
}

func TestLoadClipThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := LoadClip(os.DirFS(dir), "no.wav"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.wav"), []byte("ID3 not a sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadClip(os.DirFS(dir), "bad.wav"); !errors.Is(err, soundfile.ErrFormat) {
		t.Error(err)
	}
	writeWAV(t, filepath.Join(dir, "odd.wav"), 11027, ramp(100, 1))
	if _, err := LoadClip(os.DirFS(dir), "odd.wav"); err == nil {
		t.Error("a rate that cannot be resampled was accepted")
	}
}

func TestTones(t *testing.T) {
	t.Parallel()
	for spec, hz := range map[string]float64{"tone:440/500": 440, "beep": 1000, "dial-de": 425, "440.5": 440.5} {
		s, err := ParseTone(spec)
		if err != nil {
			t.Fatal(err)
		}
		pcm := whole(t, s, &formats[0], 30*time.Second)
		if p := hear.Tone(pcm[:min(len(pcm), 16000)], 8000); math.Abs(p.Hz-hz) > 5 || p.Share < 0.95 {
			t.Errorf("%s sounds of %+v", spec, p)
		}
		if endless := spec == "dial-de" || spec == "440.5"; endless != (len(pcm) == 240000) {
			t.Errorf("%s: %d samples", spec, len(pcm))
		}
		if spec != "dial-de" && spec != "440.5" {
			continue
		}
		// Where it begins anew nothing is heard: a sine's samples follow from the two before.
		k := 2 * math.Cos(2*math.Pi*hz/8000)
		for i := 1000; i < len(pcm); i++ {
			if want := k*float64(pcm[i-1]) - float64(pcm[i-2]); math.Abs(want-float64(pcm[i])) > 1000 {
				t.Fatalf("%s clicks at sample %d: %v", spec, i, pcm[i-2:i+1])
			}
		}
	}
	if _, err := ParseTone("tone:nonsense"); !errors.Is(err, tone.ErrSpec) {
		t.Error(err)
	}
}
