package srtp

// window is how many packets back one may come late (RFC 3711 §3.3.2 asks for 64 at least).
const window = 128

// place is where a stream of packets is: the highest index seen, and which ones before it.
type place struct {
	used bool
	top  uint64    // ROC and sequence number: 48 bits
	seen [2]uint64 // bit i: top-i has been seen
}

// guess is the index of a packet with that sequence number: the one nearest to the highest
// (RFC 3711 §3.3.1, appendix A).
func (p *place) guess(seq uint16) uint64 {
	if !p.used {
		return uint64(seq)
	}
	index := p.top&^0xFFFF | uint64(seq)
	switch d := int64(index) - int64(p.top); {
	case d > 1<<15 && index >= 1<<16:
		index -= 1 << 16
	case d < -1<<15 && p.top>>16 < 1<<32-1:
		index += 1 << 16
	}
	return index
}

// fresh tells whether a packet of that index has neither been seen nor come too late.
func (p *place) fresh(index uint64) bool {
	if !p.used || index > p.top {
		return true
	}
	age := p.top - index
	return age < window && p.seen[age/64]&(1<<(age%64)) == 0
}

// mark notes a packet that is genuine.
func (p *place) mark(index uint64) {
	if !p.used {
		*p = place{used: true, top: index, seen: [2]uint64{1}}
		return
	}
	if index <= p.top {
		if age := p.top - index; age < window {
			p.seen[age/64] |= 1 << (age % 64)
		}
		return
	}
	switch d := index - p.top; {
	case d >= window:
		p.seen = [2]uint64{}
	case d >= 64:
		p.seen = [2]uint64{0, p.seen[0] << (d - 64)}
	default:
		p.seen = [2]uint64{p.seen[0] << d, p.seen[1]<<d | p.seen[0]>>(64-d)}
	}
	p.top = index
	p.seen[0] |= 1
}
