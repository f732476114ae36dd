package media

import (
	"net/netip"
	"sync"
	"time"
)

// SessionOptions of Engine.Open.
type SessionOptions struct {
	Bind       netip.Addr    // local address; the zero value is 0.0.0.0
	Advertise  netip.Addr    // address in our SDP; the zero value is Bind
	Signalling netip.Addr    // where the peer's signalling comes from: a hint for latching
	Spiral     bool          // the peer may name ports of other sessions: a proxy that sends our calls back to us
	Codecs     []string      // in order of preference; nil: the engine's
	Encryption Encryption    // SRTP or plain RTP
	Browser    bool          // the first offer is one that a browser takes: DTLS and ICE, unless Encryption is EncryptNever
	DTMF       DTMF          // how the peer's digits come and ours go
	KeepAlive  bool          // send silence while there is nothing else to send
	Timeout    time.Duration // EventTimeout after so long without a packet, unless held; 0: never
	OnEvent    func(Event)   // called by the worker: must not block nor wait for a Session's methods
}

// Session is one leg's media: a port, an SDP conversation and a stream. Its methods are
// safe for use by many goroutines and wait for nothing but the worker.
type Session struct {
	engine *Engine
	opts   SessionOptions
	local  netip.AddrPort // as advertised
	stream *stream        // the worker's alone

	sdpMu sync.Mutex
	sdp   negotiation

	mu      sync.Mutex
	worker  *worker
	pending []func(*stream)
	queued  bool // in the worker's queue
	gone    bool // no command is taken any more
	final   Stats
	done    chan struct{}
}

func newSession(e *Engine, o SessionOptions, formats []*format, p *pair) *Session {
	s := &Session{engine: e, opts: o, done: make(chan struct{})}
	s.local = netip.AddrPortFrom(o.Advertise, p.rtp.local().Port())
	s.sdp = newNegotiation(s.local, formats)
	s.sdp.vet = vetting{ground: e.ground, local: s.local, bind: o.Bind, signalling: o.Signalling.Unmap(), spiral: o.Spiral}
	s.sdp.dtmf, s.sdp.prefer = o.DTMF, e.prefer
	s.sdp.keys = keyring{policy: o.Encryption, identity: e.identity, browser: o.Browser && o.Encryption != EncryptNever}
	s.stream = newStream(s, p)
	return s
}

// LocalAddr is where the peer is told to send.
func (s *Session) LocalAddr() netip.AddrPort { return s.local }

// post queues a command for the session's worker; false if the session has ended. One that
// is queued does run, though perhaps on a stream that has ended meanwhile.
func (s *Session) post(f func(*stream)) bool {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return false
	}
	s.pending = append(s.pending, f)
	w, ring := s.worker, !s.queued
	s.queued = true
	s.mu.Unlock()
	if ring {
		w.enqueue(s)
	}
	return true
}

// do posts a command and waits until it has run; false if the session has ended.
func (s *Session) do(f func(*stream)) bool {
	ran := make(chan struct{})
	if !s.post(func(m *stream) { defer close(ran); f(m) }) {
		return false
	}
	<-ran
	return true
}

// Stats is a snapshot, or the final figures once the session is closed.
func (s *Session) Stats() Stats {
	var st Stats
	if s.do(func(m *stream) { st = m.stats() }) {
		return st
	}
	<-s.done
	return s.final
}

// KeepAlive turns the sending of silence on or off; see SessionOptions.KeepAlive.
func (s *Session) KeepAlive(on bool) {
	s.post(func(m *stream) { m.setKeepAlive(on) })
}

// Close ends what plays and records, gives the port back and returns the final figures.
// Further calls return the same.
func (s *Session) Close() Stats {
	s.post((*stream).end)
	<-s.done
	return s.final
}

// end marks the session as over and runs what was still asked of it; the worker calls it
// once, after the last event.
func (s *Session) end(final Stats) {
	s.mu.Lock()
	rest := s.pending
	s.gone, s.pending, s.final = true, nil, final
	s.mu.Unlock()
	for _, f := range rest {
		s.stream.worker.command(s.stream, f)
	}
	s.engine.forget(s)
	close(s.done)
}
