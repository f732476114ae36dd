package media

import (
	"errors"
	"net/netip"
	"time"

	"tandem/media/rtp"
)

// stream is the worker's side of a session. Only its worker touches it. What every relayed
// packet needs stands first and together: with hundreds of calls each line of memory that
// it touches has to be fetched anew.
type stream struct {
	socket   socket  // the first that rtp is
	rtp      *socket // nil while it moves between workers
	p        *params // nil before offer and answer
	opaque   *opaque // not nil: a Line's, whose datagrams are not looked into
	guard    *guard  // nil: nothing is encrypted
	peer     *stream // bridged with; itself: echo
	tapes    []*recorder
	play     *player
	keys     []*keyJob
	passing  time.Time // until when a key of the peer's may go on
	worker   *worker
	ended    bool
	ear      *ear        // nil while nobody listens
	voice    *voice      // live sound to send
	coder    *transcoder // says what the bridged leg hears; nil: packets go as they are
	member   *member     // of a conference
	watching *voiceWatch // nil: nobody asks whether the peer speaks
	known    known
	last     time.Time // of the peer's RTP or RTCP
	count    counters
	latch    latch
	rx       rtp.Receiver
	tx       sender

	first     time.Time      // of the peer's RTP
	stranger  netip.AddrPort // who was not taken for the peer last
	nominated nomination
	session   *Session
	pair      *pair
	rtcp      *socket
	faulted   bool
	parting   []Event // of the end itself

	events  eventRelay
	frame   timer     // paces what we make: prompts, digits, silence
	due     time.Time // of the next frame
	keep    bool      // keep-alive silence
	hearing hearing
	inband  *inband   // digits in the audio; nil: nobody listens for them
	watch   timer     // the peer's silence
	waiting time.Time // since when nothing has come
	timeout bool      // already told,
	told    time.Time // when this was the last packet
	report  reporter
}

// warm reads a word of each line of memory that a relayed packet will need of the stream
// and its peer. Done for all streams of one wake-up at once, the processor fetches those
// lines side by side instead of one after the other.
func (m *stream) warm() uint64 {
	sum := m.rx.Touch() + uint64(m.latch.last.Nanosecond()) + m.hotWords()
	if m.peer != nil {
		sum += m.peer.hotWords()
	}
	return sum
}

// hotWords are spread over what sending and receiving share.
func (m *stream) hotWords() uint64 {
	return uint64(m.known.heard) + m.count.rxPackets + uint64(m.latch.current.rank) +
		uint64(m.tx.ssrc) + uint64(m.tx.since) + uint64(m.socket.slot)
}

// known is what every packet needs of params, whose table is too large to fetch each time.
type known struct {
	heard           uint8 // the payload type that came last
	payload, event  uint8 // of what we send
	sends, receives bool
	meaning         inbound // of heard
	format          *format
}

// meaning is what a received payload type means.
func (m *stream) meaning(payload uint8) inbound {
	if payload != m.known.heard {
		m.known.heard, m.known.meaning = payload, m.p.rx[payload]
	}
	return m.known.meaning
}

// counters are what Stats shows and nothing else keeps; those of each packet stand last,
// beside the latch.
type counters struct {
	strangers, malformed, forged, sendErrors uint64
	rxRTCP, txRTCP, underruns, skipped, keys uint64
	transcoded                               uint64
	rxPackets, rxBytes, txPackets, txBytes   uint64
}

func newStream(s *Session, p *pair) *stream {
	m := &stream{session: s, pair: p, tx: newSender(), keep: s.opts.KeepAlive}
	m.latch.signalling = s.opts.Signalling.Unmap()
	m.frame = timer{stream: m, run: (*stream).tick}
	m.watch = timer{stream: m, run: (*stream).watchSilence}
	m.hearing.init(m)
	m.report.init(m)
	return m
}

// attach begins the stream's life on the worker of its session.
func (m *stream) attach() {
	if m.ended {
		return
	}
	s := m.session
	s.mu.Lock()
	m.worker = s.worker
	s.mu.Unlock()
	if m.rtp = &m.socket; m.rtp.conn != nil { // the old worker may still look at it
		m.rtp = new(socket)
	}
	*m.rtp = socket{conn: m.pair.rtp, stream: m}
	m.rtcp = &socket{conn: m.pair.rtcp, stream: m, rtcp: true}
	if err := errors.Join(m.worker.poll.add(m.rtp), m.worker.poll.add(m.rtcp)); err != nil {
		s.engine.log.Error("media: a session's sockets cannot be watched", "error", err)
		m.fail()
	}
}

// detach takes the sockets out of the worker; packets wait in them meanwhile.
func (m *stream) detach() {
	for _, s := range []*socket{m.rtp, m.rtcp} {
		if s != nil && !s.closed {
			s.closed = true
			m.worker.poll.remove(s)
		}
	}
	m.rtp, m.rtcp = nil, nil
}

// now is the time of the packet, frame or command being worked on.
func (m *stream) now() time.Time { return m.worker.now }

// arrival is now on the steady clock that jitter is measured with.
func (m *stream) arrival() time.Duration { return m.now().Sub(m.session.engine.epoch) }

func (m *stream) arm(t *timer, at time.Time) { m.worker.wheel.set(t, at) }

func (m *stream) disarm(t *timer) { m.worker.wheel.clear(t) }

func (m *stream) emit(e Event) {
	e.At = m.now()
	if m.ended { // nothing that is told may keep the rest from ending
		m.parting = append(m.parting, e)
		return
	}
	m.tell(e)
}

func (m *stream) tell(e Event) {
	if f := m.session.opts.OnEvent; f != nil {
		f(e)
	}
}

// setParams takes the outcome of an offer and answer. Each one unlocks the latch.
func (m *stream) setParams(p *params) {
	if m.ended {
		return
	}
	m.p = p
	m.known = known{heard: noPayload, payload: p.payload, event: p.event, format: p.format,
		sends: p.sends, receives: p.receives}
	m.settleInband()
	if m.peer != nil && m.peer != m {
		m.peer.settleInband()
	}
	m.protect(p.secure)
	m.listenTo(p)
	m.shakeHands()
	m.rearmTimeout()
	m.report.start()
	m.startFrames()
}

// remote is where packets go now; not valid if there is no such place.
func (m *stream) remote() netip.AddrPort {
	if at := m.latch.current.addr; at.IsValid() || m.latch.pinned {
		return at
	}
	return m.p.remote
}

// send writes payload, n bytes long behind the header's place in the worker's buffer.
func (m *stream) send(h rtp.Header, n int) {
	to := m.remote()
	if !to.IsValid() || m.rtp == nil {
		return
	}
	b := m.worker.tx[:rtp.HeaderSize+n]
	if len(m.tapes) > 0 && h.PayloadType == m.known.payload {
		h.SSRC = m.tx.ssrc
		m.recordPacket(SideHeard, h, b[rtp.HeaderSize:], m.known.format)
	}
	h.Put(b)
	sealed := m.sealRTP(b)
	if len(sealed) == 0 {
		return
	}
	if err := m.rtp.conn.send(sealed, to); err != nil {
		m.count.sendErrors++
		return
	}
	m.count.txPackets++
	m.count.txBytes += uint64(len(b))
}

// fail ends the session after a fault of ours.
func (m *stream) fail() {
	if m.ended {
		return
	}
	m.faulted = true
	m.end()
}

// end closes all that hangs on the stream, then its sockets, and publishes the figures.
func (m *stream) end() {
	if m.ended {
		return
	}
	m.ended = true
	defer m.release()
	m.unbridge()
	m.endPlayback(ErrClosed)
	m.endKeys(ErrClosed)
	m.endRecordings(recordHangup)
	m.voice = nil
	m.leaveMix()
	m.report.bye()
	m.unguard()
	if m.faulted {
		m.emit(Event{Kind: EventFailed})
	}
	for _, e := range m.parting {
		m.tell(e)
	}
}

// release lets go of what the system and the engine lend. It runs even if the rest of end
// met another fault.
func (m *stream) release() {
	final := m.stats()
	for _, t := range m.timers() {
		m.disarm(t)
	}
	m.detach()
	m.pair.close()
	m.worker.load.Add(-1)
	m.session.end(final)
}

func (m *stream) timers() []*timer {
	list := []*timer{&m.frame, &m.watch, &m.hearing.lost, &m.report.timer}
	for _, r := range m.tapes {
		list = append(list, &r.timer)
	}
	if m.ear != nil {
		list = append(list, &m.ear.timer)
	}
	return list
}

// rearmTimeout begins to wait for the peer anew.
func (m *stream) rearmTimeout() {
	m.waiting, m.timeout = m.now(), false
	if d := m.session.opts.Timeout; d > 0 && m.p != nil {
		m.arm(&m.watch, m.now().Add(d))
	}
}

// watchSilence tells when nothing has come for too long. Packets do not touch the timer:
// it looks at the last one when it fires, and sleeps for the rest.
func (m *stream) watchSilence() {
	d := m.session.opts.Timeout
	since := m.waiting
	if m.last.After(since) {
		since = m.last
	}
	if m.last != m.told {
		m.timeout = false
	}
	silent := m.now().Sub(since)
	switch {
	case !m.p.sends || !m.p.receives: // on hold, by either side: RFC 3264 §8.4
		m.rearmTimeout()
		return
	case silent < d:
		m.arm(&m.watch, since.Add(d))
		return
	case !m.timeout:
		m.timeout, m.told = true, m.last
		m.emit(Event{Kind: EventTimeout, Duration: silent})
	}
	m.arm(&m.watch, m.now().Add(d))
}

func (m *stream) stats() Stats {
	t, c := m.rx.Totals(), &m.count
	s := Stats{
		RxPackets: c.rxPackets, TxPackets: c.txPackets, RxBytes: c.rxBytes, TxBytes: c.txBytes,
		Lost: t.Lost, OutOfOrder: t.OutOfOrder, Duplicates: t.Duplicates,
		Strangers: c.strangers, Malformed: c.malformed, Forged: c.forged, SendErrors: c.sendErrors,
		RxRTCP: c.rxRTCP, TxRTCP: c.txRTCP, Underruns: c.underruns, Skipped: c.skipped, Digits: c.keys,
		Transcoded: c.transcoded,
		Jitter:     m.rx.Jitter(), RTT: m.report.rtt, MOS: m.mos(t),
		FarLost: m.report.far.lost, FarJitter: m.report.far.jitter, FarMOS: m.report.far.mos,
		FirstRTP: m.first, LastRTP: m.last, Local: m.session.local, Recovered: m.faulted,
		Stranger: m.stranger, Latched: m.latch.locked, Encryption: string(m.secured()),
	}
	if m.p != nil {
		s.Codec, s.Promised, s.Remote = m.p.format.Name, m.p.promised, m.remote()
	}
	if m.opaque != nil {
		s.Promised, s.Remote = m.opaque.promised, m.opaqueRemote()
	}
	return s
}
