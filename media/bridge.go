package media

import "errors"

// errMoving says that a session left the worker between two steps of a bridge.
var errMoving = errors.New("media: a session is moving")

// Bridge lets a and b hear each other until Unbridge, another Bridge or the end of one. It
// brings both to one worker. A session bridged with itself echoes. Errors: ErrClosed.
func Bridge(a, b *Session) error {
	if a == b {
		var linked bool
		a.do(func(m *stream) { m.unbridge(); m.link(m); linked = m.peer == m })
		if !linked {
			return ErrClosed
		}
		return nil
	}
	err := errMoving
	for range 10 { // two bridges at once may pull a session to and fro
		if err = bridgeOnce(a, b); !errors.Is(err, errMoving) {
			break
		}
	}
	return err
}

func bridgeOnce(a, b *Session) error {
	err := error(ErrClosed)
	var w *worker
	if !a.do(func(m *stream) { w = m.worker }) {
		return err
	}
	if !b.do(func(m *stream) { m.move(w) }) {
		return err
	}
	a.do(func(m *stream) {
		other, here := b.on(m.worker)
		switch {
		case !here:
			err = errMoving
		case other.ended || m.ended:
			err = ErrClosed
		default:
			m.unbridge()
			other.unbridge()
			m.link(other)
			other.link(m)
			err = nil
		}
	})
	return err
}

// Unbridge parts the two if they are bridged with each other.
func Unbridge(a, b *Session) {
	a.do(func(m *stream) {
		if m.peer != nil && m.peer.session == b {
			m.unbridge()
		}
	})
}

// on gives the session's stream to a worker that owns it.
func (s *Session) on(w *worker) (*stream, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream, s.worker == w
}

func (m *stream) link(peer *stream) {
	if m.ended {
		return
	}
	m.leaveMix()
	m.peer = peer
	m.settleInband()
	m.startFrames()
}

// unbridge parts the stream from its peer, if it has one.
func (m *stream) unbridge() {
	peer := m.peer
	if peer == nil {
		return
	}
	m.peer = nil
	m.endTranscode()
	m.tx.part()
	if peer.peer == m {
		peer.peer = nil
		peer.endTranscode()
		peer.tx.part()
	}
	m.settleInband()
	peer.settleInband()
	m.startFrames()
	peer.startFrames()
}

// move hands the stream over to another worker. The old one runs it; the new one attaches
// the sockets before any other command.
func (m *stream) move(to *worker) {
	from := m.worker
	if from == to || m.ended {
		return
	}
	m.unbridge()
	m.leaveMix()
	m.detach()
	var running []*timer
	for _, t := range m.timers() {
		if t.armed() {
			m.disarm(t)
			running = append(running, t)
		}
	}
	from.load.Add(-1)
	to.load.Add(1)
	rearm := func(m *stream) {
		if m.attach(); m.ended {
			return
		}
		for _, t := range running {
			m.worker.wheel.resume(t)
		}
	}
	s := m.session
	s.mu.Lock()
	m.worker, s.worker = to, to
	s.pending = append(append([]func(*stream){rearm}, from.rest...), s.pending...)
	ring := !s.queued
	s.queued = true
	s.mu.Unlock()
	from.moved = true
	if ring {
		to.enqueue(s)
	}
}
