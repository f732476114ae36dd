package media

import (
	"net/netip"
	"time"

	"tandem/media/rtp"
)

// Symmetric RTP: we send to where the peer's packets come from, once that is sure.
const (
	// latchWindow is how long after the first packet a better source may still win.
	latchWindow = time.Second
	// latchRun is how many packets in sequence make a source a candidate.
	latchRun = 4
	// latchSilence is how long the locked source may be silent before others are heard.
	latchSilence = 2 * time.Second
)

// rank is how much an address has to do with what the peer and its signalling said.
type rank uint8

const (
	rankOther rank = iota
	rankSignalling
	rankPromisedIP
	rankPromised
)

// candidate is a source that may become the peer.
type candidate struct {
	addr netip.AddrPort
	ssrc uint32
	next uint16 // the sequence number that would continue the run
	run  int
	rank rank
}

// latch decides which source is the peer's. It keeps a few candidates and no more, however
// many addresses send.
type latch struct {
	current candidate // heard and sent to; its addr is not valid before the first
	locked  bool
	open    bool      // the window has begun
	pinned  bool      // ICE says who it is: packets change nothing
	last    time.Time // last packet from current
	until   time.Time // the end of the window

	promised   netip.AddrPort
	signalling netip.Addr
	others     [4]candidate
}

// promise takes the address of a new description, and unlocks. An address that has sent
// keeps being heard until a better one has shown up; if the peer moved, it is forgotten.
func (l *latch) promise(promised netip.AddrPort) {
	if promised != l.promised {
		l.current = candidate{}
	}
	l.promised = promised
	l.unlock()
	l.current.rank = l.rank(l.current.addr)
}

// pin makes an address the peer's until the next one, whatever packets come.
func (l *latch) pin(at netip.AddrPort, now time.Time) {
	l.current = candidate{addr: at, rank: rankPromised, run: latchRun}
	l.locked, l.pinned, l.last = true, true, now
}

func (l *latch) unlock() {
	l.locked, l.open, l.others = false, false, [4]candidate{}
}

func (l *latch) rank(a netip.AddrPort) rank {
	switch {
	case !a.IsValid():
		return rankOther
	case a == l.promised:
		return rankPromised
	case a.Addr() == l.promised.Addr():
		return rankPromisedIP
	case a.Addr() == l.signalling:
		return rankSignalling
	}
	return rankOther
}

// accept tells whether a packet comes from the peer. agreed says that its payload type has
// been negotiated.
func (l *latch) accept(from netip.AddrPort, h rtp.Header, agreed bool, now time.Time) bool {
	if from == l.current.addr {
		return l.fromCurrent(from, h, now)
	}
	if !agreed || l.pinned {
		return false
	}
	if l.locked && now.Sub(l.last) > latchSilence {
		l.unlock()
	}
	if l.locked && !(l.current.rank == rankOther && from == l.promised) {
		return false
	}
	l.openWindow(now)
	c := l.candidate(from, h)
	if c == nil || !l.beats(c, now) {
		return false
	}
	l.current, l.last = *c, now
	l.locked = !now.Before(l.until)
	*c = candidate{}
	return true
}

func (l *latch) fromCurrent(from netip.AddrPort, h rtp.Header, now time.Time) bool {
	l.last = now
	if l.locked {
		return true
	}
	l.openWindow(now)
	if l.current.run < latchRun {
		l.current.follow(h)
	}
	l.locked = l.current.rank == rankPromised && l.current.run >= latchRun || !now.Before(l.until)
	return true
}

func (l *latch) openWindow(now time.Time) {
	if !l.open {
		l.open, l.until = true, now.Add(latchWindow)
	}
}

// beats tells whether c is to be heard instead of the current source. The promised address
// is believed from its first packet on, for nobody else has a claim to it; one that nobody
// named must wait until the window has passed without a better.
func (l *latch) beats(c *candidate, now time.Time) bool {
	if c.rank == rankPromised && !l.locked {
		return true
	}
	if c.run < latchRun || c.rank == rankOther && now.Before(l.until) {
		return false
	}
	silent := now.Sub(l.last) > latchSilence
	return !l.current.addr.IsValid() || c.rank > l.current.rank || silent
}

// follow takes note of one more packet of the source.
func (c *candidate) follow(h rtp.Header) {
	if c.run == 0 || h.SSRC != c.ssrc || h.Sequence != c.next {
		c.run = 0
	}
	c.run++
	c.ssrc, c.next = h.SSRC, h.Sequence+1
}

// candidate finds or makes the entry of a source. The least of the others gives way, but
// never to a lesser one.
func (l *latch) candidate(from netip.AddrPort, h rtp.Header) *candidate {
	least := &l.others[0]
	for i := range l.others {
		c := &l.others[i]
		if c.run > 0 && c.addr == from {
			c.follow(h)
			return c
		}
		if c.worth() < least.worth() {
			least = c
		}
	}
	fresh := candidate{addr: from, rank: l.rank(from)}
	fresh.follow(h)
	if least.run > 0 && fresh.rank < least.rank {
		return nil
	}
	*least = fresh
	return least
}

func (c *candidate) worth() int {
	if c.run == 0 {
		return -1
	}
	return int(c.rank)*(latchRun+1) + min(c.run, latchRun)
}
