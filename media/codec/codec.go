// Package codec turns linear PCM into payloads and back, changes sample rates and mixes.
// PCM is 16-bit signed mono. Frames go from slice to slice without allocating.
package codec

import (
	"errors"
	"strings"
)

// ErrUnknown says that there is no coder for a codec.
var ErrUnknown = errors.New("unknown codec")

// Type describes a codec as RTP carries it.
type Type struct {
	Name        string // the encoding name of its rtpmap
	ClockRate   int    // of RTP timestamps, Hz
	SampleRate  int    // of the PCM that the coder takes and gives, Hz
	Channels    int    // in the rtpmap
	PayloadType uint8  // static (RFC 3551 §6), or the one we offer
	Static      bool
	Fmtp        string // what we write in a=fmtp
}

// Types lists the codecs that have a coder, in no order of preference.
func Types() []Type {
	return []Type{
		{Name: "PCMU", ClockRate: 8000, SampleRate: 8000, Channels: 1, PayloadType: 0, Static: true},
		{Name: "PCMA", ClockRate: 8000, SampleRate: 8000, Channels: 1, PayloadType: 8, Static: true},
		// RFC 3551 §4.5.2: clocked at 8000 by mistake, and for ever.
		{Name: "G722", ClockRate: 8000, SampleRate: 16000, Channels: 1, PayloadType: 9, Static: true},
		// RFC 7587 §7: the rtpmap always says 48000 and 2 channels; sprop tells that ours is one.
		{Name: "opus", ClockRate: 48000, SampleRate: opusRate, Channels: 2, PayloadType: 111, Fmtp: "sprop-stereo=0;stereo=0"},
	}
}

// Lookup finds a codec by its name, in any letter case.
func Lookup(name string) (Type, bool) {
	for _, t := range Types() {
		if strings.EqualFold(t.Name, name) {
			return t, true
		}
	}
	return Type{}, false
}

// FrameSamples is the number of PCM samples in ms milliseconds.
func (t Type) FrameSamples(ms int) int { return t.SampleRate * ms / 1000 }

// FrameTicks is how far the RTP timestamp advances in ms milliseconds.
func (t Type) FrameTicks(ms int) uint32 { return uint32(t.ClockRate * ms / 1000) }

// Encoder makes payloads of one stream; it may keep state from frame to frame.
type Encoder interface {
	// Encode writes the payload of pcm to dst and returns its length in bytes. It
	// encodes no more than fits.
	Encode(dst []byte, pcm []int16) int
}

// Decoder reads the payloads of one stream in their order.
type Decoder interface {
	// Decode writes the PCM of payload to dst and returns the number of samples. It
	// decodes no more than fits.
	Decode(dst []int16, payload []byte) int
}

// NewEncoder makes an encoder for one stream; errors are ErrUnknown or the coder's own.
func (t Type) NewEncoder() (Encoder, error) {
	switch t.Name {
	case linear:
		return linearCoder{}, nil
	case "PCMU":
		return muLaw{}, nil
	case "PCMA":
		return aLaw{}, nil
	case "G722":
		return &encoder722{newState722()}, nil
	case "opus":
		return newOpusEncoder()
	}
	return nil, ErrUnknown
}

// NewDecoder makes a decoder for one stream; errors are ErrUnknown or the coder's own.
func (t Type) NewDecoder() (Decoder, error) {
	switch t.Name {
	case linear:
		return linearCoder{}, nil
	case "PCMU":
		return muLaw{}, nil
	case "PCMA":
		return aLaw{}, nil
	case "G722":
		return &decoder722{newState722()}, nil
	case "opus":
		return newOpusDecoder()
	}
	return nil, ErrUnknown
}
