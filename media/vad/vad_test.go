package vad_test

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tandem/media/codec"
	"tandem/media/vad"
	"tandem/media/wav"
)

// noise is white noise of so many dBov, as long as d at 8 kHz.
func noise(seed uint64, level float64, d time.Duration) []int16 {
	r := rand.New(rand.NewPCG(seed, 1))
	pcm := make([]int16, 8*d.Milliseconds())
	for i := range pcm {
		pcm[i] = int16(math.Round(math.Pow(10, level/20) * 32768 * r.NormFloat64()))
	}
	return pcm
}

func hum(hz, level float64, d time.Duration) []int16 {
	pcm := make([]int16, 8*d.Milliseconds())
	for i := range pcm {
		pcm[i] = int16(math.Pow(10, level/20) * 32768 * math.Sqrt2 * math.Sin(2*math.Pi*hz*float64(i)/8000))
	}
	return pcm
}

func prompt(t *testing.T, name string) []int16 {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "scripts", "prompts", name+".wav"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := wav.Decode(name, f, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	pcm, err := codec.Resample(a.PCM, a.Rate, 8000)
	if err != nil {
		t.Fatal(err)
	}
	return pcm
}

// spoken is the share of 10 ms blocks of pcm during which d says that somebody speaks.
func spoken(d *vad.Detector, pcm []int16) float64 {
	n, of := 0, 0
	for ; len(pcm) >= 80; pcm = pcm[80:] {
		of++
		if d.Write(pcm[:80]) {
			n++
		}
	}
	return float64(n) / float64(of)
}

func add(a, b []int16) []int16 {
	out := append([]int16(nil), a...)
	codec.Mix(out, b)
	return out
}

// quieter lowers pcm by so many dB.
func quieter(pcm []int16, db float64) []int16 {
	out := append([]int16(nil), pcm...)
	codec.Gain(out, codec.Decibels(-db))
	return out
}

func TestPrompts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../scripts/prompts/*.wav")
	if err != nil || len(files) < 50 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		name := filepath.Base(f[:len(f)-len(".wav")])
		said := prompt(t, name)
		length := time.Duration(len(said)/8) * time.Millisecond
		for _, c := range []struct {
			what         string
			quiet, noise float64
		}{
			{"as it is", 0, -90},
			{"12 dB quieter", 12, -90},
			{"on a bad line", 0, -42},
		} {
			d := vad.New(vad.Options{})
			if share := spoken(d, noise(1, c.noise, 500*time.Millisecond)); share > 0.5 {
				t.Errorf("%s, %s: the noise before it is taken for a voice for %.0f%% of the time", name, c.what, 100*share)
			}
			pcm := add(quieter(said, c.quiet), noise(2, c.noise, length))
			if share := spoken(d, pcm); share < 0.5 {
				t.Errorf("%s, %s: heard for %.0f%% of %d ms only", name, c.what, 100*share, length.Milliseconds())
			}
			spoken(d, noise(3, c.noise, 500*time.Millisecond))
			if d.Speaking() {
				t.Errorf("%s, %s: a voice half a second after its end", name, c.what)
			}
		}
	}
}

// pauses of speech are heard as such, and a list of words as a list of words.
func TestWords(t *testing.T) {
	t.Parallel()
	for _, level := range []float64{-90, -55, -45} {
		d := vad.New(vad.Options{})
		spoken(d, noise(7, level, 3*time.Second))
		starts, speaking := 0, false
		for i := range 10 {
			pcm := append(prompt(t, "number-"+string(rune('1'+i%9))), make([]int16, 8*700)...)
			pcm = add(pcm, noise(uint64(i), level, time.Duration(len(pcm)/8)*time.Millisecond))
			for ; len(pcm) >= 80; pcm = pcm[80:] {
				now := d.Write(pcm[:80])
				if now && !speaking {
					starts++
				}
				speaking = now
			}
		}
		if starts != 10 {
			t.Errorf("with noise of %v dBov 10 words are heard as %d", level, starts)
		}
	}
}

func TestNoiseIsNoVoice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		pcm  []int16
		most float64 // share of the time after the first 3 s
	}{
		{"digital silence", make([]int16, 8*20000), 0},
		{"a phone's hiss", noise(1, -65, 20*time.Second), 0},
		{"a hissing line", noise(2, -50, 20*time.Second), 0},
		{"a bad line", noise(3, -40, 20*time.Second), 0},
		{"a mains hum", hum(50, -45, 20*time.Second), 0},
		{"a noise that comes up", append(noise(4, -65, 5*time.Second), noise(5, -45, 15*time.Second)...), 0.16},
	} {
		d := vad.New(vad.Options{})
		spoken(d, c.pcm[:8*3000])
		if share := spoken(d, c.pcm[8*3000:]); share > c.most {
			t.Errorf("%s is taken for a voice for %.1f%% of the time", c.name, 100*share)
		}
		if d.Speaking() {
			t.Errorf("%s is a voice at its end", c.name)
		}
	}
}

// A loud tone is no silence, however long it lasts.
func TestALoudToneIsNoSilence(t *testing.T) {
	t.Parallel()
	d := vad.New(vad.Options{})
	if share := spoken(d, hum(425, -20, 30*time.Second)); share < 0.99 {
		t.Errorf("heard for %.0f%% of the time", 100*share)
	}
}

func TestAClickIsNoVoice(t *testing.T) {
	t.Parallel()
	d := vad.New(vad.Options{})
	pcm := noise(1, -65, 10*time.Second)
	for i := 8000; i+160 < len(pcm); i += 4000 {
		for k := range 40 {
			pcm[i+k] = int16(8000 - 16000*(k%2))
		}
	}
	if share := spoken(d, pcm); share > 0 {
		t.Errorf("clicks are a voice for %.1f%% of the time", 100*share)
	}
}

func TestHangOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rate, onset, hang int }{{8000, 30, 300}, {16000, 60, 500}, {48000, 10, 200}} {
		d := vad.New(vad.Options{Rate: c.rate, Onset: time.Duration(c.onset) * time.Millisecond, Hang: time.Duration(c.hang) * time.Millisecond})
		ms := c.rate / 1000
		tone := make([]int16, 1000*ms)
		for i := range tone {
			tone[i] = int16(8000 * math.Sin(float64(i)/float64(ms)))
		}
		// Lengths that are no multiple of a block: the time is the sound's.
		at := func(pcm []int16, want bool) int {
			for i := 0; i+7 <= len(pcm); i += 7 {
				if d.Write(pcm[i:i+7]) == want {
					return (i + 7) / ms
				}
			}
			return -1
		}
		if got := at(tone, true); got < c.onset || got > c.onset+2 {
			t.Errorf("at %d Hz a voice begins after %d ms, want %d", c.rate, got, c.onset)
		}
		d.Write(tone)
		if !d.Active() || d.Level() < -20 || d.Level() > -10 {
			t.Errorf("active %v, level %v", d.Active(), d.Level())
		}
		if got := at(make([]int16, 1000*ms), false); got < c.hang-10 || got > c.hang+12 {
			t.Errorf("at %d Hz a voice ends after %d ms, want %d", c.rate, got, c.hang)
		}
	}
}

func TestSkip(t *testing.T) {
	t.Parallel()
	d := vad.New(vad.Options{})
	d.Write(noise(1, -70, time.Second))
	d.Write(hum(300, -15, time.Second))
	if !d.Skip(200 * time.Millisecond) {
		t.Error("a short gap ends the voice")
	}
	if d.Skip(time.Hour) || d.Active() {
		t.Error("a long gap does not end it")
	}
	if floor := d.Floor(); floor > -60 {
		t.Errorf("the gap has made the noise floor %v", floor)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	d, pcm := vad.New(vad.Options{}), noise(1, -30, 20*time.Millisecond)
	if n := testing.AllocsPerRun(100, func() { d.Write(pcm); d.Skip(time.Second) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkWrite(b *testing.B) {
	d, pcm := vad.New(vad.Options{}), noise(1, -30, 20*time.Millisecond)
	for b.Loop() {
		d.Write(pcm)
	}
}
