package media

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"tandem/media/rtp"
)

// maxPacket is the room for a datagram; what fills it has been cut and is dropped. RTP of the
// codecs we have fits an Ethernet frame.
const maxPacket = 2048

// worker is one goroutine that owns the streams given to it: their sockets, timers and
// everything a packet touches. So the path of a packet takes no lock.
type worker struct {
	engine *Engine
	id     int
	poll   poller
	load   atomic.Int32 // sessions

	mu      sync.Mutex
	queue   []*Session // with commands waiting
	spare   []*Session
	jobs    []job // of conferences
	closing bool
	gone    bool

	// The worker's own.
	now    time.Time
	wheel  *wheel
	ready  []*socket
	rest   []func(*stream) // commands behind the one being run
	moved  bool            // which has handed its session over
	mixers map[*mixer]struct{}
	rx     [maxPacket]byte
	tx     [txSize]byte
}

func newWorker(e *Engine, id int) (*worker, error) {
	p, err := e.backend.poller(e.clock)
	if err != nil {
		return nil, err
	}
	return &worker{engine: e, id: id, poll: p, wheel: newWheel(e.epoch), now: e.epoch,
		mixers: map[*mixer]struct{}{}}, nil
}

func (w *worker) run() {
	defer w.poll.close()
	for {
		w.ready = w.poll.wait(w.wheel.next(), w.ready[:0])
		w.now = w.engine.clock.Now()
		if w.commands() {
			w.closeMixes()
			return
		}
		for _, s := range w.ready {
			if !s.closed {
				w.receive(s)
			}
		}
		w.wheel.advance(w.now, w.fire)
	}
}

// commands runs what other goroutines have asked for; true when the worker is to end.
func (w *worker) commands() bool {
	for {
		w.mu.Lock()
		list, jobs, closing := w.queue, w.jobs, w.closing
		w.queue, w.jobs = w.spare[:0], nil
		none := len(list)+len(jobs) == 0
		w.gone = none && closing
		w.mu.Unlock()
		for i, s := range list {
			s.serve(w)
			list[i] = nil
		}
		w.spare = list
		for _, j := range jobs {
			w.job(j)
		}
		if none {
			return closing
		}
	}
}

func (w *worker) enqueue(s *Session) {
	w.mu.Lock()
	w.queue = append(w.queue, s)
	w.mu.Unlock()
	w.poll.wake()
}

func (w *worker) stop() {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.poll.wake()
}

// serve runs the session's waiting commands, or passes them on if the session has moved.
func (s *Session) serve(w *worker) {
	s.mu.Lock()
	if s.worker != w {
		other := s.worker
		s.mu.Unlock()
		other.enqueue(s)
		return
	}
	list := s.pending
	s.pending, s.queued = nil, false
	s.mu.Unlock()
	w.moved = false
	for i, f := range list {
		w.rest = list[i+1:]
		if w.command(s.stream, f); w.moved {
			break // the rest went along
		}
	}
	w.rest = nil
}

func (w *worker) command(m *stream, f func(*stream)) {
	defer w.recovered(m)
	f(m)
}

func (w *worker) receive(s *socket) {
	defer w.recovered(s.stream)
	n, from, err := s.conn.recv(w.rx[:])
	if err != nil {
		return // nothing there, or an ICMP error of an earlier send
	}
	if s.rtcp && s.stream.opaque != nil {
		s.stream.passRTCP(w.rx[:n], from)
		return
	}
	if s.rtcp && rtp.Classify(w.rx[:n]) == rtp.STUN {
		s.stream.receiveSTUN(w.rx[:n], from, true)
		return
	}
	if s.rtcp {
		s.stream.receiveRTCP(w.rx[:n], from)
		return
	}
	s.stream.receive(w.rx[:n], from)
}

func (w *worker) fire(t *timer) {
	defer w.recovered(t.stream)
	t.run(t.stream)
}

// recovered ends the one stream whose packet, frame or command met a fault of ours.
func (w *worker) recovered(m *stream) {
	if fault := recover(); fault != nil {
		w.engine.faults.report(w.engine.log, w.now, fault, debug.Stack())
		w.fail(m)
	}
}

// fail ends the stream; a second fault on the way is counted and goes no further.
func (w *worker) fail(m *stream) {
	defer func() {
		if fault := recover(); fault != nil {
			w.engine.faults.report(w.engine.log, w.now, fault, debug.Stack())
		}
	}()
	m.fail()
}
