package trunk

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// Match finds the trunk that a request from src belongs to: by the address, and of several by
// the Contact that we registered, then by the username, then by the port; else the first of
// the configuration. It waits for nothing and allocates nothing.
func (s *Set) Match(src netip.AddrPort, req *sip.Request) *Trunk {
	src = netip.AddrPortFrom(src.Addr().Unmap().WithZone(""), src.Port())
	var found *Trunk
	best := -1
	for _, t := range s.All() {
		l := t.line.Load()
		if !t.cfg.Load().sends(src.Addr(), *l.sources.Load()) {
			continue
		}
		if c := l.claim(src, req); c > best {
			found, best = t, c
		}
	}
	return found
}

// sends tells whether the trunk's calls come from an address.
func (c *Config) sends(src netip.Addr, hosts []netip.AddrPort) bool {
	for _, p := range c.Match {
		if p.Contains(src) {
			return true
		}
	}
	if len(c.Match) > 0 {
		return false
	}
	for _, h := range hosts {
		if h.Addr() == src {
			return true
		}
	}
	return false
}

// claim tells how surely a request is for this trunk.
func (l *line) claim(src netip.AddrPort, req *sip.Request) int {
	dialled := req.Recipient.User
	if dialled == l.token {
		return 3
	}
	if name := l.cfg.Username; name != "" {
		if to := req.To(); dialled == name || to != nil && to.Address.User == name {
			return 2
		}
	}
	for _, h := range *l.sources.Load() {
		if h == src {
			return 1
		}
	}
	return 0
}

// At tells whether an address is one of the trunk's own.
func (t *Trunk) At(a netip.Addr) bool {
	return t.cfg.Load().sends(a.Unmap().WithZone(""), *t.line.Load().sources.Load())
}
