package codec

import (
	"sync"

	"github.com/zaf/g711"
)

// tables of G.711. µ-law looks at the upper 14 bits of a sample, A-law at the upper 13.
type tables struct {
	toMu         [1 << 14]byte
	toA          [1 << 13]byte
	fromMu       [256]int16
	fromA        [256]int16
	muToA, aToMu [256]byte
}

// law builds the tables once: the library's own calls cost seven times a look-up.
var law = sync.OnceValue(func() *tables {
	t := new(tables)
	for i := range t.toMu {
		t.toMu[i] = g711.EncodeUlawFrame(int16(i << 2))
	}
	for i := range t.toA {
		t.toA[i] = g711.EncodeAlawFrame(int16(i << 3))
	}
	for i := range 256 {
		t.fromMu[i] = g711.DecodeUlawFrame(byte(i))
		t.fromA[i] = g711.DecodeAlawFrame(byte(i))
		t.muToA[i] = g711.Ulaw2AlawFrame(byte(i))
		t.aToMu[i] = g711.Alaw2UlawFrame(byte(i))
	}
	return t
})

// Silence in the two laws, for padding payloads.
const (
	SilenceMuLaw byte = 0xFF
	SilenceALaw  byte = 0xD5
)

// EncodeMuLaw encodes pcm as PCMU into dst, as much as fits, and returns the count.
func EncodeMuLaw(dst []byte, pcm []int16) int {
	n := min(len(dst), len(pcm))
	t := &law().toMu
	dst = dst[:n]
	for i, s := range pcm[:n] {
		dst[i] = t[uint16(s)>>2]
	}
	return n
}

// DecodeMuLaw decodes PCMU into dst, as much as fits, and returns the count.
func DecodeMuLaw(dst []int16, payload []byte) int {
	return expand(dst, payload, &law().fromMu)
}

// EncodeALaw encodes pcm as PCMA into dst, as much as fits, and returns the count.
func EncodeALaw(dst []byte, pcm []int16) int {
	n := min(len(dst), len(pcm))
	t := &law().toA
	dst = dst[:n]
	for i, s := range pcm[:n] {
		dst[i] = t[uint16(s)>>3]
	}
	return n
}

// DecodeALaw decodes PCMA into dst, as much as fits, and returns the count.
func DecodeALaw(dst []int16, payload []byte) int {
	return expand(dst, payload, &law().fromA)
}

func expand(dst []int16, payload []byte, t *[256]int16) int {
	n := min(len(dst), len(payload))
	dst = dst[:n]
	for i, b := range payload[:n] {
		dst[i] = t[b]
	}
	return n
}

// MuLawToALaw turns a PCMU payload into PCMA in place (G.711 table 3).
func MuLawToALaw(payload []byte) { translate(payload, &law().muToA) }

// ALawToMuLaw turns a PCMA payload into PCMU in place (G.711 table 4).
func ALawToMuLaw(payload []byte) { translate(payload, &law().aToMu) }

func translate(payload []byte, t *[256]byte) {
	for i, b := range payload {
		payload[i] = t[b]
	}
}

type muLaw struct{}

func (muLaw) Encode(dst []byte, pcm []int16) int     { return EncodeMuLaw(dst, pcm) }
func (muLaw) Decode(dst []int16, payload []byte) int { return DecodeMuLaw(dst, payload) }

type aLaw struct{}

func (aLaw) Encode(dst []byte, pcm []int16) int     { return EncodeALaw(dst, pcm) }
func (aLaw) Decode(dst []int16, payload []byte) int { return DecodeALaw(dst, payload) }
