package media

import (
	"fmt"
	"strings"

	"tandem/media/codec"
)

// format is a codec with what the packet path needs to know of its payloads.
type format struct {
	codec.Type
	index   int     // in formats
	pcm     pcmRate // of its coders
	perMs   int     // payload bytes a millisecond
	unit    int     // payload bytes that cannot be cut
	silence []byte  // 20 ms of digital silence
	packed  bool    // frames are joined into one packet (Opus)
	law     law
}

type law uint8

const (
	noLaw law = iota
	muLaw
	aLaw
)

// formats lists what the engine speaks. It is never written, and a format is known by its
// address in it.
var formats = makeFormats()

func makeFormats() []format {
	var list []format
	for _, t := range codec.Types() {
		f := format{Type: t, index: len(list), pcm: rate8, perMs: 8, unit: 1}
		switch t.Name {
		case "PCMU":
			f.law = muLaw
		case "PCMA":
			f.law = aLaw
		case "G722":
			f.pcm = rate16
		case "opus":
			f.pcm, f.perMs = rate16, codec.OpusFrameBytes/codec.OpusFrame
			f.unit, f.packed = codec.OpusFrameBytes, true
		default:
			continue
		}
		f.silence = f.encodeSilence()
		list = append(list, f)
	}
	return list
}

// whole rounds a length in bytes up to what can be sent.
func (f *format) whole(bytes int) int { return (bytes + f.unit - 1) / f.unit * f.unit }

// ticks is how far a payload takes the RTP timestamp.
func (f *format) ticks(payload []byte) uint32 {
	if f.packed {
		return uint32(codec.OpusTicks(payload))
	}
	return uint32(len(payload) * f.ClockRate / (f.perMs * 1000))
}

// frameMs is how many ms we put into a packet: what the peer asks for, in whole tens, or
// in whole frames of the codec. 0 means that the peer does not say.
func (f *format) frameMs(ptime, most int) int {
	ms, step := ptime, max(10, f.unit/f.perMs)
	if ms == 0 {
		ms = defaultPtime
	}
	if most > 0 {
		ms = min(ms, most)
	}
	return max(step, min(60, ms/step*step))
}

// encodeSilence makes a frame that, repeated, stays silent.
func (f *format) encodeSilence() []byte {
	enc, err := f.NewEncoder()
	if err != nil { // every codec of the list has one
		return nil
	}
	b, pcm := make([]byte, 20*f.perMs), make([]int16, f.pcm.frame())
	for range 10 { // coders with a state settle
		enc.Encode(b, pcm)
	}
	return b
}

// hush fills b, which begins with a whole frame, with silence.
func (f *format) hush(b []byte) {
	for n := 0; n < len(b); {
		n += copy(b[n:], f.silence)
	}
}

const (
	telephoneEventPayload = 101
	comfortNoisePayload   = 13 // RFC 3389
	noPayload             = 0xFF
)

// formatsNamed finds formats by name, PCMU and PCMA for nil. Names that we do not have are
// passed over, for one list configures builds that have more; none left is an error.
func formatsNamed(names []string) ([]*format, error) {
	if names == nil {
		names = []string{"PCMU", "PCMA"}
	}
	var list []*format
	for _, name := range names {
		if f := formatNamed(name); f != nil && !contains(list, f) {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("media: none of the codecs %q is known", names)
	}
	return list, nil
}

func formatNamed(name string) *format {
	for i := range formats {
		if strings.EqualFold(formats[i].Name, name) {
			return &formats[i]
		}
	}
	return nil
}

func contains(list []*format, f *format) bool {
	for _, have := range list {
		if have == f {
			return true
		}
	}
	return false
}

// convert writes payload, of the format given, to out as this leg's format; false if that
// cannot be done. Both are as long.
func (m *stream) convert(out, payload []byte, from *format) bool {
	copy(out, payload)
	to := m.known.format
	switch {
	case from == to:
		return true
	case from.law == muLaw && to.law == aLaw:
		codec.MuLawToALaw(out[:len(payload)])
	case from.law == aLaw && to.law == muLaw:
		codec.ALawToMuLaw(out[:len(payload)])
	default:
		return false
	}
	m.count.transcoded++
	return true
}
