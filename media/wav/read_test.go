package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// file builds a WAV; chunks are written in their order.
func file(chunks ...[]byte) []byte {
	body := append([]byte("WAVE"), bytes.Join(chunks, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func chunk(id string, body []byte) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body))), body...)
	return append(b, make([]byte, len(body)&1)...)
}

func format(e Encoding, channels, rate, bits int, more ...byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, uint16(e))
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(rate*channels*bits/8))
	b = le.AppendUint16(b, uint16(channels*bits/8))
	b = le.AppendUint16(b, uint16(bits))
	return chunk("fmt ", append(b, more...))
}

func guid(e Encoding) []byte {
	b := append([]byte{22, 0, 16, 0, 0, 0, 0, 0}, byte(e), byte(e>>8))
	return append(b, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71)
}

func TestDecode(t *testing.T) {
	t.Parallel()
	f32 := func(v float32) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)) }
	f64 := func(v float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)) }
	sixteen := chunk("data", []byte{0x34, 0x12, 0xFF, 0x7F, 0x00, 0x80})
	for name, c := range map[string]struct {
		file []byte
		want []int16
	}{
		"8-bit":           {file(format(PCM, 1, 8000, 8), chunk("data", []byte{0, 128, 255})), []int16{-32768, 0, 32512}},
		"16-bit":          {file(format(PCM, 1, 8000, 16), sixteen), []int16{0x1234, 32767, -32768}},
		"24-bit":          {file(format(PCM, 1, 48000, 24), chunk("data", []byte{0xFF, 0x34, 0x12, 1, 0, 0x80})), []int16{0x1234, -32768}},
		"32-bit":          {file(format(PCM, 1, 44100, 32), chunk("data", []byte{1, 2, 0x34, 0x12})), []int16{0x1234}},
		"32-bit float":    {file(format(Float, 1, 16000, 32), chunk("data", slices.Concat(f32(1), f32(-2), f32(0.5), f32(float32(math.NaN()))))), []int16{32767, -32767, 16384, 0}},
		"64-bit float":    {file(format(Float, 1, 16000, 64), chunk("data", slices.Concat(f64(1), f64(math.Inf(-1))))), []int16{32767, -32767}},
		"A-law":           {file(format(ALaw, 1, 8000, 8), chunk("data", []byte{0xD5, 0xAA, 0x2A})), []int16{8, 32256, -32256}},
		"µ-law":           {file(format(MuLaw, 1, 8000, 8), chunk("data", []byte{0xFF, 0x80, 0x00})), []int16{0, 32124, -32124}},
		"stereo":          {file(format(PCM, 2, 8000, 16), chunk("data", []byte{10, 0, 20, 0, 0xFF, 0x7F, 0xFF, 0x7F})), []int16{15, 32767}},
		"three channels":  {file(format(PCM, 3, 8000, 8), chunk("data", []byte{128, 129, 130})), []int16{256}},
		"extensible":      {file(format(extensible, 1, 8000, 16, guid(PCM)...), sixteen), []int16{0x1234, 32767, -32768}},
		"other chunks":    {file(chunk("JUNK", []byte("odd")), format(PCM, 1, 8000, 16), chunk("LIST", make([]byte, 100)), sixteen), []int16{0x1234, 32767, -32768}},
		"chunk after":     {file(format(PCM, 1, 8000, 16), sixteen, chunk("LIST", make([]byte, 100))), []int16{0x1234, 32767, -32768}},
		"no sound":        {file(format(PCM, 1, 8000, 16), chunk("data", nil)), nil},
		"cut off":         {file(format(PCM, 1, 8000, 16), sixteen[:len(sixteen)-3]), []int16{0x1234}},
		"length unknown":  {file(format(PCM, 1, 8000, 16), []byte("data\xff\xff\xff\xff\x34\x12\x01\x00")), []int16{0x1234, 1}},
		"length not kept": {file(format(PCM, 1, 8000, 16), []byte("data\x00\x00\x00\x00\x34\x12\x01\x00")), []int16{0x1234, 1}},
		"half a frame":    {file(format(PCM, 2, 8000, 16), chunk("data", []byte{2, 0, 4, 0, 9, 0})), []int16{3}},
	} {
		for how, r := range map[string]io.Reader{
			"at once": bytes.NewReader(c.file), "by bytes": iotest.OneByteReader(bytes.NewReader(c.file)), "error with data": iotest.DataErrReader(bytes.NewReader(c.file)),
		} {
			got, err := Decode("x.wav", r, time.Minute)
			if err != nil || !slices.Equal(got.PCM, c.want) {
				t.Errorf("%s, %s: %v, %v, want %v", name, how, got.PCM, err, c.want)
			}
		}
	}
}

func TestDecodeAcrossBuffers(t *testing.T) {
	t.Parallel()
	want := make([]int16, 100_001)
	var b []byte
	for i := range want {
		want[i] = int16(i * 7)
		b = append(b, byte(i), byte(want[i]), byte(want[i]>>8))
	}
	got, err := Decode("x.wav", iotest.HalfReader(bytes.NewReader(file(format(PCM, 1, 16000, 24), chunk("data", b)))), time.Minute)
	if err != nil || !slices.Equal(got.PCM, want) {
		t.Errorf("%d samples, %v", len(got.PCM), err)
	}
	if d := got.Duration(); got.Rate != 16000 || d.Round(time.Millisecond) != 6250*time.Millisecond {
		t.Errorf("%d Hz, %v", got.Rate, d)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	data := chunk("data", make([]byte, 64000))
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":              {nil, "it is empty"},
		"text":               {[]byte("hello, this is no sound"), "not a WAV file"},
		"three bytes":        {[]byte("RIF"), "not a WAV file"},
		"MP3":                {[]byte("ID3\x03 and so on and on"), "an MP3 file"},
		"Ogg":                {[]byte("OggS and so on and on"), "an Ogg file"},
		"AVI":                {[]byte("RIFF\x00\x00\x00\x00AVI LIST"), "RIFF file, but not WAVE"},
		"header only":        {file(), "it ends before the sound"},
		"no sound":           {file(format(PCM, 1, 8000, 16)), "it ends before the sound"},
		"cut in format":      {file(format(PCM, 1, 8000, 16)[:20]), "it ends before the sound"},
		"short format":       {file(chunk("fmt ", make([]byte, 14)), data), "format of 14 bytes"},
		"sound first":        {file(data, format(PCM, 1, 8000, 16)), "sound before its format"},
		"ADPCM":              {file(format(0x11, 1, 8000, 4), data), "IMA ADPCM is not supported, convert it to 16-bit PCM"},
		"20-bit":             {file(format(PCM, 1, 8000, 20), data), "20-bit PCM is not supported"},
		"16-bit A-law":       {file(format(ALaw, 1, 8000, 16), data), "A-law is not supported"},
		"no channel":         {file(format(PCM, 0, 8000, 16), data), "0 channels"},
		"many channels":      {file(format(PCM, 9, 8000, 16), data), "9 channels"},
		"high rate":          {file(format(PCM, 1, 96000, 16), data), "96000 Hz"},
		"low rate":           {file(format(PCM, 1, 100, 16), data), "100 Hz"},
		"wrong frame":        {file(func() []byte { b := format(PCM, 1, 8000, 16); b[8+12] = 4; return b }(), data), "frames of 4 bytes"},
		"chunk without end":  {file([]byte("LIST\xff\xff\xff\xff123")), "it ends before the sound"},
		"chunk after chunk":  {file(bytes.Repeat(chunk("JUNK", nil), 300)), "no sound within 256 chunks"},
		"longer than wanted": {file(format(PCM, 1, 8000, 16), data), "longer than 3s"},
	} {
		_, err := Decode("main-menu.wav", bytes.NewReader(c.file), 3*time.Second)
		if !errors.Is(err, ErrFormat) || !strings.HasPrefix(fmt.Sprint(err), "main-menu.wav: ") || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestReadErrorsPass(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	whole := file(format(PCM, 1, 8000, 16), chunk("data", make([]byte, 20000)))
	for _, n := range []int{0, 6, 15, 30, 50, 10000} {
		r := io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(broken))
		if _, err := Decode("x.wav", r, time.Minute); !errors.Is(err, broken) || errors.Is(err, ErrFormat) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(file(format(PCM, 1, 8000, 16), chunk("data", make([]byte, 40))))
	f.Add(file(chunk("LIST", []byte("abc")), format(extensible, 2, 48000, 24, guid(PCM)...), chunk("data", make([]byte, 40))))
	f.Add(file(format(Float, 1, 8000, 64), []byte("data\xff\xff\xff\xff\x34\x12\x01\x00\x00\x00\x00\x00\x00\x00")))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Decode("x.wav", bytes.NewReader(b), time.Second)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if len(a.PCM) > len(b) || a.Rate < minRate || len(a.PCM) > a.Rate {
			t.Fatalf("%d samples at %d Hz of %d bytes", len(a.PCM), a.Rate, len(b))
		}
	})
}
