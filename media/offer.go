package media

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"tandem/media/sdp"
)

// negotiation is the offer/answer state of one session (RFC 3264). The session's sdpMu
// guards it.
type negotiation struct {
	local   netip.AddrPort
	keys    keyring
	vet     vetting
	ice     iceParams
	formats []*format
	dtmf    DTMF
	prefer  sdp.Preference
	want    sdp.Direction // what we would like
	id      uint64
	version uint64
	sent    string            // our last description, apart from its version
	lines   []sdp.Media       // our streams in that description: their order never changes
	audio   int               // which of them is ours, -1 before the first exchange
	profile string            // of the audio, as last described
	beside  map[int]sdp.Media // by its place in lines: what is relayed as it is
	mute    bool              // the audio gives way to those
	agreed  *params           // nil before the first exchange
	ptime   int
	numbers numbering
	wish    *format     // to come first in the next exchange, rather than the agreed one
	theirs  []sdp.Codec // that the peer described last
}

// defaultPtime is how much sound one packet holds unless the peer asks for another, in ms
// (RFC 3551 §4.2).
const defaultPtime = 20

func newNegotiation(local netip.AddrPort, formats []*format) negotiation {
	// RFC 8866 §5.2 wants ids and versions that fit 64 bits; many peers read 31.
	return negotiation{local: local, formats: formats, audio: -1, id: uint64(rand.Uint32() >> 1),
		version: 1, ptime: defaultPtime, vet: vetting{ground: &ground{}, local: local}}
}

// params is what both sides have agreed on, compiled for the worker. It is never changed
// once handed over.
type params struct {
	format     *format
	payload    uint8          // of what we send
	event      uint8          // telephone-event we may send, or noPayload
	eventClock int            // of it, Hz
	remote     netip.AddrPort // not valid: not known, or not ours to send to
	remoteRTCP netip.AddrPort
	promised   netip.AddrPort // as the peer wrote it
	mux        bool
	secure     *security // nil: plain RTP
	ice        *iceParams
	sends      bool // we may
	receives   bool // we want to
	frameMs    int
	rx         [128]inbound
}

// inbound is what a received payload type means.
type inbound struct {
	kind   payloadKind
	clock  int32 // of its timestamps, Hz
	format *format
}

func audioOf(f *format) inbound { return inbound{payloadAudio, int32(f.ClockRate), f} }

type payloadKind uint8

const (
	payloadUnknown payloadKind = iota
	payloadAudio
	payloadEvent
	payloadNoise
)

// stream is our audio line without its codecs.
func (n *negotiation) stream(d sdp.Direction) sdp.Media {
	return sdp.Media{Type: "audio", Proto: "RTP/AVP", Port: int(n.local.Port()), Direction: d, PTime: n.ptime}
}

// text writes the description; its version grows only when something else changes.
func (n *negotiation) text(s *sdp.Session) []byte {
	s.Name = "tandem"
	markLite(s)
	s.Origin = sdp.NewOrigin(n.id, 0, n.local.Addr())
	plain := string(s.Marshal())
	if n.sent != "" && n.sent != plain {
		n.version++
	}
	n.sent, n.lines = plain, s.Media
	s.Origin = sdp.NewOrigin(n.id, n.version, n.local.Addr())
	return s.Marshal()
}

func (n *negotiation) offer() []byte {
	line := n.stream(n.want)
	line.Codecs = n.ours(false)
	n.numbers.note(line.Codecs)
	if n.agreed != nil {
		line.RTCPMux = n.agreed.mux
	}
	n.keys.offer(n.agreed, &line)
	n.offerICE(&line)
	s := &sdp.Session{Conn: sdp.Conn{Addr: n.local.Addr()}}
	if n.audio < 0 {
		n.audio, n.profile = 0, line.Proto
		s.Media = n.place(line, []sdp.Media{line})
		return n.text(s)
	}
	line.Proto = n.profile
	keepName(&n.lines[n.audio], &line)
	s.Media = n.place(line, slices.Clone(n.lines))
	return n.text(s)
}

// answer takes an offer and answers it. On an error nothing has changed.
func (n *negotiation) answer(body []byte) ([]byte, error) {
	offer, err := sdp.Parse(body)
	if err != nil {
		return nil, err
	}
	if n.mute {
		return n.answerBeside(offer), nil
	}
	index, choice, secure, err := n.choose(offer)
	if err != nil {
		return nil, err
	}
	theirs := &offer.Media[index]
	direction := heard(offer, theirs).Answer(n.want)
	line := n.stream(direction)
	line.Codecs, line.RTCPMux = choice.Answered(n.ours(true)), theirs.RTCPMux
	n.keys.answer(secure, n.secured(), &line)
	ice := n.answerICE(offer, theirs, &line)
	p := n.compile(offer, theirs, choice, line.Codecs)
	keepName(theirs, &line)
	p.secure, p.ice = secure, ice
	p.sends, p.receives, p.mux = direction.Sends(), direction.Receives(), theirs.RTCPMux
	n.agreed, n.audio, n.ptime = p, index, p.frameMs
	n.learn(theirs)
	line.PTime = p.frameMs
	n.profile = theirs.Proto
	accepted := n.besides(offer)
	accepted[index] = line
	return n.text(sdp.Answer(offer, sdp.Origin{}, n.local.Addr(), accepted)), nil
}

// keepName gives a stream the name that it has (RFC 5888 §9.1).
func keepName(from, line *sdp.Media) {
	if mid, ok := from.Get("mid"); ok {
		line.Attributes = append(line.Attributes, sdp.Attribute{Name: "mid", Value: mid})
	}
}

// choose finds the first stream of an offer that we can take.
func (n *negotiation) choose(offer *sdp.Session) (int, sdp.Choice, *security, error) {
	reason := "no audio stream"
	for i := range offer.Media {
		m := &offer.Media[i]
		if m.Type != "audio" || m.Port == 0 {
			continue
		}
		secure, err := n.keys.take(offer, m)
		if err != nil {
			reason = err.Error()
			continue
		}
		if reason = n.objection(offer, m); reason != "" {
			continue
		}
		if c, ok := sdp.Choose(m.Codecs, n.ours(true), n.prefer); ok {
			return i, c, secure, nil
		}
		reason = "no codec in common"
	}
	return 0, sdp.Choice{}, nil, fmt.Errorf("%w: %s", ErrNotAcceptable, reason)
}

// secured is what the last exchange has agreed on about encryption, nil before the first.
func (n *negotiation) secured() *security {
	if n.agreed == nil {
		return nil
	}
	return n.agreed.secure
}

// setAnswer takes the peer's answer to our last offer. On an error nothing has changed.
func (n *negotiation) setAnswer(body []byte) error {
	answer, err := sdp.Parse(body)
	if err != nil {
		return err
	}
	if n.audio < 0 || n.audio >= len(answer.Media) {
		return fmt.Errorf("%w: the answer has not the offer's streams", ErrNotAcceptable)
	}
	if n.mute || n.givesWay(answer) {
		n.silence()
		return nil
	}
	theirs, ours := &answer.Media[n.audio], &n.lines[n.audio]
	switch {
	case theirs.Port == 0 || theirs.Type != "audio":
		return fmt.Errorf("%w: the answer rejects the audio", ErrNotAcceptable)
	}
	if reason := n.objection(answer, theirs); reason != "" {
		return fmt.Errorf("%w: %s", ErrNotAcceptable, reason)
	}
	secure, err := n.keys.settle(answer, ours, theirs)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotAcceptable, err)
	}
	choice, ok := sdp.Choose(theirs.Codecs, ours.Codecs, sdp.PreferTheirs)
	if !ok {
		return fmt.Errorf("%w: no codec in common", ErrNotAcceptable)
	}
	p := n.compile(answer, theirs, choice, ours.Codecs)
	p.secure, p.ice = secure, n.settleICE(answer, ours, theirs)
	d := heard(answer, theirs)
	p.sends = ours.Direction.Sends() && d.Receives()
	p.receives = ours.Direction.Receives() && d.Sends()
	p.mux = ours.RTCPMux && theirs.RTCPMux
	n.agreed, n.ptime = p, p.frameMs
	n.learn(theirs)
	return nil
}

// learn takes note of what the peer can do.
func (n *negotiation) learn(theirs *sdp.Media) {
	n.numbers.note(theirs.Codecs)
	n.theirs, n.wish = theirs.Codecs, nil
}

// heard is the peer's direction; c=0.0.0.0 is the old way to say that it will not listen
// (RFC 2543 B.5).
func heard(s *sdp.Session, m *sdp.Media) sdp.Direction {
	if ufrag, _ := s.ICE(m); ufrag != "" {
		return m.Direction // RFC 8839 §4.3: it has no address yet
	}
	return sdp.DirectionOf(m.Direction.Sends(), !s.Held(m))
}

// compile turns the outcome into what the worker needs. ours are the codecs with the
// payload types of our own description: what the peer sends bears those.
func (n *negotiation) compile(s *sdp.Session, theirs *sdp.Media, c sdp.Choice, ours []sdp.Codec) *params {
	f := formatNamed(c.Voice.Name)
	p := &params{format: f, payload: c.Voice.PayloadType, event: noPayload, frameMs: f.frameMs(theirs.PTime, theirs.MaxPTime)}
	p.rx[comfortNoisePayload] = inbound{kind: payloadNoise, clock: int32(f.ClockRate)}
	// Some answer with numbers of their own, and use them.
	p.rx[c.Voice.PayloadType] = audioOf(f)
	if c.Event.Name != "" {
		p.event, p.eventClock = c.Event.PayloadType, c.Event.ClockRate
		p.rx[p.event] = inbound{kind: payloadEvent, clock: int32(p.eventClock)}
	}
	for _, o := range ours {
		switch {
		case o.Is(sdp.Event):
			p.rx[o.PayloadType] = inbound{kind: payloadEvent, clock: int32(o.ClockRate)}
		case agreedOn(c, o):
			p.rx[o.PayloadType] = audioOf(formatNamed(o.Name))
		}
	}
	p.promised = s.AddrOf(theirs)
	if n.vet.usable(p.promised) {
		p.remote = p.promised
		if at := s.RTCPAddrOf(theirs, theirs.RTCPMux); n.vet.refuse(at) == "" && n.vet.usable(at) {
			p.remoteRTCP = at
		}
	}
	return p
}

func agreedOn(c sdp.Choice, o sdp.Codec) bool {
	for _, common := range c.Common {
		if o.Is(common.Name) {
			return true
		}
	}
	return false
}
