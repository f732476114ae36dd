package transport

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// privateNetworks are the default of Options.Local: RFC 1918, RFC 4193, link-local and loopback.
func privateNetworks() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8",
		"169.254.0.0/16", "fc00::/7", "fe80::/10", "::1/128"} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// Advertised is the address that we present to this peer in Via, Contact and SDP: of the
// advertised ones the one of its family when the peer is outside the local networks, else the
// one that it reaches us at. The port is that of our listener, for a connection that we opened
// too, so that the peer can call back.
func (f Flow) Advertised() netip.AddrPort {
	if f.link == nil {
		return netip.AddrPort{}
	}
	l, local := f.link.layer(), f.Local()
	if f.IsLoop() {
		return local
	}
	remote := f.Remote()
	ip := local.Addr()
	if ip.IsUnspecified() {
		ip = l.route(remote)
	}
	if !l.isLocal(remote.Addr()) {
		for _, a := range l.o.Advertise {
			if a.Is4() == remote.Addr().Is4() {
				ip = a
			}
		}
	}
	return netip.AddrPortFrom(ip.WithZone(""), l.listenPort(f.Proto(), local))
}

func (l *Layer) isLocal(a netip.Addr) bool {
	a = a.WithZone("")
	for _, p := range l.o.Local {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// listenPort is the port where the peer of a flow with this local address can reach us.
func (l *Layer) listenPort(p Proto, local netip.AddrPort) uint16 {
	port := local.Port()
	best := 0
	for _, e := range l.endpoints {
		a := e.Addr.Addr()
		if e.Proto != p || a.Is4() != local.Addr().Is4() {
			continue
		}
		score := 1
		if a.IsUnspecified() {
			score = 2
		}
		if a == local.Addr() {
			score = 3
		}
		if e.Addr.Port() == local.Port() {
			score += 3
		}
		if score > best {
			port, best = e.Addr.Port(), score
		}
	}
	return port
}

const (
	maxRoutes = 1024
	routeLife = 30 * time.Second
)

// routes remembers the local address for a peer; asking the kernel costs four system calls.
type routes struct {
	mu    sync.Mutex
	since time.Time
	by    map[netip.Addr]netip.Addr
}

// route is the local address that packets to remote leave from; unspecified when there is none.
func (l *Layer) route(remote netip.AddrPort) netip.Addr {
	now := l.o.Clock.Now()
	r := &l.routes
	r.mu.Lock()
	if r.by == nil || len(r.by) >= maxRoutes || now.Sub(r.since) > routeLife {
		r.by, r.since = map[netip.Addr]netip.Addr{}, now
	}
	a, ok := r.by[remote.Addr()]
	r.mu.Unlock()
	if ok {
		return a
	}
	a, err := l.o.Network.Route(remote)
	if err != nil {
		a = netip.IPv4Unspecified()
		if !remote.Addr().Is4() {
			a = netip.IPv6Unspecified()
		}
	}
	r.mu.Lock()
	r.by[remote.Addr()] = a
	r.mu.Unlock()
	return a
}

// hostAddrs remembers this host's addresses.
type hostAddrs struct {
	mu    sync.Mutex
	since time.Time
	addrs map[netip.Addr]bool
}

func (l *Layer) isHost(a netip.Addr) bool {
	now := l.o.Clock.Now()
	h := &l.hostAddrs
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.addrs == nil || now.Sub(h.since) > routeLife {
		list, err := l.o.Network.Addrs()
		if err != nil {
			return false
		}
		h.addrs, h.since = map[netip.Addr]bool{}, now
		for _, a := range list {
			h.addrs[a.WithZone("")] = true
		}
	}
	return h.addrs[a]
}

// Owns tells whether a URI leads to one of our listeners: by its address and port, or by our
// domain, alone or with the port of a listener.
func (l *Layer) Owns(uri sip.Uri) bool {
	h, err := hopOf(uri)
	if err != nil {
		return false
	}
	domain := l.o.Domain != "" && strings.EqualFold(h.host, l.o.Domain)
	if domain && h.port == 0 {
		return true
	}
	addrs := literal(h.host)
	for _, e := range l.endpoints {
		if !h.means(e) {
			continue
		}
		if domain || slices.ContainsFunc(addrs, func(a netip.Addr) bool { return l.ownsAt(a, e.Addr.Addr()) }) {
			return true
		}
	}
	return false
}

// means tells whether the port of a listener is the one that h leads to.
func (h hop) means(e Endpoint) bool {
	switch {
	case h.port != 0:
		return h.port == e.Addr.Port()
	case h.usual().webSocket():
		return e.Proto.webSocket() // where a WebSocket is, is not the URI's to tell
	}
	return h.usual().DefaultPort() == e.Addr.Port()
}

// ownsAt tells whether a is an address of the listener bound to bound.
func (l *Layer) ownsAt(a, bound netip.Addr) bool {
	if a.Is4() != bound.Is4() {
		return false
	}
	for _, adv := range l.o.Advertise {
		if adv == a {
			return true
		}
	}
	if !bound.IsUnspecified() {
		return a == bound
	}
	return a.IsLoopback() || l.isHost(a.WithZone(""))
}
