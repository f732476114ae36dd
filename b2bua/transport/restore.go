package transport

import "net/netip"

// FlowOf makes the flow again by which a UDP peer was reached before a restart: from the
// listener that had our address local if it is there again, else from one that can reach the
// peer. The zero Flow if there is none. It sends nothing.
func (l *Layer) FlowOf(local, remote netip.AddrPort) Flow {
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	for _, s := range l.sockets {
		if s.local == local {
			return Flow{link: s, remote: remote}
		}
		if s.local.Addr().IsUnspecified() && s.local.Port() == local.Port() && s.local.Addr().Is4() == local.Addr().Is4() {
			f := Flow{link: s, remote: remote}
			if !local.Addr().IsUnspecified() {
				f.local = local.Addr()
			}
			return f
		}
	}
	s := l.socketFor(remote)
	if s == nil {
		return Flow{}
	}
	return Flow{link: s, remote: remote}
}
