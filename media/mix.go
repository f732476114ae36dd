package media

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MixOptions of Engine.NewMix.
type MixOptions struct {
	Rate    int            // 8000, 16000 or 48000 Hz; 0: 16000
	OnEvent func(MixEvent) // called by the worker: must not block nor wait for a Mix's methods
}

// MixEventKind is what happened in a conference.
type MixEventKind uint8

// The kinds of events.
const (
	MixSpeaks MixEventKind = iota + 1 // Session has begun to speak
	MixQuiet                          // and stopped
	MixFailed                         // a fault of ours has ended the conference
)

// MixEvent is handed to MixOptions.OnEvent, in order.
type MixEvent struct {
	Kind    MixEventKind
	At      time.Time
	Session *Session
}

// Mix is a conference: its sessions hear each other, and nobody hears themselves. All of
// them live on its worker. Its methods are safe for use by many goroutines.
type Mix struct {
	engine *Engine
	opts   MixOptions
	worker *worker
	mixer  *mixer // the worker's alone
}

// NewMix opens a conference on the least busy worker. Errors: ErrClosed, or a rate that is
// not one of the three.
func (e *Engine) NewMix(o MixOptions) (*Mix, error) {
	rate := rate16
	switch o.Rate {
	case 0, 16000:
	case 8000:
		rate = rate8
	case 48000:
		rate = rate48
	default:
		return nil, fmt.Errorf("media: a conference cannot be mixed at %d Hz: take 8000, 16000 or 48000", o.Rate)
	}
	x := &Mix{engine: e, opts: o, worker: e.idlest()}
	x.mixer = newMixer(x, rate)
	if !x.worker.post((*Mix).open, x) {
		return nil, ErrClosed
	}
	return x, nil
}

// JoinOptions of Mix.Join.
type JoinOptions struct {
	Muted bool
	Only  *Session // who alone hears it; nil: everybody
}

// Join brings a session into the conference; it leaves its bridge and any other conference.
// Errors: ErrClosed.
func (x *Mix) Join(s *Session, o JoinOptions) error {
	err := errMoving
	for range 10 { // a bridge elsewhere may pull the session away meanwhile
		if err = x.joinOnce(s, o); !errors.Is(err, errMoving) {
			break
		}
	}
	return err
}

func (x *Mix) joinOnce(s *Session, o JoinOptions) error {
	err := error(ErrClosed)
	if !s.do(func(m *stream) { m.move(x.worker) }) {
		return err
	}
	s.do(func(m *stream) {
		switch {
		case m.ended || x.mixer.closed:
		case m.worker != x.worker:
			err = errMoving
		default:
			x.mixer.join(m, o)
			err = nil
		}
	})
	return err
}

// Leave takes a session out. Nothing happens if it is not in.
func (x *Mix) Leave(s *Session) {
	s.do(func(m *stream) {
		if m.member != nil && m.member.mixer == x.mixer {
			m.leaveMix()
		}
	})
}

// Mute makes a session a listener, or ends that.
func (x *Mix) Mute(s *Session, on bool) {
	s.post(func(m *stream) {
		if m.member != nil && m.member.mixer == x.mixer {
			m.member.mute(on)
		}
	})
}

// Announcement is something that everybody in a conference hears.
type Announcement struct {
	mix      *Mix
	playback *Playback
}

// Done is closed when it has been heard, or ended.
func (a *Announcement) Done() <-chan struct{} { return a.playback.Done() }

// Err tells, once Done is closed, why it was not heard to its end: ErrStopped, ErrClosed
// when nobody was there, or nil if it was.
func (a *Announcement) Err() error { return a.playback.Err() }

// Stop ends it at once. It may be called at any time.
func (a *Announcement) Stop() {
	a.mix.worker.post(func(x *Mix) { x.mixer.stop(a.playback) }, a.mix)
}

// Play lets everybody hear the sources, loop times (below 0 until stopped) and after what is
// being played already; they go on talking.
func (x *Mix) Play(sources []Source, loop int) *Announcement {
	b := newPlayback(nil)
	p := &player{playback: b, sources: slices.Clone(sources), loops: loop}
	p.load(x.engine, &pcmFormats[x.mixer.rate])
	p.prime()
	if !x.worker.post(func(x *Mix) { x.mixer.start(p) }, x) {
		b.end(ErrClosed)
	}
	return &Announcement{x, b}
}

// Close ends the conference; its sessions stay open.
func (x *Mix) Close() {
	x.worker.post(func(x *Mix) { x.mixer.close() }, x)
}

// open begins the conference's life on its worker.
func (x *Mix) open() { x.worker.mixers[x.mixer] = struct{}{} }

// job is a command that belongs to a conference.
type job struct {
	run func(*Mix)
	mix *Mix
}

// post queues a job; false if the worker has ended.
func (w *worker) post(run func(*Mix), x *Mix) bool {
	w.mu.Lock()
	if w.gone {
		w.mu.Unlock()
		return false
	}
	w.jobs = append(w.jobs, job{run, x})
	w.mu.Unlock()
	w.poll.wake()
	return true
}

// job runs one; a fault ends its conference.
func (w *worker) job(j job) {
	defer w.recoveredMix(j.mix)
	j.run(j.mix)
}

// closeMixes ends what is left when the worker ends.
func (w *worker) closeMixes() {
	for x := range w.mixers {
		x.close()
	}
}
