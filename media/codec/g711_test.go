package codec

import (
	"math"
	"testing"

	"github.com/zaf/g711"
)

func TestG711EqualsTheReferenceForEverySample(t *testing.T) {
	t.Parallel()
	for v := math.MinInt16; v <= math.MaxInt16; v++ {
		pcm := []int16{int16(v)}
		var b [1]byte
		EncodeMuLaw(b[:], pcm)
		if want := g711.EncodeUlawFrame(int16(v)); b[0] != want {
			t.Fatalf("µ-law of %d: %#x, want %#x", v, b[0], want)
		}
		EncodeALaw(b[:], pcm)
		if want := g711.EncodeAlawFrame(int16(v)); b[0] != want {
			t.Fatalf("A-law of %d: %#x, want %#x", v, b[0], want)
		}
	}
}

func TestG711DecodesWhatItEncodes(t *testing.T) {
	t.Parallel()
	for _, c := range codecs(t) {
		var pcm, again [256]int16
		var all, back [256]byte
		for i := range all {
			all[i] = byte(i)
		}
		if n := c.dec.Decode(pcm[:], all[:]); n != 256 {
			t.Fatalf("%s decoded %d", c.name, n)
		}
		c.enc.Encode(back[:], pcm[:])
		c.dec.Decode(again[:], back[:])
		if again != pcm { // µ-law has two codes for zero, so compare the sound
			t.Errorf("%s: decoding and encoding changed the sound", c.name)
		}
	}
}

type pair struct {
	name string
	enc  Encoder
	dec  Decoder
}

func codecs(t testing.TB) []pair {
	var list []pair
	for _, c := range Types() {
		if c.SampleRate != 8000 {
			continue
		}
		enc, err := c.NewEncoder()
		if err != nil {
			t.Fatal(err)
		}
		dec, err := c.NewDecoder()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, pair{c.Name, enc, dec})
	}
	return list
}

func TestG711Quality(t *testing.T) {
	t.Parallel()
	const floor = 33.0 // dB, what G.712 asks for from -30 to 0 dBm0
	for _, c := range codecs(t) {
		for _, level := range []float64{-3, -10, -20, -30} {
			pcm := sine(8000, 1020, level, 8000)
			b, got := make([]byte, len(pcm)), make([]int16, len(pcm))
			c.enc.Encode(b, pcm)
			c.dec.Decode(got, b)
			if snr := snr(pcm, got); snr < floor {
				t.Errorf("%s at %.0f dB: SNR %.1f dB, floor %.1f", c.name, level, snr, floor)
			}
		}
	}
}

func TestTranscodingBetweenTheLaws(t *testing.T) {
	t.Parallel()
	pcm := sine(8000, 1020, -10, 8000)
	b, got := make([]byte, len(pcm)), make([]int16, len(pcm))
	EncodeMuLaw(b, pcm)
	MuLawToALaw(b)
	DecodeALaw(got, b)
	if snr := snr(pcm, got); snr < 33 {
		t.Errorf("µ to A: SNR %.1f dB", snr)
	}
	ALawToMuLaw(b)
	DecodeMuLaw(got, b)
	if snr := snr(pcm, got); snr < 32 {
		t.Errorf("µ to A to µ: SNR %.1f dB", snr)
	}
}

func TestSilenceIsSilent(t *testing.T) {
	t.Parallel()
	var pcm [2]int16
	DecodeMuLaw(pcm[:1], []byte{SilenceMuLaw})
	DecodeALaw(pcm[1:], []byte{SilenceALaw})
	if pcm[0] != 0 || pcm[1] < -8 || pcm[1] > 8 { // A-law has no zero
		t.Errorf("silence decodes to %v", pcm)
	}
}

func TestShortBuffers(t *testing.T) {
	t.Parallel()
	for _, c := range codecs(t) {
		if n := c.enc.Encode(make([]byte, 3), make([]int16, 5)); n != 3 {
			t.Errorf("%s encoded %d into 3 bytes", c.name, n)
		}
		if n := c.dec.Decode(make([]int16, 3), make([]byte, 5)); n != 3 {
			t.Errorf("%s decoded %d into 3 samples", c.name, n)
		}
		if n := c.enc.Encode(make([]byte, 5), nil); n != 0 {
			t.Errorf("%s encoded %d of nothing", c.name, n)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"PCMU", "pcma"} {
		c, ok := Lookup(name)
		if !ok || !c.Static || c.FrameSamples(20) != 160 || c.FrameTicks(20) != 160 {
			t.Errorf("%s: %+v, %v", name, c, ok)
		}
	}
	if c, ok := Lookup("speex"); ok {
		t.Errorf("speex: %+v", c)
	}
	if _, err := (Type{Name: "speex"}).NewEncoder(); err != ErrUnknown {
		t.Errorf("encoder: %v", err)
	}
	if _, err := (Type{Name: "speex"}).NewDecoder(); err != ErrUnknown {
		t.Errorf("decoder: %v", err)
	}
	seen := map[uint8]string{}
	for _, c := range Types() {
		if other := seen[c.PayloadType]; other != "" {
			t.Errorf("%s and %s share payload type %d", c.Name, other, c.PayloadType)
		}
		seen[c.PayloadType] = c.Name
	}
}

// sine is a tone at a level in dB below full scale.
func sine(rate int, hz, db float64, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.Round(32767 * Decibels(db) * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return pcm
}

// snr is the ratio of want to the difference of got from it, in dB.
func snr(want, got []int16) float64 {
	var signal, noise float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		signal += float64(want[i]) * float64(want[i])
		noise += d * d
	}
	if noise == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(signal/noise)
}

func TestG711DoesNotAllocate(t *testing.T) {
	pcm, b := sine(8000, 440, -6, 160), make([]byte, 160)
	for _, c := range codecs(t) {
		if n := testing.AllocsPerRun(100, func() {
			c.enc.Encode(b, pcm)
			c.dec.Decode(pcm, b)
		}); n != 0 {
			t.Errorf("%s: %v allocations a frame", c.name, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { MuLawToALaw(b); ALawToMuLaw(b) }); n != 0 {
		t.Errorf("%v allocations to transcode", n)
	}
}

func BenchmarkG711(b *testing.B) {
	pcm, buf := sine(8000, 440, -6, 160), make([]byte, 160)
	for _, c := range codecs(b) {
		b.Run(c.name+"/encode", func(b *testing.B) {
			for b.Loop() {
				c.enc.Encode(buf, pcm)
			}
		})
		b.Run(c.name+"/decode", func(b *testing.B) {
			for b.Loop() {
				c.dec.Decode(pcm, buf)
			}
		})
	}
	b.Run("transcode", func(b *testing.B) {
		for b.Loop() {
			MuLawToALaw(buf)
		}
	})
}
