package transport

import (
	"fmt"
	"net/netip"
	"strings"
)

// Proto is a SIP transport protocol, in lower case as in a URI's transport parameter.
type Proto string

// The transport protocols of RFC 3261 §18 and RFC 7118.
const (
	UDP Proto = "udp"
	TCP Proto = "tcp"
	TLS Proto = "tls"
	WS  Proto = "ws"
	WSS Proto = "wss"
)

// ParseProto reads a protocol's name in any case.
func ParseProto(s string) (Proto, error) {
	switch p := Proto(strings.ToLower(s)); p {
	case UDP, TCP, TLS, WS, WSS:
		return p, nil
	}
	return "", fmt.Errorf("unknown transport %q", s)
}

// Reliable tells whether the protocol delivers or fails, so that nothing is resent.
func (p Proto) Reliable() bool { return p != UDP }

// DefaultPort is the port meant when none is written (RFC 3261 §19.1.2, RFC 7118 §5.3).
func (p Proto) DefaultPort() uint16 {
	switch p {
	case TLS:
		return 5061
	case WS:
		return 80
	case WSS:
		return 443
	}
	return 5060
}

// Via is the protocol as a Via header names it.
func (p Proto) Via() string { return strings.ToUpper(string(p)) }

// Endpoint is an address to listen on.
type Endpoint struct {
	Proto Proto
	Addr  netip.AddrPort
}

// String gives the form that ParseEndpoint reads.
func (e Endpoint) String() string { return string(e.Proto) + "://" + e.Addr.String() }

// ParseEndpoint reads "udp://127.0.0.1:5060" or "tcp://[::1]:5060": a protocol, an IP
// address and a port, which may be left out for the protocol's default. Port 0 takes a free one.
func ParseEndpoint(s string) (Endpoint, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return Endpoint{}, fmt.Errorf("endpoint %q: want protocol://address:port", s)
	}
	p, err := ParseProto(scheme)
	if err != nil {
		return Endpoint{}, fmt.Errorf("endpoint %q: %w", s, err)
	}
	if ap, err := netip.ParseAddrPort(rest); err == nil {
		return Endpoint{p, netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}, nil
	}
	host := strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return Endpoint{}, fmt.Errorf("endpoint %q: want an IP address and a port", s)
	}
	return Endpoint{p, netip.AddrPortFrom(addr.Unmap(), p.DefaultPort())}, nil
}
