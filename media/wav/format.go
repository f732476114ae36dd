package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"tandem/media/codec"
)

// format reads the chunk that describes the samples.
func (r *Reader) format(size int64) error {
	if size < 16 {
		return fmt.Errorf("%w: format of %d bytes", ErrFormat, size)
	}
	b := make([]byte, min(size, fmtSize))
	if _, err := io.ReadFull(r.r, b); err != nil {
		return cut(err)
	}
	if err := r.skip(size - int64(len(b)) + size&1); err != nil {
		return err
	}
	r.f = Format{
		Encoding: Encoding(binary.LittleEndian.Uint16(b)),
		Channels: int(binary.LittleEndian.Uint16(b[2:])),
		Rate:     int(binary.LittleEndian.Uint32(b[4:])),
		Bits:     int(binary.LittleEndian.Uint16(b[14:])),
	}
	if r.f.Encoding == extensible && len(b) >= 26 { // the GUID begins with the plain tag
		r.f.Encoding = Encoding(binary.LittleEndian.Uint16(b[24:]))
	}
	if align := int(binary.LittleEndian.Uint16(b[12:])); r.f.decoder() != nil && align != r.f.frame() {
		return fmt.Errorf("%w: frames of %d bytes with %d channels of %d bits", ErrFormat, align, r.f.Channels, r.f.Bits)
	}
	return r.f.check()
}

func (f Format) check() error {
	switch {
	case f.decoder() == nil:
		return fmt.Errorf("%w: %s is not supported, convert it to 16-bit PCM", ErrFormat, f)
	case f.Channels < 1 || f.Channels > maxChannels:
		return fmt.Errorf("%w: %d channels, 1 to %d are supported", ErrFormat, f.Channels, maxChannels)
	case f.Rate < minRate || f.Rate > maxRate:
		return fmt.Errorf("%w: a rate of %d Hz, %d to %d are supported", ErrFormat, f.Rate, minRate, maxRate)
	}
	return nil
}

// String names the encoding as users know it: "24-bit PCM", "IMA ADPCM".
func (f Format) String() string {
	switch f.Encoding {
	case PCM:
		return fmt.Sprintf("%d-bit PCM", f.Bits)
	case Float:
		return fmt.Sprintf("%d-bit float", f.Bits)
	case ALaw:
		return "A-law"
	case MuLaw:
		return "µ-law"
	case 2:
		return "Microsoft ADPCM"
	case 0x11:
		return "IMA ADPCM"
	case 0x31:
		return "GSM 6.10"
	case 0x55:
		return "MP3"
	}
	return fmt.Sprintf("encoding %#04x", uint16(f.Encoding))
}

// decoder returns what turns the bytes of a sample into 16 bits; nil if it is not supported.
func (f Format) decoder() func(b []byte) int32 {
	switch {
	case f.Encoding == PCM && f.Bits == 8:
		return func(b []byte) int32 { return (int32(b[0]) - 128) << 8 }
	case f.Encoding == PCM && f.Bits == 16:
		return func(b []byte) int32 { return int32(int16(binary.LittleEndian.Uint16(b))) }
	case f.Encoding == PCM && f.Bits == 24:
		return func(b []byte) int32 { return int32(int16(binary.LittleEndian.Uint16(b[1:]))) }
	case f.Encoding == PCM && f.Bits == 32:
		return func(b []byte) int32 { return int32(int16(binary.LittleEndian.Uint16(b[2:]))) }
	case f.Encoding == Float && f.Bits == 32:
		return func(b []byte) int32 { return fromFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))) }
	case f.Encoding == Float && f.Bits == 64:
		return func(b []byte) int32 { return fromFloat(math.Float64frombits(binary.LittleEndian.Uint64(b))) }
	case f.Encoding == ALaw && f.Bits == 8:
		return func(b []byte) int32 { return one(codec.DecodeALaw, b) }
	case f.Encoding == MuLaw && f.Bits == 8:
		return func(b []byte) int32 { return one(codec.DecodeMuLaw, b) }
	}
	return nil
}

func one(decode func([]int16, []byte) int, b []byte) int32 {
	var s [1]int16
	decode(s[:], b[:1])
	return int32(s[0])
}

func fromFloat(v float64) int32 {
	if math.IsNaN(v) {
		return 0
	}
	return int32(math.Round(max(-1, min(1, v)) * math.MaxInt16))
}

// notWAV says what a file that does not start like a WAV seems to be.
func notWAV(b []byte, err error) error {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	what := "not a WAV file"
	for _, k := range []struct{ magic, name string }{
		{"ID3", "an MP3 file"}, {"\xff\xfb", "an MP3 file"}, {"OggS", "an Ogg file"}, {"fLaC", "a FLAC file"},
		{"RF64", "an RF64 file (over 4 GB)"}, {"RIFX", "a big-endian RIFX file"}, {"RIFF", "a RIFF file, but not WAVE"}, {"<", "HTML or XML"},
	} {
		if bytes.HasPrefix(b, []byte(k.magic)) {
			what = "not a WAV file but " + k.name
			break
		}
	}
	if len(b) == 0 {
		what = "it is empty"
	}
	return fmt.Errorf("%w: %s", ErrFormat, what)
}
