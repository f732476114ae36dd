package media

import (
	"time"

	"tandem/media/codec"
	"tandem/media/vad"
)

const (
	// memberFrames are kept of a member's sound: their clock and ours tick apart.
	memberFrames = 2
	// speaksOn is how long one who speaks is heard on after their last sound, so that the
	// gate does not chop up sentences.
	speaksOn = 400 * time.Millisecond
	// speaksAfter is after how much sound the gate opens.
	speaksAfter = 20 * time.Millisecond
)

// member is one who takes part in a conference.
type member struct {
	mixer  *mixer
	stream *stream
	muted  bool
	only   *Session // who alone hears it; nil: everybody

	// What is listened to at a lower rate than the mix has is brought up to it only while
	// it is heard: most are silent most of the time.
	rate  pcmRate
	raise *codec.Resampler // nil: none is needed
	wide  []int16

	frames  [memberFrames][]int16
	nothing [memberFrames]bool // nothing came in that frame
	first   int
	count   int

	voice vad.Detector
	open  bool    // the gate: what lies below the noise floor is not heard
	own   []int16 // what has been added to the sum of this frame; nil: nothing
	mouth mouth
}

func newMember(r *mixer, m *stream) *member {
	p := &member{mixer: r, stream: m, muted: true, rate: r.rate, mouth: mouth{rate: r.rate}}
	if m.p != nil && m.p.format.pcm < r.rate {
		p.rate, p.wide = m.p.format.pcm, make([]int16, r.rate.frame())
		p.raise, _ = codec.NewResampler(p.rate.hz(), r.rate.hz()) // these rates all have a filter
	}
	for i := range p.frames {
		p.frames[i] = make([]int16, p.rate.frame())
	}
	return p
}

// mute stops or begins to listen to the member.
func (p *member) mute(on bool) {
	if on == p.muted {
		return
	}
	if p.muted = on; on {
		p.stream.unlisten(p)
		p.first, p.count = 0, 0
		p.says(false)
		return
	}
	p.voice.Init(vad.Options{Rate: p.rate.hz(), Onset: speaksAfter, Hang: speaksOn})
	p.stream.listen(p, p.rate)
}

// hear takes 20 ms of what the member says; the oldest gives way.
func (p *member) hear(_ *stream, f *pcmFrame) {
	if p.count == memberFrames {
		p.first, p.count = (p.first+1)%memberFrames, p.count-1
	}
	at := (p.first + p.count) % memberFrames
	copy(p.frames[at], f.pcm)
	p.nothing[at] = f.kind == frameNothing
	p.count++
}

// take decides what of the member is heard in this frame: own is its sound, or nil. A frame
// at which the gate closes fades out.
func (p *member) take() {
	p.own = nil
	if p.muted {
		return
	}
	// Who has put us on hold sends music, if anything.
	if p.count == 0 || p.nothing[p.first] || !p.stream.known.sends {
		p.voice.Skip(frameTime)
		p.gate(nil)
		return
	}
	pcm := p.frames[p.first]
	p.voice.Write(pcm)
	p.gate(pcm)
}

// free gives the frame back that take has lent.
func (p *member) free() {
	p.own = nil
	if p.count > 0 {
		p.first, p.count = (p.first+1)%memberFrames, p.count-1
	}
}

// gate lets a frame through or not; nil is none.
func (p *member) gate(pcm []int16) {
	was := p.open
	p.says(p.voice.Speaking())
	switch {
	case pcm == nil:
	case p.open:
		p.own = p.raised(pcm)
	case was:
		fadeOut(pcm)
		p.own = p.raised(pcm)
	}
}

// raised is a frame at the rate of the mix.
func (p *member) raised(pcm []int16) []int16 {
	if p.raise == nil {
		return pcm
	}
	return p.wide[:p.raise.Process(p.wide, pcm)]
}

// says tells who begins and who ends to speak.
func (p *member) says(now bool) {
	if now == p.open {
		return
	}
	p.open = now
	kind := MixQuiet
	if now {
		kind = MixSpeaks
	}
	p.mixer.emit(kind, p.stream)
}

func fadeOut(pcm []int16) {
	n := int32(len(pcm))
	for i := range pcm {
		pcm[i] = int16(int32(pcm[i]) * (n - int32(i)) / n)
	}
}

// hears tells whether the member is to be sent the mix now: prompts and keys go first.
func (p *member) hears() bool {
	m := p.stream
	return m.p != nil && m.play == nil && len(m.keys) == 0 && m.peer == nil && !m.ended
}

// leaveMix takes the stream out of the conference that it is in.
func (m *stream) leaveMix() {
	p := m.member
	if p == nil {
		return
	}
	m.member = nil
	p.mixer.drop(p)
	if !p.muted {
		m.unlisten(p)
	}
	p.says(false)
	m.tx.pause()
	m.startFrames()
}

// sayTo encodes a frame by itself, for several legs. The bytes are good until the next.
func (o *mouth) sayTo(pcm []int16) []byte {
	if o.format == nil {
		return nil
	}
	o.take(pcm)
	n := min(len(o.pending), o.format.pcm.frame())
	if need := n * o.format.perMs * 1000 / o.format.SampleRate; cap(o.once) < need {
		o.once = make([]byte, need)
	}
	o.once = o.once[:o.encoder.Encode(o.once[:cap(o.once)], o.pending[:n])]
	o.pending = o.pending[:0]
	return o.once
}

// pcmFormats are the rates of a mix as formats, so that what is played into one is a track
// like any other. They are never written, nor spoken of in SDP.
var pcmFormats = makePCMFormats()

func makePCMFormats() (list [pcmRates]format) {
	for r := range list {
		hz := pcmRate(r).hz()
		f := format{Type: codec.LinearType(hz), index: noFormat, pcm: pcmRate(r), perMs: 2 * hz / 1000, unit: 2}
		f.silence = make([]byte, 20*f.perMs)
		list[r] = f
	}
	return list
}

// noFormat is the index of what is not in the table of formats.
const noFormat = -1
