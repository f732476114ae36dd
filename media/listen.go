package media

import (
	"time"

	"tandem/media/codec"
	"tandem/media/rtp"
)

// frameTime is how much sound a listener gets at once, and a speaker gives.
const frameTime = 20 * time.Millisecond

// listener takes what the peer says, decoded: a frame each 20 ms from the moment it listens,
// whether packets come or not. It is called by the stream's worker and must not block.
type listener interface {
	// hear gets the next 20 ms. f and its PCM are the stream's again when it returns.
	hear(m *stream, f *pcmFrame)
}

// pcmFrame is 20 ms of what the peer says.
type pcmFrame struct {
	pcm  []int16   // mono, 20 ms at the rate asked for; the listener may write on it
	at   time.Time // of the frame: steps of 20 ms, unless frames had to be given up
	kind frameKind
}

// frameKind says where a frame comes from, the most telling part of it.
type frameKind uint8

const (
	frameNothing   frameKind = iota // silence: nothing has come
	frameNoise                      // comfort noise, RFC 3389, or a pause of the peer's
	frameConcealed                  // made up for what was lost
	frameVoice                      // packets
)

// pcmRate is a rate of PCM inside the engine.
type pcmRate uint8

// The rates.
const (
	rate8  pcmRate = iota // 8000 Hz
	rate16                // 16000 Hz
	rate48                // 48000 Hz

	pcmRates = 3
)

func (r pcmRate) hz() int { return [pcmRates]int{8000, 16000, 48000}[r] }

// frame is the number of samples in 20 ms.
func (r pcmRate) frame() int { return r.hz() / 50 }

// maxFrame is the most samples of a frame.
const maxFrame = 960

// listen hands the peer's sound to l at the rate given, until unlisten.
// The first listener turns decoding on. A listener is told apart by its identity: a pointer.
func (m *stream) listen(l listener, rate pcmRate) {
	if m.ended {
		return
	}
	if m.ear == nil {
		m.ear = newEar(m)
	}
	m.ear.taps = append(m.ear.taps, tap{l, rate})
}

// unlisten ends it; the last listener turns decoding off. It may be called from hear.
func (m *stream) unlisten(l listener) {
	e := m.ear
	if e == nil {
		return
	}
	left := 0
	for i := range e.taps {
		if e.taps[i].listener == l {
			e.taps[i].listener = nil
		}
		if e.taps[i].listener != nil {
			left++
		}
	}
	if left == 0 {
		m.disarm(&e.timer)
		m.ear = nil
	}
}

// longestPacket is the most sound that a packet holds (RFC 6716 §2.1.4: 120 ms).
const longestPacket = 120 * time.Millisecond

// ear decodes what the peer says, paced by the worker's clock.
type ear struct {
	stream *stream
	buffer jitter
	timer  timer
	due    time.Time
	taps   []tap

	decoders []codec.Decoder // by the format's index
	rate     pcmRate         // of what is decoded now
	conceal  [pcmRates]*codec.Concealer
	convert  [pcmRates]resampling
	rest     []int16 // decoded and not yet heard
	packet   []int16 // room for the longest
	joint    []int16 // what is to be blended into the next packet
	noise    noise
	frame    pcmFrame
}

type tap struct {
	listener listener
	rate     pcmRate
}

// resampling makes the frame at one of the rates.
type resampling struct {
	from   pcmRate
	known  bool // from is
	r      *codec.Resampler
	frame  []int16
	copied []int16 // each listener's own
}

// newEar makes the stream's ear and sets its clock going, on a grid, so that one wake-up of
// the worker serves many.
func newEar(m *stream) *ear {
	e := newEarOf(m)
	if m.p != nil {
		e.rate = m.p.format.pcm
	}
	e.due = m.session.engine.epoch.Add(m.arrival().Truncate(listenGrid) + listenGrid)
	m.arm(&e.timer, e.due)
	return e
}

func newEarOf(m *stream) *ear {
	most := int(longestPacket/frameTime) * maxFrame
	e := &ear{stream: m, decoders: make([]codec.Decoder, len(formats)),
		rest: make([]int16, 0, 2*most), packet: make([]int16, most), joint: make([]int16, 0, most)}
	e.buffer.reset()
	e.timer = timer{stream: m, run: (*stream).listenTick}
	return e
}

const listenGrid = 5 * time.Millisecond

// hearPacket takes a packet of the peer's to the ear, if somebody listens.
func (m *stream) hearPacket(h rtp.Header, payload []byte, meaning inbound, restarted bool) {
	if m.ear == nil || !m.known.receives {
		return
	}
	if restarted {
		m.ear.buffer.reset()
	}
	m.ear.buffer.put(h, payload, meaning, m.now())
}

// listenTick makes the frames that are due.
func (m *stream) listenTick() {
	e := m.ear
	for range maxCatchUp {
		e.next()
		if m.ear != e {
			return // the last listener has gone
		}
		if e.due = e.due.Add(frameTime); e.due.After(m.now()) {
			m.arm(&e.timer, e.due)
			return
		}
	}
	missed := m.now().Sub(e.due)/frameTime + 1
	m.count.skipped += uint64(missed)
	e.due = e.due.Add(missed * frameTime)
	m.arm(&e.timer, e.due)
}

// next makes one frame and tells it to all.
func (e *ear) next() {
	e.frame.at, e.frame.kind = e.due, frameNothing
	for len(e.rest) < e.rate.frame() {
		e.more()
	}
	n := e.rate.frame()
	e.tell(e.rest[:n])
	e.rest = e.rest[:copy(e.rest, e.rest[n:])]
}

// more decodes or makes up some sound.
func (e *ear) more() {
	t, s, d := e.buffer.take(e.stream.now())
	if t == turnPacket {
		if s.meaning.kind == payloadNoise {
			e.noise.set(s.data)
			return
		}
		e.decode(s)
		return
	}
	from := len(e.rest)
	n := max(1, int(int64(d)*int64(e.rate.hz())/int64(time.Second)))
	e.rest = e.rest[:from+n]
	made := e.rest[from:]
	switch {
	case t == turnNothing:
		clear(made)
	case t == turnPause || e.noise.on:
		e.noise.read(made)
		e.kind(frameNoise)
	default:
		e.concealer().Lost(made)
		if e.buffer.idle <= concealed {
			e.kind(frameConcealed)
		}
	}
}

// concealed is how long concealment can be heard.
const concealed = 60 * time.Millisecond

func (e *ear) kind(k frameKind) { e.frame.kind = max(e.frame.kind, k) }

func (e *ear) decode(s *slot) {
	f := s.meaning.format
	d := e.decoder(f)
	if d == nil {
		return
	}
	if f.pcm != e.rate { // the codec changed in mid-stream
		e.rate, e.rest, e.joint = f.pcm, e.rest[:0], e.joint[:0]
	}
	e.noise.on = false
	pcm := e.packet[:d.Decode(e.packet, s.data)]
	e.buffer.played(time.Duration(len(pcm)) * time.Second / time.Duration(e.rate.hz()))
	e.kind(frameVoice)
	if e.buffer.leaveOut() {
		e.joint = append(e.joint[:0], pcm...)
		return
	}
	if n := min(len(e.joint), len(pcm)); n > 0 {
		for i := range n {
			pcm[i] = int16((int32(e.joint[i])*int32(n-i) + int32(pcm[i])*int32(i)) / int32(n))
		}
		e.joint = e.joint[:0]
	}
	e.concealer().Heard(pcm)
	e.rest = append(e.rest, pcm...)
}

// decoder is the format's own, made when its first packet comes.
func (e *ear) decoder(f *format) codec.Decoder {
	d := e.decoders[f.index]
	if d == nil {
		var err error
		if d, err = f.NewDecoder(); err != nil { // every format of the table has a coder
			return nil
		}
		e.decoders[f.index] = d
	}
	return d
}

func (e *ear) concealer() *codec.Concealer {
	if e.conceal[e.rate] == nil {
		e.conceal[e.rate] = codec.NewConcealer(e.rate.hz())
	}
	return e.conceal[e.rate]
}

// tell hands a frame to the listeners, each at its rate.
func (e *ear) tell(pcm []int16) {
	var made [pcmRates]bool
	for i := 0; i < len(e.taps); i++ {
		t := e.taps[i]
		if t.listener == nil {
			continue
		}
		c := &e.convert[t.rate]
		if !made[t.rate] {
			made[t.rate] = true
			c.make(pcm, e.rate, t.rate)
		}
		e.frame.pcm = c.copied[:copy(c.copied, c.frame)]
		t.listener.hear(e.stream, &e.frame)
	}
	e.drop()
}

// drop forgets those that have stopped listening.
func (e *ear) drop() {
	kept := e.taps[:0]
	for _, t := range e.taps {
		if t.listener != nil {
			kept = append(kept, t)
		}
	}
	clear(e.taps[len(kept):])
	e.taps = kept
}

func (c *resampling) make(pcm []int16, from, to pcmRate) {
	if !c.known || c.from != from {
		c.from, c.known = from, true
		c.r, _ = codec.NewResampler(from.hz(), to.hz()) // these rates all have a filter
		c.frame, c.copied = make([]int16, to.frame()), make([]int16, to.frame())
	}
	if from == to {
		copy(c.frame, pcm)
		return
	}
	c.r.Process(c.frame, pcm)
}
