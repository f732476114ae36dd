// Package prompts checks the sounds that ship: their format, their loudness, and
// that every one which a shipped script plays is there.
package prompts

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tandem/media/wav"
)

// The loudness that make.sh aims at, in dBFS. Prompts that differ are heard as
// a speaker who turns away.
const (
	wantRMS   = -20.0
	tolerance = 2.0
	maxPeak   = -0.9
)

// lists are the files that name the sounds, with the rate of those.
func lists() map[string]int { return map[string]int{"prompts.txt": 16000, "applications.txt": 8000} }

// listed are the names in a list.
func listed(t *testing.T, list string) []string {
	t.Helper()
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		name, said, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "\t")
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		if !ok || said == "" {
			t.Errorf("%s: %q has no text after a tab", list, name)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		t.Fatal(list + " names nothing")
	}
	return names
}

func TestEveryLineHasItsSound(t *testing.T) {
	for list, rate := range lists() {
		sounds(t, listed(t, list), rate)
	}
}

func sounds(t *testing.T, names []string, rate int) {
	for _, name := range names {
		b, err := os.ReadFile(name + ".wav")
		if err != nil {
			t.Errorf("%v (make prompts speaks it)", err)
			continue
		}
		audio, err := wav.Decode(name, bytes.NewReader(b), time.Minute)
		if err != nil {
			t.Error(err)
			continue
		}
		if audio.Rate != rate {
			t.Errorf("%s: %d Hz, want %d", name, audio.Rate, rate)
		}
		// Bytes 22 and 34 of the header that make.sh writes: channels and bits.
		if c, bits := binary.LittleEndian.Uint16(b[22:]), binary.LittleEndian.Uint16(b[34:]); c != 1 || bits != 16 {
			t.Errorf("%s: %d channels of %d bits, want 1 of 16", name, c, bits)
		}
		rms, peak := loudness(audio.PCM)
		if math.Abs(rms-wantRMS) > tolerance {
			t.Errorf("%s: RMS %.1f dBFS, want %.0f ± %.0f", name, rms, wantRMS, tolerance)
		}
		if peak > maxPeak {
			t.Errorf("%s: peak %.1f dBFS, want less than %.1f", name, peak, maxPeak)
		}
		if d := silence(audio.PCM); d > audio.Rate*120/1000 {
			t.Errorf("%s begins with %d ms of silence", name, d*1000/audio.Rate)
		}
	}
}

func TestEverySoundHasItsLine(t *testing.T) {
	known := map[string]bool{}
	for list := range lists() {
		for _, name := range listed(t, list) {
			if known[name] {
				t.Errorf("%s is named twice", name)
			}
			known[name] = true
		}
	}
	files, err := filepath.Glob("*.wav")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[strings.TrimSuffix(f, ".wav")] {
			t.Errorf("%s has no line in a list: nobody can make it again", f)
		}
	}
}

// played finds the sounds that a script names in the places where one can stand.
var played = regexp.MustCompile(`(?:[:.]play\(\s*|\b(?:prompt|invalid|play|ringback)\s*=\s*|hold_music\(\s*)"([^":/]+)"`)

// tabled is an application's table of prompts, quoted a name in it.
var (
	tabled = regexp.MustCompile(`(?s)\bprompts = \{.*?\}`)
	quoted = regexp.MustCompile(`"([^"]+)"`)
)

func TestShippedScriptsPlayWhatIsThere(t *testing.T) {
	looked := 0
	for _, pattern := range []string{"../*.lua", "../lib/*.lua"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			found := played.FindAllStringSubmatch(string(text), -1)
			for _, table := range tabled.FindAllString(string(text), -1) {
				found = append(found, quoted.FindAllStringSubmatch(table, -1)...)
			}
			for _, m := range found {
				if m[1] == "none" || strings.ContainsAny(m[1], ":/") || strings.HasSuffix(f, ".d.lua") {
					continue
				}
				looked++
				if _, err := os.Stat(m[1] + ".wav"); err != nil {
					t.Errorf("%s plays %q: %v", f, m[1], err)
				}
			}
		}
	}
	if looked == 0 {
		t.Error("no shipped script plays anything: this test looks at nothing")
	}
}

// loudness is the RMS and the peak in dBFS.
func loudness(pcm []int16) (rms, peak float64) {
	sum, top := 0.0, 0.0
	for _, s := range pcm {
		v := math.Abs(float64(s)) / 32768
		sum += v * v
		top = max(top, v)
	}
	return 10 * math.Log10(sum/float64(len(pcm))), 20 * math.Log10(top)
}

// silence counts the samples before the first that can be heard.
func silence(pcm []int16) int {
	for i, s := range pcm {
		if s > 300 || s < -300 {
			return i
		}
	}
	return len(pcm)
}
