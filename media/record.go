package media

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"tandem/media/codec"
	"tandem/media/rtp"
)

// RecordOptions of Session.Record.
type RecordOptions struct {
	Path    string        // of the WAV file to make; its folder must be there
	Max     time.Duration // ends by "max"; 0: no limit
	Silence time.Duration // ends by "silence" after so much of it; 0: never
}

// Why a recording ended.
const (
	recordMax     = "max"
	recordSilence = "silence"
	recordStopped = "stopped"
	recordHangup  = "hangup"
	recordError   = "error" // the file could not be written on
)

// silenceLevel is what counts as silence, in dBov: a phone's noise lies below, quiet
// speech above.
const silenceLevel = -45

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

// Recording is one leg's sound on its way into a file.
type Recording struct {
	session *Session
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
	r.session.post(func(m *stream) {
		if m.record != nil && m.record.recording == r {
			m.endRecording(why)
		}
	})
}

// Record writes what the peer says to a 16-bit mono WAV file, from now on; a recording
// that was running is stopped. It makes the file itself, so it waits for the disk.
func (s *Session) Record(o RecordOptions) (*Recording, error) {
	rate := s.format().SampleRate
	tape, err := newTape(o.Path, rate)
	if err != nil {
		return nil, err
	}
	r := &Recording{session: s, done: make(chan struct{}), rate: rate, path: o.Path, tape: tape}
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
	r.session.engine.disk.ring()
}

// recorder is the worker's side of a Recording.
type recorder struct {
	recording *Recording
	options   RecordOptions
	stream    *stream
	start     time.Time
	sound     time.Time // last heard
	timer     timer

	ssrc     uint32
	anchored bool
	stamp    uint32 // the timestamp that belongs
	at       int64  // to this sample
	pcm      [maxPacket]int16
}

func (m *stream) startRecording(r *Recording, o RecordOptions) {
	if m.ended {
		r.finish(0, recordHangup)
		return
	}
	m.endRecording(recordStopped)
	m.record = &recorder{recording: r, options: o, stream: m, start: m.now(), sound: m.now()}
	m.record.timer = timer{stream: m, run: (*stream).limitRecording}
	m.limitRecording()
}

// limitRecording ends the recording when it is long or silent enough, else sets the timer
// for when it may be.
func (m *stream) limitRecording() {
	r := m.record
	var at time.Time
	if r.options.Max > 0 {
		if at = r.start.Add(r.options.Max); !m.now().Before(at) {
			m.endRecording(recordMax)
			return
		}
	}
	if r.options.Silence > 0 {
		quiet := r.sound.Add(r.options.Silence)
		if !m.now().Before(quiet) {
			m.endRecording(recordSilence)
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

func (m *stream) endRecording(why string) {
	r := m.record
	if r == nil {
		return
	}
	m.record = nil
	m.disarm(&r.timer)
	length := r.elapsed()
	if limit := r.samples(r.options.Max); limit > 0 {
		length = min(length, limit)
	}
	r.recording.finish(length, why)
	m.emit(Event{Kind: EventRecorded, Recording: r.recording})
}

func (r *recorder) samples(d time.Duration) int64 {
	return int64(d/time.Millisecond) * int64(r.recording.rate) / 1000
}

func (r *recorder) elapsed() int64 { return r.samples(r.stream.now().Sub(r.start)) }

// take puts a packet's sound where it belongs in time: by its timestamp, so that jitter
// leaves no trace and losses leave their silence.
func (r *recorder) take(h rtp.Header, payload []byte, f *format) {
	if f.law == noLaw || len(payload) > len(r.pcm) {
		return
	}
	now := r.elapsed()
	at := r.at + int64(int32(h.Timestamp-r.stamp))*int64(r.recording.rate)/int64(f.ClockRate)
	if drift := at - now; !r.anchored || h.SSRC != r.ssrc || max(drift, -drift) > r.samples(maxDrift) {
		r.anchored, r.ssrc, at = true, h.SSRC, now
	}
	r.stamp, r.at = h.Timestamp, at
	if r.options.Silence > 0 && r.loud(payload, f) {
		r.sound = r.stream.now()
	}
	if !r.recording.ring.put(piece{at, f.law, payload}) {
		r.recording.lost.Add(1)
	}
	r.stream.session.engine.disk.filled(&r.recording.ring)
}

func (r *recorder) loud(payload []byte, f *format) bool {
	pcm := r.pcm[:len(payload)]
	expand(pcm, payload, f.law)
	return codec.Level(pcm) > silenceLevel
}

func expand(pcm []int16, payload []byte, l law) {
	if l == aLaw {
		codec.DecodeALaw(pcm, payload)
		return
	}
	codec.DecodeMuLaw(pcm, payload)
}
