package transport

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Resolver finds the addresses of a name; *net.Resolver is one.
type Resolver interface {
	// LookupNetIP looks up A ("ip4"), AAAA ("ip6") or both ("ip").
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Target is one address to try.
type Target struct {
	Proto Proto
	Addr  netip.AddrPort
	Host  string // the name it came from, for TLS
}

// String is for logs.
func (t Target) String() string { return string(t.Proto) + ":" + t.Addr.String() }

// Resolve finds where a request to uri goes, best first: RFC 3263 §4 for addresses, explicit
// ports and names with A and AAAA records. It leaves out address families that we do not
// listen on.
func (l *Layer) Resolve(ctx context.Context, uri sip.Uri) ([]Target, error) {
	p, host, err := uriHop(uri)
	if err != nil {
		return nil, err
	}
	port := uint16(uri.Port)
	if port == 0 {
		port = p.DefaultPort()
	}
	addrs := literal(host)
	if addrs == nil {
		addrs, err = l.o.Resolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, fmt.Errorf("resolve %s: %w", host, err)
		}
	}
	var out []Target
	for _, a := range addrs {
		if a = a.Unmap(); l.speaks(p, a) {
			out = append(out, Target{p, netip.AddrPortFrom(a, port), host})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("resolve %s: no address of a family that we listen on", host)
	}
	return out, nil
}

// uriHop is the protocol and host that a URI asks for.
func uriHop(uri sip.Uri) (Proto, string, error) {
	if uri.Scheme != "sip" && uri.Scheme != "sips" && uri.Scheme != "" {
		return "", "", fmt.Errorf("resolve: scheme %.20q has no address", uri.Scheme)
	}
	p := UDP
	if name, ok := param(uri.UriParams, "transport"); ok {
		var err error
		if p, err = ParseProto(name); err != nil {
			return "", "", fmt.Errorf("resolve: %w", err)
		}
	} else if uri.Scheme == "sips" {
		p = TLS
	}
	if uri.Scheme == "sips" && p == TCP {
		p = TLS // RFC 3261 §26.2.2
	}
	host := uri.Host
	if maddr, ok := param(uri.UriParams, "maddr"); ok && maddr != "" {
		host = maddr // RFC 3261 §19.1.1: overrides the host
	}
	if host = strings.ToLower(unbracket(host)); host == "" {
		return "", "", fmt.Errorf("resolve: no host")
	}
	if uri.Port < 0 || uri.Port > 65535 {
		return "", "", fmt.Errorf("resolve: port %d", uri.Port)
	}
	return p, host, nil
}

func param(params sip.HeaderParams, name string) (string, bool) {
	for _, kv := range params {
		if strings.EqualFold(kv.K, name) {
			return kv.V, true
		}
	}
	return "", false
}

// literal is the address that a host is written as, or those of localhost; nil for a name.
func literal(host string) []netip.Addr {
	host = unbracket(host)
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}
	}
	if strings.EqualFold(host, "localhost") {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	return nil
}

// speaks tells whether we can send to a by p: from a UDP socket of its family, or by dialling.
func (l *Layer) speaks(p Proto, a netip.Addr) bool {
	if p != UDP {
		return true
	}
	for _, s := range l.sockets {
		if s.local.Addr().Is4() == a.Is4() {
			return true
		}
	}
	return false
}
