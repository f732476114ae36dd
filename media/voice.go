package media

import (
	"time"

	"tandem/media/codec"
)

// speaker is live sound to send: a mixer's output, a source that cannot be cached. It is
// called by the stream's worker and must not block.
type speaker interface {
	// speak writes the next 20 ms over all of pcm; false if there is nothing to send now.
	speak(m *stream, pcm []int16) bool
}

// speakFrom sends what s says at the rate given, paced by the leg's frame timer and encoded
// once with its codec; nil ends it. Keys and playbacks go first, and s is not asked meanwhile.
func (m *stream) speakFrom(s speaker, rate pcmRate) {
	if m.ended {
		return
	}
	m.tx.silent()
	if s == nil {
		m.voice = nil
		return
	}
	m.voice = &voice{speaker: s, mouth: mouth{rate: rate}}
	m.startFrames()
}

// voice is a speaker on a leg.
type voice struct {
	speaker speaker
	mouth   mouth
	pcm     [maxFrame]int16
}

// voiceFrame sends a packet of what the speaker says; false if it has nothing to say.
func (m *stream) voiceFrame() bool {
	v := m.voice
	v.mouth.tune(m.p.format)
	for !v.mouth.full(m) {
		pcm := v.pcm[:v.mouth.rate.frame()]
		if !v.speaker.speak(m, pcm) || m.voice != v {
			v.mouth.pending = v.mouth.pending[:0]
			return false
		}
		v.mouth.take(pcm)
	}
	v.mouth.say(m, fromVoice)
	return true
}

// mouth encodes PCM of one rate into packets of a leg.
type mouth struct {
	rate    pcmRate
	format  *format
	encoder codec.Encoder
	convert *codec.Resampler
	pending []int16 // at the codec's rate, not yet sent
	once    []byte  // said to several legs
}

// maxPtime is the most sound of a packet that we send.
const maxPtime = 60 * time.Millisecond

// tune makes the coder of a format, when that is a new one.
func (o *mouth) tune(f *format) {
	if o.format == f {
		return
	}
	enc, err := f.NewEncoder()
	if err != nil { // every format of the table has a coder
		return
	}
	o.format, o.encoder, o.convert = f, enc, nil
	if f.pcm != o.rate {
		o.convert, _ = codec.NewResampler(o.rate.hz(), f.pcm.hz()) // these rates all have a filter
	}
	o.pending = make([]int16, 0, int(maxPtime/frameTime+1)*f.pcm.frame())
}

// take adds 20 ms at the rate of the mouth; more than a packet and a frame does not fit.
func (o *mouth) take(pcm []int16) {
	n := len(o.pending)
	room := o.pending[n:min(cap(o.pending), n+o.format.pcm.frame())]
	if len(room) < o.format.pcm.frame() {
		return
	}
	if o.convert == nil {
		n += copy(room, pcm)
	} else {
		n += o.convert.Process(room, pcm)
	}
	o.pending = o.pending[:n]
}

// full tells whether there is enough for a packet of the leg.
func (o *mouth) full(m *stream) bool { return len(o.pending) >= o.format.FrameSamples(m.p.frameMs) }

// say sends a packet of what has been taken.
func (o *mouth) say(m *stream, as origin) {
	n := o.format.FrameSamples(m.p.frameMs)
	b := m.payload()
	b = b[:o.encoder.Encode(b, o.pending[:n])]
	o.pending = o.pending[:copy(o.pending, o.pending[n:])]
	m.sendFrame(as, len(b))
}
