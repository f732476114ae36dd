package media

import (
	"runtime/debug"
	"time"

	"tandem/media/codec"
	"tandem/media/rtp"
)

// mixer is the worker's side of a Mix: each 20 ms it adds up what everybody says, once, and
// sends each who speaks the sum without their own part. Those who only listen hear one and
// the same, which is encoded once a codec.
type mixer struct {
	mix     *Mix
	rate    pcmRate
	members []*member
	timer   timer
	due     time.Time
	closed  bool

	whispers int // members whom one hears alone

	sum    []int32
	aside  []int32  // with what is whispered to one
	mixed  []int16  // for one listener
	mouths []*mouth // one a codec, for those who listen
	said   [][]byte // by them in this frame
	plays  []*player
	sound  []byte  // of what is played
	played []int16 // of it
	tapes  []*mixTape
}

func newMixer(x *Mix, rate pcmRate) *mixer {
	n := rate.frame()
	r := &mixer{mix: x, rate: rate, sum: make([]int32, n), aside: make([]int32, n), mixed: make([]int16, n),
		mouths: make([]*mouth, len(formats)), said: make([][]byte, len(formats)), sound: make([]byte, 2*n), played: make([]int16, n)}
	r.timer = timer{run: func(*stream) { r.tick() }}
	return r
}

func (r *mixer) worker() *worker { return r.mix.worker }

// start the clock when there is somebody to hear it.
func (r *mixer) wind() {
	if r.timer.armed() || r.closed || len(r.members) == 0 {
		return
	}
	w, e := r.worker(), r.mix.engine
	r.due = e.epoch.Add(w.now.Sub(e.epoch).Truncate(listenGrid) + listenGrid)
	w.wheel.set(&r.timer, r.due)
}

// tick makes the frames that are due.
func (r *mixer) tick() {
	w := r.worker()
	defer w.recoveredMix(r.mix)
	for range maxCatchUp {
		r.frame()
		if r.closed || len(r.members) == 0 {
			r.silencePlays()
			return
		}
		if r.due = r.due.Add(frameTime); r.due.After(w.now) {
			w.wheel.set(&r.timer, r.due)
			return
		}
	}
	r.due = r.due.Add((w.now.Sub(r.due)/frameTime + 1) * frameTime)
	w.wheel.set(&r.timer, r.due)
}

// frame mixes 20 ms and sends them.
func (r *mixer) frame() {
	clear(r.sum)
	for _, p := range r.members {
		if p.take(); p.own != nil && p.only == nil {
			codec.Accumulate(r.sum, p.own)
		}
	}
	if r.playing() {
		codec.Accumulate(r.sum, r.played)
	}
	r.record()
	clear(r.said)
	for i := 0; i < len(r.members); i++ {
		p := r.members[i]
		if r.send(p); i < len(r.members) && r.members[i] != p {
			i-- // it has left
		}
	}
	for _, p := range r.members {
		p.free()
	}
}

// send gives one member its frame; a fault of it ends that session and nobody else's.
func (r *mixer) send(p *member) {
	m := p.stream
	defer m.worker.recovered(m)
	if !p.hears() {
		return
	}
	f := m.p.format
	sum, own := r.heardBy(p)
	if own == nil && &sum[0] == &r.sum[0] && m.p.frameMs == int(frameTime/time.Millisecond) {
		if r.said[f.index] == nil {
			r.said[f.index] = r.speakToAll(f)
		}
		m.sendFrame(fromVoice, copy(m.worker.tx[rtp.HeaderSize:], r.said[f.index]))
		return
	}
	codec.MixMinus(r.mixed, sum, own)
	p.mouth.tune(f)
	p.mouth.take(r.mixed)
	for p.mouth.full(m) {
		p.mouth.say(m, fromVoice)
	}
}

// heardBy is the sum for one member, and its own part in that: what is whispered to it comes
// on top, what it whispers itself is not in.
func (r *mixer) heardBy(p *member) (sum []int32, own []int16) {
	sum = r.sum
	if p.only == nil {
		own = p.own
	}
	if r.whispers == 0 {
		return sum, own
	}
	for _, o := range r.members {
		if o.own != nil && o.only == p.stream.session {
			copy(r.aside, sum)
			sum = r.aside
			codec.Accumulate(sum, o.own)
		}
	}
	return sum, own
}

// speakToAll encodes the sum for all who listen by one codec.
func (r *mixer) speakToAll(f *format) []byte {
	o := r.mouths[f.index]
	if o == nil {
		o = &mouth{rate: r.rate}
		r.mouths[f.index] = o
	}
	codec.MixMinus(r.mixed, r.sum, nil)
	o.tune(f)
	return o.sayTo(r.mixed)
}

// join takes a stream in, on its worker.
func (r *mixer) join(m *stream, o JoinOptions) {
	m.unbridge()
	m.leaveMix()
	p := newMember(r, m)
	m.member = p
	r.members = append(r.members, p)
	if p.only = o.Only; p.only != nil {
		r.whispers++
	}
	p.mute(o.Muted)
	r.wind()
}

// drop takes a member out of the list.
func (r *mixer) drop(p *member) {
	for i, have := range r.members {
		if have == p {
			if p.only != nil {
				r.whispers--
			}
			r.members = append(r.members[:i], r.members[i+1:]...)
			return
		}
	}
}

// close lets everybody go.
func (r *mixer) close() {
	if r.closed {
		return
	}
	r.closed = true
	w := r.worker()
	w.wheel.clear(&r.timer)
	delete(w.mixers, r)
	for len(r.members) > 0 {
		r.members[0].stream.leaveMix()
	}
	r.silencePlays()
	for len(r.tapes) > 0 {
		r.endTape(r.tapes[0], recordHangup)
	}
}

func (r *mixer) emit(k MixEventKind, m *stream) {
	if f := r.mix.opts.OnEvent; f != nil && (!r.closed || k == MixFailed) {
		e := MixEvent{Kind: k, At: r.worker().now}
		if m != nil {
			e.Session = m.session
		}
		f(e)
	}
}

// recoveredMix ends the one conference whose frame or command met a fault of ours.
func (w *worker) recoveredMix(x *Mix) {
	fault := recover()
	if fault == nil {
		return
	}
	w.engine.faults.report(w.engine.log, w.now, fault, debug.Stack())
	defer func() {
		if fault := recover(); fault != nil {
			w.engine.faults.report(w.engine.log, w.now, fault, debug.Stack())
		}
	}()
	x.mixer.close()
	x.mixer.emit(MixFailed, nil)
}
