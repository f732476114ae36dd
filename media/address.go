package media

import (
	"net"
	"net/netip"
	"sync"

	"tandem/media/sdp"
)

// ground is what an engine knows of this machine: where no peer may make us send to.
type ground struct {
	own       map[netip.Addr]bool // addresses of its interfaces
	broadcast map[netip.Addr]bool // of its networks

	mu       sync.Mutex
	ports    map[uint16]int // of sessions: RTP, and RTCP beside it
	reserved map[uint16]bool
}

func newGround() *ground {
	g := &ground{own: map[netip.Addr]bool{}, broadcast: map[netip.Addr]bool{}, ports: map[uint16]int{}, reserved: map[uint16]bool{}}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return g // there is nothing to compare with
	}
	for _, a := range list {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, _ := netip.AddrFromSlice(n.IP)
		ip = ip.Unmap()
		g.own[ip] = true
		if ones, bits := n.Mask.Size(); ip.Is4() && bits == 32 && ones < 31 && !ip.IsLoopback() {
			g.broadcast[lastOf(ip, ones)] = true
		}
	}
	return g
}

// lastOf is the last address of an IPv4 network.
func lastOf(ip netip.Addr, ones int) netip.Addr {
	b := ip.As4()
	for bit := ones; bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}

// Reserve names UDP ports of this machine that listen for something else than media, such as
// SIP: no description may name them. It may be called more than once.
func (e *Engine) Reserve(ports ...uint16) {
	e.ground.mu.Lock()
	defer e.ground.mu.Unlock()
	for _, p := range ports {
		e.ground.reserved[p] = true
	}
}

// take notes that a session has its ports, with n 1, or no more, with -1.
func (g *ground) take(port uint16, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range []uint16{port, port + 1} {
		if g.ports[p] += n; g.ports[p] <= 0 {
			delete(g.ports, p)
		}
	}
}

// listens tells whether something of ours listens at a port: reserved, or a session's.
func (g *ground) listens(port uint16) (reserved, session bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reserved[port], g.ports[port] > 0
}

// vetting decides about the addresses that one session's peer names.
type vetting struct {
	ground     *ground
	local      netip.AddrPort // as advertised
	bind       netip.Addr
	signalling netip.Addr
	spiral     bool // its descriptions may be our own, that come back
}

// refuse says why media must not go to an address; "" if they may. Addresses of ours would let a
// peer make us talk to our own sockets: to SIP, to another call, or in circles.
func (v *vetting) refuse(a netip.AddrPort) string {
	ip := a.Addr()
	switch {
	case !a.IsValid() || ip.IsUnspecified():
		return "" // not known, or not yet: RFC 3264 §8.4
	case ip.IsMulticast():
		return "a multicast address"
	case ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || v.ground.broadcast[ip]:
		return "a broadcast address"
	case !v.ours(ip):
		return ""
	}
	reserved, session := v.ground.listens(a.Port())
	switch {
	case reserved:
		return "a port of ours that is for SIP"
	case a.Port() == v.local.Port() || a.Port() == v.local.Port()+1 || session && !v.spiral:
		return "a port of ours that is for media"
	}
	return ""
}

func (v *vetting) ours(ip netip.Addr) bool {
	return ip == v.local.Addr() || ip == v.bind || v.ground.own[ip]
}

// usable tells whether to send to an address before anything has come from there. That of a
// loopback interface is one of the peer's own machine, unless the peer is on ours.
func (v *vetting) usable(a netip.AddrPort) bool {
	ip := a.Addr()
	return a.IsValid() && a.Port() != 0 && !ip.IsUnspecified() &&
		(!ip.IsLoopback() || !v.signalling.IsValid() || v.signalling.IsLoopback() || v.ours(v.signalling))
}

// objection says why we cannot send to a stream of the peer's; "" if we can.
func (n *negotiation) objection(s *sdp.Session, m *sdp.Media) string {
	a := s.ConnOf(m).Addr
	if a.IsValid() && !a.IsUnspecified() && a.Is4() != n.local.Addr().Is4() {
		return "an address of the other family"
	}
	if ufrag, _ := s.ICE(m); ufrag != "" && m.Port == 9 {
		return "" // RFC 8839 §4.2.1.2: none yet
	}
	return n.vet.refuse(s.AddrOf(m))
}
