//go:build interop

package interop

import (
	"bytes"
	"math"
	"os"
	"testing"
	"time"

	"tandem/media/hear"
	"tandem/media/wav"
)

const phoneRate = 8000 // Hz

// holds checks that a recording holds one sound, whole and in order, and none
// of another.
func holds(t *testing.T, what string, recording, sound, other []int16) {
	t.Helper()
	is, isNot := hear.Find(recording, sound, phoneRate), hear.Find(recording, other, phoneRate)
	t.Logf("%s, %.1f s, holds %.0f%% of the sound at correlation %.3f from %.2f s, and %.0f%% of the other",
		what, seconds(len(recording)), 100*is.Share, is.Score, seconds(is.Offset), 100*isNot.Share)
	if is.Share < 0.9 || is.Score < 0.9 || !is.Order {
		t.Errorf("%s does not hold the sound: %+v", what, is)
	}
	if isNot.Share > 0 {
		t.Errorf("%s holds the wrong sound: %+v", what, isNot)
	}
}

// holdsPieces is holds for a sound that comes through jitter buffers, ours and the phone's: on
// a busy machine these stretch or drop some frames, and with them pieces of the sound. How well
// a codec sounds is measured in media.
func holdsPieces(t *testing.T, what string, recording, sound, other []int16) {
	t.Helper()
	is, isNot := hear.Find(recording, sound, phoneRate), hear.Find(recording, other, phoneRate)
	t.Logf("%s, %.1f s, holds %.0f%% of the sound at correlation %.3f, and %.0f%% of the other",
		what, seconds(len(recording)), 100*is.Share, is.Score, 100*isNot.Share)
	if is.Share < 0.3 || is.Score < 0.9 || !is.Order || isNot.Share > 0 {
		t.Errorf("%s does not hold the sound: %+v", what, is)
	}
}

func seconds(samples int) float64 { return float64(samples) / phoneRate }

// second is the nth second of a sound, from 0.
func second(pcm []int16, n int) []int16 { return pcm[n*phoneRate : (n+1)*phoneRate] }

// chirp is a tone that glides from one frequency to another: unlike a steady
// tone, each piece of it is found in one place only.
func chirp(from, to float64, d time.Duration) []int16 {
	out := make([]int16, int(d.Seconds()*phoneRate))
	phase := 0.0
	for i := range out {
		phase += 2 * math.Pi * (from + (to-from)*float64(i)/float64(len(out))) / phoneRate
		out[i] = int16(8000 * math.Sin(phase))
	}
	return out
}

// readWAV returns a sound and its rate, or an error while it is still written.
func readWAV(name string) ([]int16, int, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, 0, err
	}
	audio, err := wav.Decode(name, bytes.NewReader(b), 10*time.Minute)
	return audio.PCM, audio.Rate, err
}

// writeWAV keeps a sound as a phone's microphone will say it.
func writeWAV(t *testing.T, name string, pcm []int16) {
	t.Helper()
	writeWAVAt(t, name, pcm, phoneRate)
}

func writeWAVAt(t *testing.T, name string, pcm []int16, rate int) {
	t.Helper()
	f, err := os.Create(name)
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
