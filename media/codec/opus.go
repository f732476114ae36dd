package codec

import (
	"fmt"

	"github.com/thesyncim/gopus"
)

// Opus as we make it (RFC 6716, RFC 7587): mono, wideband, 20 ms a packet and 32 kbit/s at
// a constant rate, so that each packet is as long as the next and prompts can be laid out
// beforehand. It is CELT alone, at the least complexity: that costs a core some 40 µs a
// packet, where SILK took 250 and came back less like what went in.
const (
	OpusFrame      = 20 // ms; what Encode makes are packets of this length
	OpusFrameBytes = 80

	opusRate    = 16000
	opusSamples = opusRate * OpusFrame / 1000
	// opusLongest is the most samples a packet holds: 120 ms.
	opusLongest = opusRate * 120 / 1000
)

type opusEncoder struct {
	enc   *gopus.Encoder
	frame [opusSamples]int16
}

func newOpusEncoder() (*opusEncoder, error) {
	enc, err := gopus.NewEncoder(gopus.EncoderConfig{
		SampleRate: opusRate, Channels: 1, Application: gopus.ApplicationLowDelay,
	})
	if err == nil {
		err = enc.SetBitrate(OpusFrameBytes * 8 * 1000 / OpusFrame)
	}
	if err == nil {
		err = enc.SetBitrateMode(gopus.BitrateModeCBR)
	}
	if err == nil {
		err = enc.SetComplexity(0)
	}
	if err != nil {
		return nil, fmt.Errorf("opus: %w", err)
	}
	return &opusEncoder{enc: enc}, nil
}

// Encode makes whole packets of 20 ms; silence fills up the last.
func (e *opusEncoder) Encode(dst []byte, pcm []int16) int {
	n := 0
	for len(pcm) > 0 && len(dst)-n >= OpusFrameBytes {
		k := copy(e.frame[:], pcm)
		clear(e.frame[k:])
		pcm = pcm[k:]
		made, err := e.enc.EncodeInt16(e.frame[:], dst[n:n+OpusFrameBytes])
		if err != nil || made != OpusFrameBytes {
			return n
		}
		n += made
	}
	return n
}

type opusDecoder struct {
	dec *gopus.Decoder
	pcm []int16
}

func newOpusDecoder() (*opusDecoder, error) {
	dec, err := gopus.NewDecoder(gopus.DecoderConfig{SampleRate: opusRate, Channels: 1})
	if err != nil {
		return nil, fmt.Errorf("opus: %w", err)
	}
	return &opusDecoder{dec: dec, pcm: make([]int16, 3*opusLongest)}, nil
}

// Decode decodes one packet of up to 120 ms; a broken one gives nothing.
func (d *opusDecoder) Decode(dst []int16, payload []byte) int {
	if len(payload) == 0 {
		return 0
	}
	n, err := d.dec.DecodeInt16(payload, d.pcm)
	if err != nil {
		return 0
	}
	return copy(dst, d.pcm[:n])
}

// Conceal makes up for lost packets as the decoder's state suggests.
func (d *opusDecoder) Conceal(dst []int16) int {
	n := 0
	for n < len(dst) {
		made, err := d.dec.DecodeInt16(nil, d.pcm[:min(opusSamples, len(d.pcm))])
		if err != nil || made == 0 {
			clear(dst[n:])
			return len(dst)
		}
		n += copy(dst[n:], d.pcm[:made])
	}
	return n
}
