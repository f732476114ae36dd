package codec

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"
)

func g722(t testing.TB) (Encoder, Decoder) {
	t.Helper()
	c, ok := Lookup("G722")
	if !ok || c.FrameSamples(20) != 320 || c.FrameTicks(20) != 160 {
		t.Fatalf("%+v, %v", c, ok)
	}
	enc, err := c.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	dec, err := c.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return enc, dec
}

// TestG722EqualsAnotherImplementation compares with what spandsp 0.0.6 made of the same
// four seconds: noise of four levels, of full band and smoothed by turns.
func TestG722EqualsAnotherImplementation(t *testing.T) {
	t.Parallel()
	const (
		encoded = "661c37a8d91404d57736f447405ba42cf7c390a3b4463251d4d3acde97389788"
		decoded = "e8456ac1a40bbe092de219cf175e1352e8d303466770ebe579022e3ea1fcbe87"
	)
	pcm := make([]int16, 64000)
	x, smooth := uint32(1), int32(0)
	for i := range pcm {
		x = x*1664525 + 1013904223
		v := (int32(x>>16) - 32768) * []int32{0, 64, 1024, 8192}[i/4000%4] >> 15
		if i/16000%2 == 1 {
			v = (smooth*3 + v) >> 2
		}
		smooth = v
		pcm[i] = int16(v)
	}
	enc, dec := g722(t)
	b := make([]byte, len(pcm)/2)
	if n := enc.Encode(b, pcm); n != len(b) {
		t.Fatalf("encoded %d", n)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != encoded {
		t.Errorf("the encoder differs: %x", sum)
	}
	if n := dec.Decode(pcm, b); n != len(pcm) {
		t.Fatalf("decoded %d", n)
	}
	raw, err := binary.Append(nil, binary.LittleEndian, pcm)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != decoded {
		t.Errorf("the decoder differs: %x", sum)
	}
}

func TestG722Quality(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ hz, db, floor float64 }{
		{300, -10, 60}, {1020, -3, 45}, {1020, -10, 45}, {1020, -30, 41}, {1020, -50, 25},
		{2000, -10, 47}, {3400, -10, 33}, {5000, -10, 20}, {6500, -10, 24},
	} {
		enc, dec := g722(t)
		pcm := sine(16000, c.hz, c.db, 16000)
		b := make([]byte, 8000)
		enc.Encode(b, pcm)
		got := make([]int16, 16000)
		dec.Decode(got, b)
		snr, gain := fit(got[1600:], c.hz, 16000, 32767*Decibels(c.db))
		if snr < c.floor || math.Abs(gain) > 0.5 {
			t.Errorf("%.0f Hz at %.0f dB: SNR %.1f dB, floor %.1f, gain %.2f dB", c.hz, c.db, snr, c.floor, gain)
		}
	}
}

func TestG722Streams(t *testing.T) {
	t.Parallel()
	pcm := sine(16000, 700, -6, 3200)
	whole := make([]byte, 1600)
	enc, _ := g722(t)
	enc.Encode(whole, pcm)
	enc, dec := g722(t)
	for at := 0; at < 1600; at += 100 {
		var b [100]byte
		if n := enc.Encode(b[:], pcm[2*at:2*at+200]); n != 100 || string(b[:]) != string(whole[at:at+100]) {
			t.Fatalf("frame at %d: %d bytes, or others", at, n)
		}
	}
	if n := enc.Encode(make([]byte, 3), pcm[:20]); n != 3 {
		t.Errorf("%d bytes into room for 3", n)
	}
	if n := enc.Encode(make([]byte, 3), pcm[:3]); n != 1 {
		t.Errorf("%d bytes of 3 samples", n)
	}
	if n := dec.Decode(make([]int16, 5), whole); n != 4 {
		t.Errorf("%d samples into room for 5", n)
	}
}

// TestG722Recovers starts the decoder in mid-stream: after half a second it is in step.
func TestG722Recovers(t *testing.T) {
	t.Parallel()
	enc, dec := g722(t)
	pcm := sine(16000, 1020, -10, 32000)
	b := make([]byte, 16000)
	enc.Encode(b, pcm)
	got := make([]int16, 16000)
	dec.Decode(got, b[8000:])
	if snr, gain := fit(got[8000:], 1020, 16000, 32767*Decibels(-10)); snr < 45 || math.Abs(gain) > 0.1 {
		t.Errorf("SNR %.1f dB, gain %.2f dB", snr, gain)
	}
}

func TestG722SilenceIsSilent(t *testing.T) {
	t.Parallel()
	enc, dec := g722(t)
	b, got := make([]byte, 8000), make([]int16, 16000)
	enc.Encode(b, got)
	dec.Decode(got, b)
	if level := Level(got); level > -75 {
		t.Errorf("%.1f dB", level)
	}
}

func FuzzG722(f *testing.F) {
	f.Add([]byte{0, 255, 128, 64, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		enc, dec := g722(t)
		pcm := make([]int16, 2*len(b))
		for range 4 { // what it makes of noise is noise, but it stays within its bounds
			if n := dec.Decode(pcm, b); n != 2*len(b) {
				t.Fatalf("%d samples of %d bytes", n, len(b))
			}
			if n := enc.Encode(b, pcm); n != len(b) {
				t.Fatalf("%d bytes of %d samples", n, len(pcm))
			}
		}
	})
}

func TestG722DoesNotAllocate(t *testing.T) {
	enc, dec := g722(t)
	pcm, b := sine(16000, 440, -6, 320), make([]byte, 160)
	if n := testing.AllocsPerRun(100, func() {
		enc.Encode(b, pcm)
		dec.Decode(pcm, b)
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkG722(b *testing.B) {
	enc, dec := g722(b)
	pcm, buf := sine(16000, 440, -6, 320), make([]byte, 160)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			enc.Encode(buf, pcm)
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			dec.Decode(pcm, buf)
		}
	})
}
