package dtmf_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"tandem/media/codec"
	"tandem/media/dtmf"
	"tandem/media/wav"
)

// TestTalkOffOfSpeech listens to the shipped prompts, and to all WAV files in the folder
// that TALK_OFF names: nobody presses a key there.
func TestTalkOffOfSpeech(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../scripts/prompts/*.wav")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d prompts, %v", len(files), err)
	}
	if dir := os.Getenv("TALK_OFF"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "*.wav"))
		if err != nil || len(more) == 0 {
			t.Fatalf("nothing to hear in %s, %v", dir, err)
		}
		files = append(files, more...)
	}
	var length time.Duration
	heard := ""
	for _, name := range files {
		pcm := speech(t, name)
		length += time.Duration(len(pcm)) * time.Second / 8000
		for _, k := range dtmf.NewDetector(8000).Detect(nil, pcm) {
			if !k.Released {
				heard += string(k.Digit)
			}
		}
	}
	t.Logf("%v of speech, %d digits heard", length.Round(time.Second), len(heard))
	if heard != "" {
		t.Errorf("heard %q", heard)
	}
}

func speech(t *testing.T, name string) []int16 {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a, err := wav.Decode(name, file, 10*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pcm, err := codec.Resample(a.PCM, a.Rate, 8000)
	if err != nil {
		t.Fatal(err)
	}
	return pcm
}
