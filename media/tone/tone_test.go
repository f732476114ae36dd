package tone

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/media/hear"
)

func TestParse(t *testing.T) {
	t.Parallel()
	step := func(ms int, hz ...float64) Step {
		return Step{Hz: hz, For: time.Duration(ms) * time.Millisecond, Level: defaultLevel}
	}
	for spec, want := range map[string]*Spec{
		"tone:425/1000,0/4000":  {Steps: []Step{step(1000, 425), step(4000)}},
		"425/1000, 0/4000":      {Steps: []Step{step(1000, 425), step(4000)}},
		"tone:350+440":          {Steps: []Step{step(0, 350, 440)}},
		"tone:1000/200,0":       {Steps: []Step{step(200, 1000), step(0)}},
		"tone:913.8+1370.6/274": {Steps: []Step{step(274, 913.8, 1370.6)}},
		"tone:ring":             {Steps: []Step{step(1000, 425), step(4000)}, Repeats: true},
		"ring":                  {Steps: []Step{step(1000, 425), step(4000)}, Repeats: true},
		"tone:Ring-UK":          {Steps: []Step{step(400, 400, 450), step(200), step(400, 400, 450), step(2000)}, Repeats: true},
		"tone:ringback-gb":      {Steps: []Step{step(400, 400, 450), step(200), step(400, 400, 450), step(2000)}, Repeats: true},
		"tone:busy-us":          {Steps: []Step{step(500, 480, 620), step(500)}, Repeats: true},
		"tone:reorder-us":       {Steps: []Step{step(250, 480, 620), step(250)}, Repeats: true},
		"tone:waiting-jp":       {Steps: []Step{step(200, 425), step(600), step(200, 425), step(3000)}, Repeats: true},
		"tone:beep":             {Steps: []Step{step(250, 1000)}},
		"tone:sit-de":           {Steps: []Step{step(330, 950), step(330, 1400), step(330, 1800), step(1000)}},
		"tone:dtmf-1#":          {Steps: []Step{{[]float64{697, 1209}, 100 * time.Millisecond, dtmfLevel}, {For: 100 * time.Millisecond}, {[]float64{941, 1477}, 100 * time.Millisecond, dtmfLevel}, {For: 100 * time.Millisecond}}},
	} {
		got, err := Parse(spec)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", spec, got, err, want)
		}
	}
}

func TestParseNamesTheBadPart(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"":                                     "it is empty",
		"tone:":                                "it is empty",
		"tone:425/abc":                         `"abc" in "425/abc" is not a duration`,
		"tone:425/0":                           `"0" in "425/0" is not a duration`,
		"tone:425/-5":                          `"-5"`,
		"tone:425/999999999999999":             "is not a duration",
		"tone:425/":                            `"" in "425/"`,
		"tone:5/100":                           `"5" in "5/100" is not a frequency of 20 to 3900 Hz`,
		"tone:425+/100":                        `"" in "425+/100" is not a frequency`,
		"tone:425+NaN/100":                     `"NaN"`,
		"tone:4000/100":                        `"4000"`,
		"tone:425/100,,0/100":                  `"" in ""`,
		"tone:425,0/100":                       `"425" has no duration but is not the last step`,
		"tone:1+2+3+4+5/100":                   "more than 4 tones",
		"tone:100+200+300+400+500":             "more than 4 tones",
		"tone:rring":                           `unknown name "rring", known are dial ring`,
		"tone:ring-xx":                         `unknown country "xx", known are at au`,
		"tone:dtmf-":                           "needs digits",
		"tone:dtmf-1x":                         `'x' is not a DTMF digit`,
		"tone:dtmf-!":                          `'!' is not a DTMF digit`,
		"tone:dtmf-" + strings.Repeat("1", 40): "more than 32 digits",
		strings.Repeat("425/1,", 64) + "425/1": "more than 64 steps",
		strings.Repeat("9", 2000):              "longer than 1024 bytes",
	} {
		_, err := Parse(spec)
		if !errors.Is(err, ErrSpec) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: error %v, want %q", spec, err, want)
		}
	}
}

func TestEveryNamedToneIsValid(t *testing.T) {
	t.Parallel()
	for code := range countries() {
		for _, name := range []string{"dial", "ring", "busy", "congestion", "waiting", "beep", "sit"} {
			spec := strings.TrimSuffix("tone:"+name+"-"+code, "-")
			s, err := Parse(spec)
			if err != nil {
				t.Errorf("%s: %v", spec, err)
				continue
			}
			if _, endless := s.Duration(); endless && name != "dial" {
				t.Errorf("%s has no end", spec)
			}
		}
	}
}

func TestRenderedToneIsHeard(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000, 48000} {
		s, err := Parse("tone:350+440/500,0/250,1400/250")
		if err != nil {
			t.Fatal(err)
		}
		pcm, err := s.Render(rate)
		if err != nil || len(pcm) != rate {
			t.Fatalf("%d samples at %d Hz, %v", len(pcm), rate, err)
		}
		parts := hear.Stretches(pcm, rate)
		if len(parts) != 3 || parts[1].Sound {
			t.Fatalf("at %d Hz: %v", rate, parts)
		}
		first := hear.Tones(pcm[:rate/2], rate, 3)
		if len(first) != 2 || math.Abs(first[0].Hz+first[1].Hz-790) > 4 {
			t.Errorf("at %d Hz the first step is %v", rate, first)
		}
		if last := hear.Tone(pcm[rate*3/4:], rate); math.Abs(last.Hz-1400) > 3 || last.Share < 0.95 {
			t.Errorf("at %d Hz the last step is %v", rate, last)
		}
		for _, part := range [][]int16{pcm[:rate/2], pcm[rate*3/4:]} {
			if level := hear.Level(part); math.Abs(level-(defaultLevel-3)) > 0.5 {
				t.Errorf("at %d Hz a step has %.1f dB", rate, level)
			}
		}
	}
}

// TestNoClicks looks at the band far above the tone, where an abrupt edge would be heard.
func TestNoClicks(t *testing.T) {
	t.Parallel()
	s, err := Parse("425/60,0/40,425/100,440/50,0/50")
	if err != nil {
		t.Fatal(err)
	}
	pcm, err := s.Render(8000)
	if err != nil {
		t.Fatal(err)
	}
	if level := highBand(pcm); level > -75 {
		t.Errorf("edges sound with %.1f dB above the tone", level)
	}
	for i := range pcm[:800] { // the same without fading must fail the test
		pcm[i] = int16(5000 * math.Cos(2*math.Pi*425*float64(i)/8000) * float64(1-i/480%2))
	}
	if level := highBand(pcm); level < -70 {
		t.Errorf("a click sounds with %.1f dB only: the test hears nothing", level)
	}
	if pcm, err = s.Render(8000); err != nil || pcm[0] != 0 {
		t.Errorf("begins with %d, %v", pcm[0], err)
	}
}

// highBand is the level after two second differences, which weaken 425 Hz by 62 dB.
func highBand(pcm []int16) float64 {
	pcm = slices.Clone(pcm)
	for range 4 {
		for i := len(pcm) - 1; i > 0; i-- {
			pcm[i] = (pcm[i] - pcm[i-1]) / 2
		}
	}
	return hear.Level(pcm[4:])
}

func TestGeneratorInSmallPieces(t *testing.T) {
	t.Parallel()
	s, err := Parse("425/33,0/7,425+600/13,425+600/21")
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Render(8000)
	if err != nil {
		t.Fatal(err)
	}
	g := NewGenerator(s, 8000)
	for _, size := range []int{1, 7, 160, 1000} {
		g.Reset()
		var got []int16
		buf := make([]int16, size)
		for {
			n := g.Read(buf)
			got = append(got, buf[:n]...)
			if n < size {
				break
			}
		}
		if !slices.Equal(got, want) || g.Read(buf) != 0 {
			t.Errorf("in pieces of %d: %d samples, want %d", size, len(got), len(want))
		}
	}
}

func TestEndless(t *testing.T) {
	t.Parallel()
	s, err := Parse("tone:dial-us")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Render(8000); !errors.Is(err, ErrEndless) {
		t.Errorf("rendered: %v", err)
	}
	g := NewGenerator(s, 8000)
	buf := make([]int16, 8000)
	for range 20 {
		if n := g.Read(buf); n != len(buf) {
			t.Fatalf("ended after %d", n)
		}
	}
	if got := hear.Tones(buf, 8000, 2); len(got) != 2 || math.Abs(got[0].Hz+got[1].Hz-790) > 4 {
		t.Errorf("after 20 s: %v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"tone:425/1000,0/4000", "350+440", "ring-uk", "dtmf-12", "0", "1e3/1", "0x20/5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrSpec) {
				t.Fatal(err)
			}
			return
		}
		g := NewGenerator(s, 8000)
		n := g.Read(make([]int16, 16000))
		if d, endless := s.Duration(); (endless || d > 2*time.Second) && n != 16000 || d <= 0 && !endless {
			t.Fatalf("%q lasts %v (%v) but gave %d samples", text, d, endless, n)
		}
	})
}

func BenchmarkGenerator(b *testing.B) {
	s, err := Parse("tone:dial-us")
	if err != nil {
		b.Fatal(err)
	}
	g := NewGenerator(s, 8000)
	buf := make([]int16, 160)
	if n := testing.AllocsPerRun(10, func() { g.Read(buf) }); n != 0 {
		b.Fatalf("%v allocations a frame", n)
	}
	for b.Loop() {
		g.Read(buf)
	}
}
