package media

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"tandem/media/codec"
	"tandem/media/rtp"
	"tandem/media/vad"
)

// RecordOptions of Session.Record.
type RecordOptions struct {
	Path    string        // of the file to make, Ogg/Opus if it ends in .opus or .ogg, else WAV; its folder must be there
	Side    Side          // whose voice
	Stereo  bool          // of both sides: the peer left, what it hears right; else they are mixed
	Skip    bool          // a pause leaves nothing in the file, rather than silence
	Max     time.Duration // ends by "max"; 0: no limit
	Silence time.Duration // ends by "silence" after so much of it from the peer; 0: never
}

// Side is a direction of a session's sound.
type Side uint8

// The sides of a session.
const (
	SidePeer  Side = iota // what the peer says
	SideHeard             // what it hears
	SideBoth
)

// Why a recording ended.
const (
	recordMax     = "max"
	recordSilence = "silence"
	recordStopped = "stopped"
	recordHangup  = "hangup"
	recordError   = "error" // the file could not be written on
)

// maxDrift is how far a peer's timestamps may be from our clock before we believe ours.
const maxDrift = 500 * time.Millisecond

// RecordResult is how a recording went.
type RecordResult struct {
	Path    string
	Seconds float64 // of sound in the file
	Why     string  // "max", "silence", "stopped", "hangup" or "error"
	Lost    uint64  // packets that the disk was too slow for; silence in their place
	Err     error   // of the file
}

// Recording is the sound of a session, or of a conference, on its way into a file.
type Recording struct {
	engine  *Engine
	session *Session // nil: it is a conference's
	mix     *Mix
	done    chan struct{}
	ring    ring
	rate    int
	path    string

	lost   atomic.Uint64
	mu     sync.Mutex
	ended  bool
	length int64 // in samples, once ended
	why    string

	tape   *tape // the disk goroutine's
	result RecordResult
}

// Done is closed when the file is complete.
func (r *Recording) Done() <-chan struct{} { return r.done }

// Result is how it went; zero before Done is closed.
func (r *Recording) Result() RecordResult {
	select {
	case <-r.done:
		return r.result
	default:
		return RecordResult{}
	}
}

// Stop ends the recording by "stopped"; it may be called at any time.
func (r *Recording) Stop() { r.stop(recordStopped) }

func (r *Recording) stop(why string) {
	if r.mix != nil {
		r.onMix(func(x *mixer, t *mixTape) { x.endTape(t, why) })
		return
	}
	r.onStream(func(rec *recorder) { rec.stream.endRecording(rec, why) })
}

// Pause keeps what follows out of the file.
func (r *Recording) Pause() {
	if r.mix != nil {
		r.onMix(func(_ *mixer, t *mixTape) { t.paused = true })
		return
	}
	r.onStream((*recorder).pause)
}

// Resume ends a pause.
func (r *Recording) Resume() {
	if r.mix != nil {
		r.onMix(func(_ *mixer, t *mixTape) { t.paused = false })
		return
	}
	r.onStream((*recorder).resume)
}

// onStream does something to the worker's side of the recording while it runs.
func (r *Recording) onStream(f func(*recorder)) {
	r.session.post(func(m *stream) {
		for _, rec := range m.tapes {
			if rec.recording == r {
				f(rec)
				return
			}
		}
	})
}

// Record writes what the peer says, or hears, or both, from now on, whoever it is bridged
// with. It makes the file itself, so it waits for the disk.
func (s *Session) Record(o RecordOptions) (*Recording, error) {
	rate := s.format().SampleRate
	tape, err := newTape(o, rate)
	if err != nil {
		return nil, err
	}
	r := &Recording{engine: s.engine, session: s, done: make(chan struct{}), rate: rate, path: o.Path, tape: tape}
	r.ring.data = make([]byte, ringSize)
	if !s.engine.disk.add(r) {
		return nil, errors.Join(ErrClosed, tape.close(0))
	}
	if !s.post(func(m *stream) { m.startRecording(r, o) }) {
		r.finish(0, recordHangup)
		return nil, ErrClosed
	}
	return r, nil
}

// finish tells the disk goroutine how long the recording is; any goroutine may call it.
func (r *Recording) finish(length int64, why string) {
	r.mu.Lock()
	if !r.ended {
		r.ended, r.length, r.why = true, length, why
	}
	r.mu.Unlock()
	r.engine.disk.ring()
}

// recorder is the worker's side of a Recording.
type recorder struct {
	recording *Recording
	options   RecordOptions
	stream    *stream
	start     time.Time
	paused    time.Time // since when; zero: it is not
	skipped   time.Duration
	sound     time.Time // last heard from the peer
	timer     timer
	voice     vad.Detector // tells it from the noise of the line, at 8 kHz
	listening bool         // for it, where a packet does not show how loud it is

	places [2]place // of the peer's packets and of ours
	pcm    [maxPacket]int16
}

// place is where the packets of one side belong in time.
type place struct {
	ssrc     uint32
	anchored bool
	stamp    uint32 // the timestamp that belongs
	at       int64  // to this sample
}

func (m *stream) startRecording(r *Recording, o RecordOptions) {
	if m.ended {
		r.finish(0, recordHangup)
		return
	}
	rec := &recorder{recording: r, options: o, stream: m, start: m.now(), sound: m.now()}
	rec.voice.Init(vad.Options{Rate: rate8.hz()})
	rec.timer = timer{stream: m, run: func(*stream) { rec.limit() }}
	m.tapes = append(m.tapes, rec)
	rec.limit()
}

// limit ends the recording when it is long or silent enough, else sets the timer for when
// it may be.
func (r *recorder) limit() {
	m := r.stream
	if !r.paused.IsZero() {
		return // resume looks again
	}
	var at time.Time
	if r.options.Max > 0 {
		if at = r.start.Add(r.skipped + r.options.Max); !m.now().Before(at) {
			m.endRecording(r, recordMax)
			return
		}
	}
	if r.options.Silence > 0 {
		quiet := r.sound.Add(r.options.Silence)
		if !m.now().Before(quiet) {
			m.endRecording(r, recordSilence)
			return
		}
		if at.IsZero() || quiet.Before(at) {
			at = quiet
		}
	}
	if !at.IsZero() {
		m.arm(&r.timer, at)
	}
}

func (r *recorder) pause() {
	if r.paused.IsZero() {
		r.paused = r.stream.now()
		r.stream.disarm(&r.timer)
	}
}

func (r *recorder) resume() {
	if r.paused.IsZero() {
		return
	}
	if r.options.Skip {
		r.skipped += r.stream.now().Sub(r.paused)
	}
	r.paused, r.sound = time.Time{}, r.stream.now()
	for i := range r.places {
		r.places[i].anchored = false
	}
	r.limit()
}

func (m *stream) endRecording(r *recorder, why string) {
	for i, have := range m.tapes {
		if have == r {
			m.tapes = append(m.tapes[:i:i], m.tapes[i+1:]...)
			m.disarm(&r.timer)
			if r.listening {
				m.unlisten(r)
			}
			length := r.elapsed()
			if limit := r.samples(r.options.Max); limit > 0 {
				length = min(length, limit)
			}
			r.recording.finish(length, why)
			m.emit(Event{Kind: EventRecorded, Recording: r.recording})
			return
		}
	}
}

func (m *stream) endRecordings(why string) {
	for len(m.tapes) > 0 {
		m.endRecording(m.tapes[0], why)
	}
}

func (r *recorder) samples(d time.Duration) int64 {
	return int64(d/time.Millisecond) * int64(r.recording.rate) / 1000
}

// elapsed is how far the file has come, in samples.
func (r *recorder) elapsed() int64 {
	now := r.stream.now()
	if !r.paused.IsZero() && r.options.Skip {
		now = r.paused
	}
	return r.samples(now.Sub(r.start) - r.skipped)
}

// recordPacket gives a packet of one side to all who record it.
func (m *stream) recordPacket(side Side, h rtp.Header, payload []byte, f *format) {
	for _, r := range m.tapes {
		if r.options.Side == side || r.options.Side == SideBoth {
			r.take(side, h, payload, f)
		}
	}
}

// take puts a packet's sound where it belongs in time: by its timestamp, so that jitter
// leaves no trace and losses leave their silence.
func (r *recorder) take(side Side, h rtp.Header, payload []byte, f *format) {
	if len(payload) > len(r.pcm) || !r.paused.IsZero() {
		return
	}
	p := &r.places[side]
	now := r.elapsed()
	at := p.at + int64(int32(h.Timestamp-p.stamp))*int64(r.recording.rate)/int64(f.ClockRate)
	if drift := at - now; !p.anchored || h.SSRC != p.ssrc || max(drift, -drift) > r.samples(maxDrift) {
		p.anchored, p.ssrc, at = true, h.SSRC, now
	}
	p.stamp, p.at = h.Timestamp, at
	if r.options.Silence > 0 && side == SidePeer {
		r.weigh(payload, f)
	}
	if !r.recording.ring.put(piece{at, side, uint8(f.index), payload}) {
		r.recording.lost.Add(1)
	}
	r.stream.session.engine.disk.filled(&r.recording.ring)
}

// weigh looks whether the peer is silent. Where a packet shows it only when it has been
// decoded in its turn, the ear does that.
func (r *recorder) weigh(payload []byte, f *format) {
	switch {
	case f.law != noLaw:
		pcm := r.pcm[:len(payload)]
		expand(pcm, payload, f.law)
		r.level(pcm)
	case !r.listening:
		r.listening = true
		r.stream.listen(r, rate8)
	}
}

func (r *recorder) hear(_ *stream, f *pcmFrame) { r.level(f.pcm) }

func (r *recorder) level(pcm []int16) {
	if r.voice.Write(pcm) && r.voice.Active() {
		r.sound = r.stream.now()
	}
}

func expand(pcm []int16, payload []byte, l law) {
	if l == aLaw {
		codec.DecodeALaw(pcm, payload)
		return
	}
	codec.DecodeMuLaw(pcm, payload)
}
