package scripting

import (
	"io"
	"math"
	"os"
	"testing"
	"time"

	"tandem/media/codec"
	"tandem/media/hear"
	"tandem/media/wav"
	"tandem/scripts"
)

// samples reads a WAV file as 8 kHz mono.
func samples(t *testing.T, f io.ReadCloser, err error) []int16 {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	audio, err := wav.Decode("test", f, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pcm := audio.PCM
	if audio.Rate != 8000 {
		if pcm, err = codec.Resample(pcm, audio.Rate, 8000); err != nil {
			t.Fatal(err)
		}
	}
	return pcm
}

// assertHeard checks that a file of what a phone heard holds prompts, in their order.
func assertHeard(t *testing.T, file string, prompts ...string) {
	t.Helper()
	f, err := os.Open(file)
	heard := samples(t, f, err)
	last := math.MinInt
	for _, name := range prompts {
		f, err := scripts.FS.Open("prompts/" + name + ".wav")
		sent := samples(t, f, err)
		sent = sent[:min(len(sent), 2*8000)] // its beginning is enough to tell it from the others
		found := hear.Find(heard, sent, 8000)
		if found.Share < 0.9 {
			t.Errorf("%s is not heard: %+v (%d samples heard)", name, found, len(heard))
		}
		if found.Offset <= last {
			t.Errorf("%s is heard at %d, not after the one before it at %d", name, found.Offset, last)
		}
		last = found.Offset
	}
}

// assertTone checks that a file holds a tone of that frequency.
func assertTone(t *testing.T, file string, hz float64) {
	t.Helper()
	f, err := os.Open(file)
	heard := samples(t, f, err)
	if got := hear.Tone(heard, 8000); math.Abs(got.Hz-hz) > 5 {
		t.Errorf("heard %+v; want a tone of %v Hz", got, hz)
	}
}
