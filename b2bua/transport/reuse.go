package transport

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// peer is the far end of a connection.
type peer struct {
	proto Proto
	addr  netip.AddrPort
	host  string // TLS and WSS that we dialled: the name that the certificate was checked for
}

// standing is the connection there is to a peer, or nil; the caller holds the lock. It is one
// to exactly that address, never one that merely claims to be.
func (l *Layer) standing(to peer) *conn {
	if c := l.conns[to]; c != nil && c.alive() {
		return c
	}
	if to.host == "" {
		return nil
	}
	// RFC 5923 §5: one that the peer opened, if its certificate says that it is the host.
	at := peer{proto: to.proto, addr: to.addr}
	for _, c := range []*conn{l.conns[at], l.aliases[at]} {
		if c != nil && c.alive() && c.far != nil && covers(c.far, to.host) {
			return c
		}
	}
	return nil
}

// claim notes the port that the peer of an accepted TLS connection listens on, as the alias
// parameter of its Via tells (RFC 5923 §5.1). The address is the connection's, not the one that
// the peer writes; and without a certificate, as on TCP, anybody could claim any port, so there
// the parameter means nothing.
func (l *Layer) claim(f Flow, via *sip.ViaHeader) {
	c, ok := f.link.(*conn)
	if !ok || !c.accepted || c.p != TLS || c.far == nil || via == nil || c.alias.addr.IsValid() {
		return
	}
	if _, ok := via.Params.Get("alias"); !ok || via.Port < 0 || via.Port > 65535 {
		return
	}
	port := uint16(via.Port)
	if port == 0 {
		port = TLS.DefaultPort()
	}
	at := peer{proto: TLS, addr: netip.AddrPortFrom(c.remote.Addr(), port)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if other := l.aliases[at]; other != nil && other.alive() {
		return
	}
	c.alias = at
	l.aliases[at] = c
}

// Aliased tells whether to offer the peer our end of a connection for its own requests: we
// opened it and have shown a certificate.
func (f Flow) Aliased() bool {
	c, ok := f.link.(*conn)
	return ok && !c.accepted && c.p == TLS && c.shown
}
