package media

import (
	"crypto/rand"
	"net/netip"
	"slices"
	"time"

	"tandem/media/sdp"
)

// ICE-lite (RFC 8445 §2.5): we have one address, it is public or mapped one to one, and so we
// only answer the peer's checks. Whoever passes one is the peer, whatever address it has; the
// pair that it nominates is where media go. That takes the place of latching.

// iceParams is what two sides have agreed on for the checks. Two may be compared.
type iceParams struct {
	ufrag, pwd  string // ours
	remoteUfrag string
	remotePwd   string
}

// credentials draws a name and a password (RFC 8839 §5.4 asks for 4 and 22 characters).
func credentials() iceParams {
	return iceParams{ufrag: rand.Text()[:8], pwd: rand.Text()}
}

// answerICE takes the peer's offer of ICE and writes ours into the line of the answer; nil if
// it makes none, or is as lite as we are and so will never check.
func (n *negotiation) answerICE(offer *sdp.Session, theirs, line *sdp.Media) *iceParams {
	ufrag, pwd := offer.ICE(theirs)
	if ufrag == "" || pwd == "" || offer.IsLite() {
		n.ice = iceParams{}
		return nil
	}
	if n.ice.ufrag == "" || n.ice.remoteUfrag != "" && (n.ice.remoteUfrag != ufrag || n.ice.remotePwd != pwd) {
		n.ice = credentials() // RFC 8445 §9: a restart, on both sides
	}
	n.ice.remoteUfrag, n.ice.remotePwd = ufrag, pwd
	n.writeICE(line)
	agreed := n.ice
	return &agreed
}

// offerICE offers it to a browser, and again to whom we have it with.
func (n *negotiation) offerICE(line *sdp.Media) {
	if n.agreed == nil && !n.keys.browser || n.agreed != nil && n.agreed.ice == nil {
		return
	}
	if n.ice.ufrag == "" {
		n.ice = credentials()
	}
	n.writeICE(line)
}

func (n *negotiation) writeICE(line *sdp.Media) {
	line.Attributes = append(line.Attributes, sdp.Attribute{Name: "ice-ufrag", Value: n.ice.ufrag},
		sdp.Attribute{Name: "ice-pwd", Value: n.ice.pwd}, sdp.HostCandidate(1, n.local))
	if !line.RTCPMux {
		line.Attributes = append(line.Attributes,
			sdp.HostCandidate(2, netip.AddrPortFrom(n.local.Addr(), n.local.Port()+1)))
	}
}

// settleICE reads the peer's answer to a line of our offer.
func (n *negotiation) settleICE(answer *sdp.Session, ours, theirs *sdp.Media) *iceParams {
	ufrag, pwd := answer.ICE(theirs)
	if _, offered := ours.Get("ice-ufrag"); !offered || ufrag == "" || pwd == "" || answer.IsLite() {
		return nil
	}
	n.ice.remoteUfrag, n.ice.remotePwd = ufrag, pwd
	agreed := n.ice
	return &agreed
}

// markLite says at session level that we only answer checks.
func markLite(s *sdp.Session) {
	for i := range s.Media {
		if _, does := s.Media[i].Get("ice-ufrag"); does && s.Media[i].Port != 0 {
			s.Attributes = append(s.Attributes, sdp.Attribute{Name: "ice-lite"})
			return
		}
	}
}

const (
	// nominationAge is how long the nominated pair may go unchecked before a lesser one may
	// take its place: peers check it every few seconds.
	nominationAge = 15 * time.Second
	// mediaAge is how long after the last packet a pair still counts as the one that the peer
	// uses, whatever else it nominates.
	mediaAge = time.Second
)

// nomination is the worker's side of ICE.
type nomination struct {
	params   *iceParams // nil: no ICE
	priority uint32     // of the nominated pair
	checked  time.Time  // when it was checked last
	valid    [8]netip.AddrPort
	next     int // of valid to be overwritten
}

// isValid tells whether a check of the peer's has come from there.
func (n *nomination) isValid(at netip.AddrPort) bool { return slices.Contains(n.valid[:], at) }

// listenTo takes what has been agreed on about where the peer is: by ICE, or by latching.
func (m *stream) listenTo(p *params) {
	if p.ice == nil {
		if m.latch.pinned {
			m.latch.current = candidate{}
		}
		m.nominated, m.latch.pinned = nomination{}, false
		m.latch.promise(p.promised)
		return
	}
	if m.nominated.params == nil {
		m.latch.current, m.latch.locked, m.latch.pinned = candidate{}, false, true
		m.latch.promised = p.promised
	}
	if m.nominated.params == nil || *m.nominated.params != *p.ice {
		m.nominated = nomination{params: p.ice} // media go on to where they went until another pair is nominated
	}
}

// receiveSTUN answers a connectivity check and takes the pair that it nominates.
func (m *stream) receiveSTUN(b []byte, from netip.AddrPort, rtcp bool) {
	n := &m.nominated
	if n.params == nil {
		m.count.strangers++
		return
	}
	answer, c, ok := n.params.answerCheck(b, from)
	socket := m.rtp
	if rtcp {
		socket = m.rtcp
	}
	if len(answer) > 0 && socket != nil {
		if err := socket.conn.send(answer, from); err != nil {
			m.count.sendErrors++
		}
	}
	switch {
	case !ok:
		m.count.strangers++
	case rtcp:
		if c.nominates {
			m.report.source = from
		}
	default:
		m.nominate(from, c)
	}
}

// nominate sends media to a pair from now on. Peers that nominate each pair they check mean
// the one of the highest priority (RFC 5245 §8.1.1.2), or the one that they use.
func (m *stream) nominate(from netip.AddrPort, c check) {
	n := &m.nominated
	if !n.isValid(from) {
		n.valid[n.next] = from
		n.next = (n.next + 1) % len(n.valid)
	}
	current := m.latch.current.addr
	if from == current {
		n.checked = m.now()
	}
	switch {
	case !c.nominates || from == current && n.priority == c.priority:
		return
	case !current.IsValid() || from == current:
	case m.now().Sub(m.last) < mediaAge, n.priority > c.priority && m.now().Sub(n.checked) < nominationAge:
		return
	}
	n.priority, n.checked = c.priority, m.now()
	if from != current {
		m.moveTo(from)
	}
}

// moveTo sends media somewhere else.
func (m *stream) moveTo(at netip.AddrPort) {
	m.latch.pin(at, m.now())
	m.shakeHands()
	m.startFrames()
}

// follow goes along when the peer sends by another pair that it has checked.
func (m *stream) follow(from netip.AddrPort) {
	if m.latch.pinned && from != m.latch.current.addr && m.nominated.isValid(from) {
		m.moveTo(from)
	}
}
