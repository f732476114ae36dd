package soundfile

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/media/hear"
	"tandem/media/wav"
)

// Each file of testdata holds 440 Hz for 0.6 s, silence for 0.4 s and 1000 Hz for 0.6 s, at
// half of full scale; lame 3.100 and opusenc 0.2 made them.
func TestDecodeHearsWhatWasEncoded(t *testing.T) {
	t.Parallel()
	for name, slack := range map[string]time.Duration{
		"tones.opus": 2 * time.Millisecond, "tones-stereo.opus": 2 * time.Millisecond, // exact by RFC 7845
		"tones.mp3": 120 * time.Millisecond, "tones-vbr.mp3": 120 * time.Millisecond, "tones-mpeg2.mp3": 200 * time.Millisecond,
	} {
		audio := decode(t, name)
		if d := audio.Duration() - 1600*time.Millisecond; d < -2*time.Millisecond || d > slack {
			t.Errorf("%s lasts %v", name, audio.Duration())
		}
		heardTones(t, name, audio)
	}
}

func decode(t *testing.T, name string) wav.Audio {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	audio, err := Decode(name, file, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return audio
}

// heardTones looks for the two tones and the silence between them.
func heardTones(t *testing.T, name string, audio wav.Audio) {
	t.Helper()
	var sounds []hear.Stretch
	parts := hear.Stretches(audio.PCM, audio.Rate)
	for _, s := range parts {
		if s.Sound {
			sounds = append(sounds, s)
		}
	}
	if len(sounds) != 2 {
		t.Fatalf("%s: %v", name, parts)
	}
	for i, hz := range []float64{440, 1000} {
		pcm := audio.PCM[sounds[i].From:sounds[i].To]
		if d := float64(len(pcm)) / float64(audio.Rate); math.Abs(d-0.6) > 0.08 {
			t.Errorf("%s: tone %d lasts %.3f s", name, i, d)
		}
		pcm = pcm[len(pcm)/8 : len(pcm)*7/8]
		if tone := hear.Tone(pcm, audio.Rate); math.Abs(tone.Hz-hz) > 4 || tone.Share < 0.95 {
			t.Errorf("%s: tone %d is %v", name, i, tone)
		}
		if level := hear.Level(pcm); math.Abs(level+9) > 1.5 {
			t.Errorf("%s: tone %d has %.1f dB, sent with -9", name, i, level)
		}
	}
}

func TestDecodeReadsWAVToo(t *testing.T) {
	t.Parallel()
	var file memory
	w, err := wav.NewWriter(&file, 8000, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]int16{1, -2, 3}); err != nil {
		t.Fatal(err)
	}
	audio, err := Decode("x.wav", bytes.NewReader(file.b), time.Minute)
	if err != nil || audio.Rate != 8000 || len(audio.PCM) != 3 || audio.PCM[1] != -2 {
		t.Errorf("%+v, %v", audio, err)
	}
}

// memory is a file in memory.
type memory struct{ b []byte }

func (m *memory) WriteAt(b []byte, at int64) (int, error) {
	if need := int(at) + len(b); need > len(m.b) {
		m.b = append(m.b, make([]byte, need-len(m.b))...)
	}
	return copy(m.b[at:], b), nil
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	opus, err := os.ReadFile("testdata/tones.opus")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":        {nil, "it is empty"},
		"text":         {[]byte("hello, this is no sound"), "not a WAV file"},
		"no frame":     {[]byte("ID3\x03\x00\x00\x00\x00\x00\x00"), "not an MP3 file"},
		"MP3 of zeros": {append([]byte{0xFF, 0xFB, 0x90, 0}, make([]byte, 5000)...), ""},
		"Ogg page":     {opus[:20], "not an Ogg file with Opus"},
		"Ogg Vorbis":   {bytes.Replace(bytes.Clone(opus), []byte("OpusHead"), []byte("\x01vorbis "), 1), "not an Ogg file with Opus"},
	} {
		_, err := Decode("it", bytes.NewReader(c.file), time.Minute)
		if c.want == "" {
			continue // read or refused, it only must not do more than that
		}
		if !errors.Is(err, ErrFormat) || !strings.HasPrefix(err.Error(), "it: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for _, name := range []string{"tones.opus", "tones.mp3"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(name, bytes.NewReader(b), time.Second); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "longer than 1s") {
			t.Errorf("%s, of which a second is taken: %v", name, err)
		}
	}
}

// TestDecodeOfWhatACrashLeft plays a file up to where it was cut.
func TestDecodeOfWhatACrashLeft(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tones.opus", "tones.mp3"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		whole := decode(t, name).Duration()
		last := time.Duration(0)
		for part := 4; part <= 10; part++ {
			audio, err := Decode(name, bytes.NewReader(b[:len(b)*part/10]), time.Minute)
			if err != nil && last > 0 {
				t.Fatalf("%s, %d tenths: %v", name, part, err)
			}
			if err == nil && (audio.Duration() < last || audio.Duration() > whole+time.Millisecond) {
				t.Errorf("%s, %d tenths: %v after %v", name, part, audio.Duration(), last)
			}
			last = audio.Duration()
		}
		if last != whole {
			t.Errorf("%s: %v of %v", name, last, whole)
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/tones*")
	if err != nil || len(files) == 0 {
		f.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 9000)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		audio, err := Decode("fuzz", bytes.NewReader(b), 5*time.Second)
		if err == nil && audio.Duration() > 5*time.Second {
			t.Fatalf("%v were read", audio.Duration())
		}
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Fatal(err)
		}
	})
}
