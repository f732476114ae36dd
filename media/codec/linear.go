package codec

import "encoding/binary"

// LinearType is 16-bit PCM at a rate in Hz, little-endian: sound as it is, for use within
// the server. It is not one of Types: nobody is offered it.
func LinearType(rate int) Type {
	return Type{Name: linear, ClockRate: rate, SampleRate: rate, Channels: 1}
}

const linear = "PCM"

type linearCoder struct{}

func (linearCoder) Encode(dst []byte, pcm []int16) int {
	n := min(len(dst)/2, len(pcm))
	for i, v := range pcm[:n] {
		binary.LittleEndian.PutUint16(dst[2*i:], uint16(v))
	}
	return 2 * n
}

func (linearCoder) Decode(dst []int16, payload []byte) int {
	n := min(len(dst), len(payload)/2)
	for i := range dst[:n] {
		dst[i] = int16(binary.LittleEndian.Uint16(payload[2*i:]))
	}
	return n
}
