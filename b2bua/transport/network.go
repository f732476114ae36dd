package transport

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Network is where sockets come from: the machine's, or a Memory.
// The addresses of what it returns are *net.UDPAddr and *net.TCPAddr.
type Network interface {
	// ListenPacket binds a datagram socket; port 0 takes a free one.
	ListenPacket(addr netip.AddrPort) (net.PacketConn, error)
	// DialPacket opens a datagram socket that exchanges with remote alone.
	DialPacket(remote netip.AddrPort) (net.Conn, error)
	// Listen binds a stream listener; port 0 takes a free one.
	Listen(addr netip.AddrPort) (net.Listener, error)
	// Dial opens a stream to remote from the address local, or from any when local is not valid.
	Dial(ctx context.Context, local netip.Addr, remote netip.AddrPort) (net.Conn, error)
	// Route is the local address that packets to remote leave from.
	Route(remote netip.AddrPort) (netip.Addr, error)
	// Addrs are the addresses of this host.
	Addrs() ([]netip.Addr, error)
}

// System is the machine's network.
func System() Network { return system{} }

type system struct{}

func (system) ListenPacket(addr netip.AddrPort) (net.PacketConn, error) {
	return net.ListenUDP("udp"+family(addr.Addr()), net.UDPAddrFromAddrPort(addr))
}

func (system) DialPacket(remote netip.AddrPort) (net.Conn, error) {
	return net.DialUDP("udp"+family(remote.Addr()), nil, net.UDPAddrFromAddrPort(remote))
}

func (system) Listen(addr netip.AddrPort) (net.Listener, error) {
	return net.ListenTCP("tcp"+family(addr.Addr()), net.TCPAddrFromAddrPort(addr))
}

func (system) Dial(ctx context.Context, local netip.Addr, remote netip.AddrPort) (net.Conn, error) {
	// Keep-alive probes find a peer that vanished without a FIN.
	d := net.Dialer{KeepAliveConfig: probes()}
	if local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	return d.DialContext(ctx, "tcp"+family(remote.Addr()), remote.String())
}

// Route asks the kernel by connecting a datagram socket, which sends nothing.
func (system) Route(remote netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp"+family(remote.Addr()), nil, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	return addrPort(c.LocalAddr()).Addr(), nil
}

func (system) Addrs() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr().Unmap())
		}
	}
	return out, nil
}

// family is the suffix that binds a socket to one address family only, so that an IPv4 peer
// never shows up as a mapped IPv6 address.
func family(a netip.Addr) string {
	if a.Is4() || a.Is4In6() {
		return "4"
	}
	return "6"
}

// addrPort turns a socket's address into a netip one, unmapped.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	default:
		ap, _ = netip.ParseAddrPort(a.String())
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func probes() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 60 * time.Second, Interval: 15 * time.Second, Count: 4}
}
