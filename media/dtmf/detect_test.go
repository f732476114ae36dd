package dtmf_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tandem/media/codec"
	"tandem/media/dtmf"
	"tandem/media/tone"
)

const ms = time.Millisecond

// dial is the sound of digits at a rate, with silence around it.
func dial(t testing.TB, digits string, on, off time.Duration, rate int) []int16 {
	t.Helper()
	s, err := tone.DTMF(digits, on, off)
	if err != nil {
		t.Fatal(err)
	}
	pcm, err := s.Render(rate)
	if err != nil {
		t.Fatal(err)
	}
	pause := make([]int16, rate/10)
	return slices.Concat(pause, pcm, pause)
}

// detect returns the digits pressed in pcm, heard in frames of 20 ms.
func detect(t testing.TB, pcm []int16, rate int) (digits string, keys []dtmf.Key) {
	t.Helper()
	d := dtmf.NewDetector(rate)
	for frame := range slices.Chunk(pcm, rate/50) {
		keys = d.Detect(keys, frame)
	}
	return pressed(t, keys), keys
}

// pressed checks that keys go down and up by turns, and returns those that went down.
func pressed(t testing.TB, keys []dtmf.Key) (digits string) {
	t.Helper()
	for i, k := range keys {
		if k.Released != (i%2 == 1) || k.Released && k.Digit != keys[i-1].Digit {
			t.Fatalf("out of turn: %v", keys)
		}
		if !k.Released {
			digits += string(k.Digit)
		}
	}
	return digits
}

const all = "0123456789*#ABCD"

func TestDetectDigits(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000, 48000} {
		for _, c := range []struct{ on, off time.Duration }{{100 * ms, 100 * ms}, {40 * ms, 40 * ms}, {50 * ms, 60 * ms}, {2000 * ms, 500 * ms}} {
			digits, keys := detect(t, dial(t, all+"1122", c.on, c.off, rate), rate)
			if digits != all+"1122" {
				t.Errorf("%v on, %v off at %d Hz: %q", c.on, c.off, rate, digits)
			}
			for _, k := range keys {
				if k.Released && (k.Duration < c.on-30*ms || k.Duration > c.on+20*ms) {
					t.Errorf("%c of %v lasted %v", k.Digit, c.on, k.Duration)
				}
			}
		}
	}
}

// pair is two sines for so many samples at 8 kHz, at levels in dB relative to full scale.
func pair(low, high, lowDB, highDB float64, n, phase int) []int16 {
	pcm := make([]int16, n+2000)
	for i := range n {
		at := float64(i+phase) / 8000
		v := codec.Decibels(lowDB)*math.Sin(2*math.Pi*low*at) + codec.Decibels(highDB)*math.Sin(2*math.Pi*high*at)
		pcm[i+1000] = int16(math.Round(32767 * v))
	}
	return pcm
}

func TestDetectLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		lowOff, highOff float64 // share of the frequency
		lowDB, highDB   float64
		on              int // ms
		want            bool
	}{
		{"plain", 0, 0, -10, -10, 50, true},
		{"loud", 0, 0, -6.1, -6.1, 50, true},
		{"faint", 0, 0, -28, -28, 50, true},
		{"too faint", 0, 0, -45, -45, 200, false},
		{"row stronger by 8 dB", 0, 0, -8, -16, 50, true},
		{"row stronger by 11 dB", 0, 0, -8, -19, 200, false},
		{"column stronger by 4 dB", 0, 0, -12, -8, 50, true},
		{"column stronger by 7 dB", 0, 0, -15, -8, 200, false},
		{"frequencies 1.5% high", 0.015, 0.015, -10, -10, 50, true},
		{"frequencies 1.5% low", -0.015, -0.015, -10, -10, 50, true},
		{"frequencies 1.5% apart", 0.015, -0.015, -10, -10, 50, true},
		{"frequencies 3.5% high", 0.035, 0.035, -10, -10, 200, false},
		{"row 3.5% low", -0.035, 0, -10, -10, 200, false},
		{"column 3.5% low", 0, -0.035, -10, -10, 200, false},
		{"22 ms", 0, 0, -10, -10, 22, false},
		{"one tone only", 0, 0, -10, -90, 200, false},
	} {
		for _, digit := range []byte(all) {
			low, high, _ := dtmf.Frequencies(digit)
			for phase := 0; phase < 102; phase += 17 {
				pcm := pair(low*(1+c.lowOff), high*(1+c.highOff), c.lowDB, c.highDB, c.on*8, phase)
				digits, _ := detect(t, pcm[phase:], 8000)
				if got := digits == string(digit); got != c.want || !c.want && digits != "" {
					t.Errorf("%s, %c: heard %q", c.name, digit, digits)
				}
			}
		}
	}
}

func TestDetectThroughG711AndNoise(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 1))
	var digits []byte
	for range 1000 {
		digits = append(digits, all[rnd.IntN(16)])
	}
	pcm := dial(t, string(digits), 50*ms, 50*ms, 8000)
	for i := range pcm { // 20 dB below the tones
		pcm[i] += int16(rnd.NormFloat64() * 32767 * codec.Decibels(-7-3-20))
	}
	law := make([]byte, len(pcm))
	codec.EncodeALaw(law, pcm)
	codec.DecodeALaw(pcm, law)
	if got, _ := detect(t, pcm, 8000); got != string(digits) {
		t.Errorf("%d of %d digits", len(got), len(digits))
	}
}

// TestDetectUnderLoss loses 3% of the packets; the bar is one wrong digit in 500.
func TestDetectUnderLoss(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 7))
	wrong, n := 0, 2000
	d := dtmf.NewDetector(8000)
	for i := range n {
		digit := all[rnd.IntN(16)]
		pcm := dial(t, string(digit), 100*ms, 80*ms, 8000)
		pcm = pcm[rnd.IntN(160):]
		var keys []dtmf.Key
		for frame := range slices.Chunk(pcm, 160) {
			if rnd.IntN(100) < 3 {
				keys = d.Skip(keys, len(frame))
				continue
			}
			keys = d.Detect(keys, frame)
		}
		if d.Down() {
			t.Fatalf("digit %d: still down", i)
		}
		if pressed(t, keys) != string(digit) {
			wrong++
		}
	}
	if wrong*500 > n {
		t.Errorf("%d of %d digits lost or doubled", wrong, n)
	}
}

func TestDetectBridgesShortGaps(t *testing.T) {
	t.Parallel()
	for at := 300; at < 420; at += 10 {
		pcm := dial(t, "5", 200*ms, 100*ms, 8000)
		clear(pcm[800+at : 800+at+80])
		if digits, _ := detect(t, pcm, 8000); digits != "5" {
			t.Errorf("a gap of 10 ms at %d: %q", at, digits)
		}
	}
}

// TestTalkOff listens to vowels, glides, noise and call progress tones: none holds a digit.
func TestTalkOff(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 3))
	pcm := make([]int16, 8000*60)
	var phase, pitch, target float64 = 0, 120, 120
	gain := make([]float64, 30)
	for i := range pcm {
		if i%800 == 0 { // another sound every 100 ms
			target = 80 + 220*rnd.Float64()
			f1, f2, f3 := 250+600*rnd.Float64(), 800+1500*rnd.Float64(), 2400+800*rnd.Float64()
			for k := range gain {
				hz := target * float64(k+1)
				gain[k] = resonance(hz, f1, 40) + 0.6*resonance(hz, f2, 50) + 0.3*resonance(hz, f3, 75)
			}
		}
		pitch += (target-pitch)*0.002 + 0.02*math.Sin(float64(i)/300)
		phase += 2 * math.Pi * pitch / 8000
		v := 0.0
		for k := range gain {
			if pitch*float64(k+1) < 3800 {
				v += gain[k] * math.Sin(phase*float64(k+1))
			}
		}
		pcm[i] = int16(6000*v + 200*rnd.NormFloat64())
	}
	for _, name := range []string{"dial-us", "busy-us", "ring-uk", "sit"} {
		s, err := tone.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]int16, 16000)
		tone.NewGenerator(s, 8000).Read(buf)
		pcm = append(pcm, buf...)
	}
	if digits, _ := detect(t, pcm, 8000); digits != "" {
		t.Errorf("heard %q", digits)
	}
}

// resonance is the gain of a formant with half its bandwidth, in Hz.
func resonance(hz, at, half float64) float64 { return 1 / math.Hypot(1, (hz-at)/half) }

func TestDetectDoesNotAllocate(t *testing.T) {
	pcm := dial(t, "1", 100*ms, 100*ms, 8000)
	d := dtmf.NewDetector(8000)
	keys := make([]dtmf.Key, 0, 16)
	if n := testing.AllocsPerRun(20, func() {
		keys = d.Detect(keys[:0], pcm)
		keys = d.Skip(keys, 160)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDetect(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := dtmf.NewDetector(8000)
		var keys []dtmf.Key
		pcm := make([]int16, 0, 4096)
		for i := 0; i+1 < len(b); i += 2 {
			pcm = append(pcm, int16(b[i])<<8|int16(b[i+1]))
		}
		for range 20 {
			keys = d.Detect(keys, pcm)
			keys = d.Skip(keys, len(b)%300)
		}
		pressed(t, keys)
	})
}

func BenchmarkDetect20ms(b *testing.B) {
	d := dtmf.NewDetector(8000)
	pcm := dial(b, "1", 100*ms, 100*ms, 8000)[800:960]
	for b.Loop() {
		d.Detect(nil, pcm)
	}
}
