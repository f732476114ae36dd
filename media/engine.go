// Package media is Tandem's media engine: RTP ports, prompts, recordings, DTMF and the
// relay between two legs. A few workers own all sockets; a Session is the handle by which
// a call talks to its one stream.
package media

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"tandem/clock"
	"tandem/media/sdp"
)

var (
	// ErrNoPorts says that no pair of RTP and RTCP ports is free: answer 503.
	ErrNoPorts = errors.New("media: no free RTP port")
	// ErrNotAcceptable says that offer and engine have nothing in common: answer 488.
	ErrNotAcceptable = errors.New("media: offer not acceptable")
	// ErrClosed says that the session or the engine has been closed.
	ErrClosed = errors.New("media: closed")
	// ErrStopped is the Err of a Playback that Stop or another Play has ended.
	ErrStopped = errors.New("media: stopped")
)

// Options of New; the zero value works.
type Options struct {
	PortMin, PortMax int         // UDP ports for RTP and RTCP; both 0: the system chooses
	Workers          int         // 0: one less than the cores, at least 1
	Codecs           []string    // in order of preference, any letter case; nil: pcmu, pcma
	PreferOurs       bool        // our order of codecs decides in answers, not the offer's
	Clock            clock.Clock // nil: the system's
	Log              *slog.Logger
	Backend          Backend // nil: Epoll on Linux, else Sockets
	NoDTLS           bool    // makes no certificate: keys go by SDP only
}

// Engine makes sessions and runs their workers.
type Engine struct {
	log        *slog.Logger
	clock      clock.Clock
	epoch      time.Time
	backend    Backend
	formats    []*format
	prefer     sdp.Preference
	ports      *ports
	workers    []*worker
	encoder    *encoder
	disk       *disk
	faults     faults
	full       limiter // of the log about ports
	identity   *identity
	ground     *ground
	handshakes chan struct{} // a place for each that may be under way
	dtlsLog    limiter

	mu       sync.Mutex
	sessions map[*Session]struct{}
	closed   bool
	running  sync.WaitGroup
}

// New starts the workers. Errors name the option that is wrong.
func New(o Options) (*Engine, error) {
	e := &Engine{log: o.Log, clock: o.Clock, backend: o.Backend, sessions: map[*Session]struct{}{}}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.clock == nil {
		e.clock = clock.System()
	}
	if e.backend == nil {
		e.backend = defaultBackend()
	}
	e.epoch = e.clock.Now()
	e.ground = newGround()
	e.handshakes = make(chan struct{}, maxHandshakes)
	var err error
	if !o.NoDTLS {
		if e.identity, err = newIdentity(e.epoch); err != nil {
			return nil, err
		}
	}
	if e.formats, err = formatsNamed(o.Codecs); err != nil {
		return nil, err
	}
	if o.PreferOurs {
		e.prefer = sdp.PreferOurs
	}
	if e.ports, err = newPorts(o.PortMin, o.PortMax); err != nil {
		return nil, err
	}
	count := o.Workers
	if count <= 0 {
		count = max(1, runtime.NumCPU()-1)
	}
	return e, e.start(count)
}

func (e *Engine) start(count int) error {
	for id := range count {
		w, err := newWorker(e, id)
		if err != nil {
			for _, w := range e.workers {
				w.poll.close()
			}
			return err
		}
		e.workers = append(e.workers, w)
	}
	for _, w := range e.workers {
		e.running.Go(w.run)
	}
	e.encoder = newEncoder(e, max(1, runtime.NumCPU()/2))
	e.disk = newDisk(e)
	return nil
}

// Close ends all sessions and waits until workers, encoders and recordings are done.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	open := make([]*Session, 0, len(e.sessions))
	for s := range e.sessions {
		open = append(open, s)
	}
	e.mu.Unlock()
	for _, s := range open {
		s.Close()
	}
	for _, w := range e.workers {
		w.stop()
	}
	e.encoder.close()
	e.disk.close()
	e.running.Wait()
	return nil
}

// Ports tells how many pairs of ports are free and in use; free is -1 when the system
// chooses them.
func (e *Engine) Ports() (free, used int) { return e.ports.count() }

// Faults tells how many faults of ours have each ended a session since the start.
func (e *Engine) Faults() uint64 { return e.faults.count.Load() }

// Open binds a session's ports and gives it to the least busy worker. Errors: ErrNoPorts,
// ErrClosed, or what the system said.
func (e *Engine) Open(o SessionOptions) (*Session, error) {
	formats := e.formats
	if len(o.Codecs) > 0 {
		var err error
		if formats, err = formatsNamed(o.Codecs); err != nil {
			return nil, err
		}
	}
	if !o.Bind.IsValid() {
		o.Bind = netip.IPv4Unspecified()
	}
	o.Bind = o.Bind.Unmap()
	if !o.Advertise.IsValid() {
		o.Advertise = o.Bind
		if o.Bind.IsUnspecified() {
			o.Advertise = loopback(o.Bind)
		}
	}
	pair, err := e.ports.open(e.backend, o.Bind)
	if err != nil {
		if e.full.pass(e.clock.Now()) {
			_, used := e.ports.count()
			e.log.Warn("media: no session can be opened", "error", err, "in_use", used)
		}
		return nil, err
	}
	s := newSession(e, o, formats, pair)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		pair.close()
		return nil, ErrClosed
	}
	e.sessions[s] = struct{}{}
	e.ground.take(s.local.Port(), 1)
	w := e.idlest()
	w.load.Add(1)
	s.worker = w
	s.post((*stream).attach)
	return s, nil
}

func (e *Engine) idlest() *worker {
	best := e.workers[0]
	for _, w := range e.workers[1:] {
		if w.load.Load() < best.load.Load() {
			best = w
		}
	}
	return best
}

func (e *Engine) forget(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s)
	e.ground.take(s.local.Port(), -1)
}

// faults counts recovered faults and logs some.
type faults struct {
	count atomic.Uint64
	limit limiter
}

func (f *faults) report(log *slog.Logger, now time.Time, fault any, stack []byte) {
	n := f.count.Add(1)
	if f.limit.pass(now) {
		log.Error("media: a session ended by a fault", "fault", fmt.Sprint(fault), "faults", n, "stack", string(stack))
	}
}

// limiter lets something pass once a second.
type limiter struct{ last atomic.Int64 }

func (l *limiter) pass(now time.Time) bool {
	last := l.last.Load()
	return now.Unix() != last && l.last.CompareAndSwap(last, now.Unix())
}
