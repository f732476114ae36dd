package media

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tandem/media/rtp"
	"tandem/media/sdp"
)

// Line is one leg's end of a stream that is relayed as it is: video, or a fax by T.38. It
// has ports of its own, and a latch as the audio has.
type Line struct {
	session *Session
	rtp     bool
}

// opaque is what a stream needs whose datagrams are passed on untouched. Its worker owns it.
type opaque struct {
	rtp        bool           // else UDPTL (T.38)
	promised   netip.AddrPort // as the peer wrote it
	remote     netip.AddrPort // not valid: not known, or not ours to send to
	remoteRTCP netip.AddrPort
	heardRTCP  netip.AddrPort // where it comes from
}

// OpenLine binds the ports for a stream like m; of o only the addresses count. Errors as of
// Open.
func (e *Engine) OpenLine(o SessionOptions, m *sdp.Media) (*Line, error) {
	s, err := e.Open(SessionOptions{Bind: o.Bind, Advertise: o.Advertise, Signalling: o.Signalling, Spiral: o.Spiral})
	if err != nil {
		return nil, err
	}
	l := &Line{session: s, rtp: m.IsRTP()}
	s.post(func(m *stream) { m.opaque = &opaque{rtp: l.rtp} })
	return l, nil
}

// Relayable tells whether a stream can be relayed as it is: video in the clear, or T.38.
func Relayable(m *sdp.Media) bool {
	if m.Port == 0 || m.Ports > 1 {
		return false
	}
	switch m.Type {
	case "video":
		return m.IsRTP() && !m.IsSecure()
	case "image":
		return strings.EqualFold(m.Proto, "udptl")
	}
	return false
}

// Take lets the line send to where stream m of its peer's description d listens. Errors wrap
// ErrNotAcceptable: media must not go there.
func (l *Line) Take(d *sdp.Session, m *sdp.Media) error {
	n := &l.session.sdp
	if reason := n.objection(d, m); reason != "" {
		return fmt.Errorf("%w: %s", ErrNotAcceptable, reason)
	}
	o := opaque{rtp: l.rtp, promised: d.AddrOf(m)}
	if n.vet.usable(o.promised) {
		o.remote = o.promised
		if at := d.RTCPAddrOf(m, m.RTCPMux); n.vet.refuse(at) == "" && n.vet.usable(at) {
			o.remoteRTCP = at
		}
	}
	l.session.post(func(m *stream) {
		m.opaque = &o
		m.latch.promise(o.promised)
	})
	return nil
}

// Shown is a stream of the other leg's peer as this leg's is told of it: at our port, with
// its codecs and attributes but those that name places or keys of their own.
func (l *Line) Shown(m *sdp.Media) sdp.Media {
	own := *m
	own.Port, own.Ports, own.Conn, own.RTCP = int(l.session.local.Port()), 0, sdp.Conn{}, netip.AddrPort{}
	own.Attributes = slices.DeleteFunc(slices.Clone(m.Attributes), func(a sdp.Attribute) bool { return slices.Contains(placed[:], a.Name) })
	return own
}

// placed are the attributes that hold only on the leg where they are written.
var placed = [...]string{"candidate", "remote-candidates", "end-of-candidates", "ice-ufrag", "ice-pwd", "ice-options",
	"ice-lite", "ice-mismatch", "rtcp", "mid", "bundle-only", "crypto", "fingerprint", "setup", "tls-id", "connection"}

// JoinLines relays between two lines until one of them is closed. Errors as of Bridge.
func JoinLines(a, b *Line) error { return Bridge(a.session, b.session) }

// Stats is a snapshot, or the final figures once the line is closed.
func (l *Line) Stats() Stats { return l.session.Stats() }

// Close gives the ports back and returns the final figures. Further calls return the same.
func (l *Line) Close() Stats { return l.session.Close() }

// opaqueRemote is where datagrams of a line go.
func (m *stream) opaqueRemote() netip.AddrPort {
	if at := m.latch.current.addr; at.IsValid() {
		return at
	}
	return m.opaque.remote
}

// pass relays a datagram of the line's first port.
func (m *stream) pass(b []byte, from netip.AddrPort) {
	if !m.opaque.promised.IsValid() {
		return // nobody has been told to send yet
	}
	h, ok := m.opaque.header(b)
	if !ok {
		m.count.malformed++
		return
	}
	if !m.latch.accept(from, h, true, m.now()) {
		m.count.strangers++
		m.stranger = from
		return
	}
	m.count.rxPackets++
	m.count.rxBytes += uint64(len(b))
	m.last = m.now()
	if m.count.rxPackets == 1 {
		m.first = m.now()
	}
	if p := m.peer; p != nil && p.opaque != nil && p.rtp != nil {
		p.passOn(b, p.opaqueRemote())
	}
}

// header is what the latch needs of a datagram: which run of its source's it continues.
func (o *opaque) header(b []byte) (rtp.Header, bool) {
	if o.rtp {
		if rtp.Classify(b) == rtp.RTCP { // RFC 5761: multiplexed, it continues nothing
			return rtp.Header{}, true
		}
		h, err := rtp.Parse(b)
		return h, err == nil
	}
	if len(b) < 2 {
		return rtp.Header{}, false
	}
	return rtp.Header{Sequence: binary.BigEndian.Uint16(b)}, true // ITU-T T.38 §9.1: of UDPTL
}

// passOn sends a datagram as it is.
func (m *stream) passOn(b []byte, to netip.AddrPort) {
	if !to.IsValid() {
		return
	}
	if m.rtp.conn.send(b, to) != nil {
		m.count.sendErrors++
		return
	}
	m.count.txPackets++
	m.count.txBytes += uint64(len(b))
}

// passRTCP relays a datagram of the line's second port, where it comes from the peer's host.
func (m *stream) passRTCP(b []byte, from netip.AddrPort) {
	o := m.opaque
	at := m.latch.current.addr
	switch {
	case len(b) == maxPacket || !o.rtp || rtp.Classify(b) != rtp.RTCP:
		m.count.malformed++
		return
	case from != o.remoteRTCP && (!at.IsValid() || from.Addr() != at.Addr()):
		m.count.strangers++
		m.stranger = from
		return
	}
	o.heardRTCP = from
	m.count.rxRTCP++
	p := m.peer
	if p == nil || p.opaque == nil || p.rtcp == nil {
		return
	}
	to := p.opaque.heardRTCP
	if !to.IsValid() {
		to = p.opaque.remoteRTCP
	}
	if to.IsValid() && p.rtcp.conn.send(b, to) == nil {
		p.count.txRTCP++
	}
}
