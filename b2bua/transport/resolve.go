package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
	"github.com/miekg/dns"
)

// maxTargets bounds what one URI may lead to.
const maxTargets = 32

// Target is one address to try.
type Target struct {
	Proto Proto
	Addr  netip.AddrPort
	Host  string // the domain that the URI named, which TLS verifies
	Fixed bool   // the URI asked for UDP by name: a request too large for it goes by UDP all the same
}

// String is for logs.
func (t Target) String() string { return string(t.Proto) + ":" + t.Addr.String() }

// hop is what a URI says about where it leads.
type hop struct {
	host   string // lower case, no brackets
	port   uint16 // 0: not written
	proto  Proto  // "": not written
	secure bool   // sips
}

// usual is the protocol where neither the URI nor the DNS names one (RFC 3263 §4.1).
func (h hop) usual() Proto {
	switch {
	case h.proto != "":
		return h.proto
	case h.secure:
		return TLS
	}
	return UDP
}

// at are the targets at some addresses.
func (h hop) at(p Proto, port uint16, addrs []netip.Addr) []Target {
	if port == 0 {
		port = p.DefaultPort()
	}
	var out []Target
	for _, a := range addrs {
		out = append(out, Target{Proto: p, Addr: netip.AddrPortFrom(a, port), Host: h.host, Fixed: h.proto == UDP})
	}
	return out
}

// Resolve finds where a request to uri goes, best first (RFC 3263 §4): by what the URI says, by
// NAPTR and SRV records, by A and AAAA. It leaves out what we cannot reach: address families that
// we do not listen on, and UDP without a UDP listener. What failed lately (Avoid) comes last.
func (l *Layer) Resolve(ctx context.Context, uri sip.Uri) ([]Target, error) {
	h, err := hopOf(uri)
	if err != nil {
		return nil, err
	}
	all, err := l.locate(ctx, h)
	var out []Target
	for _, t := range all {
		if l.speaks(t.Proto, t.Addr.Addr()) && !slices.Contains(out, t) && len(out) < maxTargets {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		if err == nil {
			err = errors.New("no address of a family that we listen on")
		}
		return nil, fmt.Errorf("resolve %s: %w", h.host, err)
	}
	return l.deadLast(out), nil
}

// locate is RFC 3263 §4.1 and §4.2.
func (l *Layer) locate(ctx context.Context, h hop) ([]Target, error) {
	written := h.port != 0 || literal(h.host) != nil
	// A name of one label is this network's own and has no such records.
	if !written && strings.Contains(h.host, ".") {
		if targets, found := l.services(ctx, h); found {
			return targets, nil
		}
	}
	addrs, err := l.addresses(ctx, h.host)
	return h.at(h.usual(), h.port, addrs), err
}

// services goes by NAPTR and SRV records; found tells that there are some. What cannot be looked
// up counts as not there: servers that stumble over these types are not rare.
func (l *Layer) services(ctx context.Context, h hop) (targets []Target, found bool) {
	if h.proto != "" {
		return l.srv(ctx, h, h.proto, srvName(h.proto, h.host))
	}
	for _, s := range l.naptr(ctx, h) {
		more, ok := l.replaced(ctx, h, s)
		targets, found = append(targets, more...), found || ok
	}
	if found {
		return targets, true
	}
	// RFC 3263 §4.1: no NAPTR; the protocols that we speak, in the order that we like them.
	protos := []Proto{UDP, TCP, TLS}
	if h.secure {
		protos = []Proto{TLS}
	}
	lists, ok := make([][]Target, len(protos)), make([]bool, len(protos))
	atOnce(len(protos), func(i int) {
		lists[i], ok[i] = l.srv(ctx, h, protos[i], srvName(protos[i], h.host))
	})
	return slices.Concat(lists...), slices.Contains(ok, true)
}

// replaced follows one NAPTR record.
func (l *Layer) replaced(ctx context.Context, h hop, s service) ([]Target, bool) {
	if s.srv {
		return l.srv(ctx, h, s.proto, s.name)
	}
	addrs, err := l.addresses(ctx, s.name)
	return h.at(s.proto, 0, addrs), err == nil
}

func srvName(p Proto, host string) string {
	switch p {
	case UDP:
		return "_sip._udp." + host
	case TCP:
		return "_sip._tcp." + host
	case TLS:
		return "_sips._tcp." + host
	}
	return "" // RFC 7118 defines none for WebSockets
}

// srv gives the targets of an SRV name in the order to try them.
func (l *Layer) srv(ctx context.Context, h hop, p Proto, name string) (targets []Target, found bool) {
	if name == "" {
		return nil, false
	}
	records, err := l.names.lookup(ctx, name, dns.TypeSRV)
	if err != nil || len(records) == 0 {
		return nil, false
	}
	var list []*dns.SRV
	for _, rr := range records {
		// RFC 2782: a target of "." says that there is no such service.
		if s, ok := rr.(*dns.SRV); ok && s.Target != "." && s.Port != 0 {
			list = append(list, s)
		}
	}
	list = order(list)
	lists := make([][]Target, min(len(list), maxTargets))
	atOnce(len(lists), func(i int) {
		addrs, _ := l.addresses(ctx, strings.TrimSuffix(list[i].Target, "."))
		lists[i] = h.at(p, list[i].Port, addrs)
	})
	return slices.Concat(lists...), true
}

// addresses are those of a host, the ones that we prefer first.
func (l *Layer) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if addrs := literal(host); addrs != nil {
		return addrs, nil
	}
	// RFC 6761 §6.4. It is also what browsers call themselves (RFC 7118 §5.1).
	if host == "invalid" || strings.HasSuffix(host, ".invalid") {
		return nil, errNoHost
	}
	if _, ok := dns.IsDomainName(host); !ok {
		return nil, errNoHost
	}
	var conf resolvConf
	if l.o.Network == System() {
		now := l.o.Clock.Now()
		if addrs := l.names.files.addrs(now, host); addrs != nil {
			return l.prefer(addrs), nil
		}
		conf = l.names.files.conf(now)
	}
	err := errNoHost
	for _, name := range spellings(host, conf.search) {
		addrs, e := l.addressesOf(ctx, name)
		if len(addrs) > 0 {
			return l.prefer(addrs), nil
		}
		if e != nil {
			err = e
		}
	}
	return nil, err
}

var errNoHost = errors.New("no such host")

// spellings are the names to ask for: a name with dots is meant as it stands before it is meant
// in a domain of ours.
func spellings(host string, search []string) []string {
	names := make([]string, 0, len(search)+1)
	for _, domain := range search {
		if domain = strings.Trim(domain, "."); domain != "" {
			names = append(names, host+"."+domain)
		}
	}
	if strings.Contains(host, ".") {
		return slices.Insert(names, 0, host)
	}
	return append(names, host)
}

// addressesOf asks for both families at once. An error of one matters when the other has none.
func (l *Layer) addressesOf(ctx context.Context, name string) ([]netip.Addr, error) {
	var kinds []uint16
	for kind, six := range map[uint16]bool{dns.TypeA: false, dns.TypeAAAA: true} {
		if l.listensOn(six) {
			kinds = append(kinds, kind)
		}
	}
	lists, errs := make([][]netip.Addr, len(kinds)), make([]error, len(kinds))
	atOnce(len(kinds), func(i int) {
		records, err := l.names.lookup(ctx, name, kinds[i])
		errs[i] = err
		for _, rr := range records {
			var ip []byte
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A.To4()
			case *dns.AAAA:
				ip = rr.AAAA.To16()
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				lists[i] = append(lists[i], a.Unmap())
			}
		}
	})
	return slices.Concat(lists...), cmp.Or(errs...)
}

// prefer puts first the families that a route leads to, and of these IPv6 (RFC 6724, RFC 7984).
func (l *Layer) prefer(addrs []netip.Addr) []netip.Addr {
	rank := func(a netip.Addr) int {
		switch {
		case l.route(netip.AddrPortFrom(a, 5060)).IsUnspecified():
			return 2
		case a.Is4():
			return 1
		}
		return 0
	}
	out := slices.Clone(addrs)
	slices.SortStableFunc(out, func(a, b netip.Addr) int { return rank(a) - rank(b) })
	return out
}

// atOnce calls f for 0 to n-1 side by side and waits for all.
func atOnce(n int, f func(i int)) {
	if n == 1 {
		f(0)
		return
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// hopOf reads the host, port and protocol that a URI asks for.
func hopOf(uri sip.Uri) (hop, error) {
	scheme := strings.ToLower(uri.Scheme)
	if scheme != "sip" && scheme != "sips" && scheme != "" {
		return hop{}, fmt.Errorf("resolve: scheme %.20q has no address", uri.Scheme)
	}
	h := hop{host: uri.Host, secure: scheme == "sips"}
	if name, ok := param(uri.UriParams, "transport"); ok {
		p, err := ParseProto(name)
		if err != nil {
			return hop{}, fmt.Errorf("resolve: %w", err)
		}
		if h.proto = p; h.secure {
			if h.proto, ok = p.secured(); !ok {
				return hop{}, fmt.Errorf("resolve: sips over %s", p)
			}
		}
	}
	if maddr, ok := param(uri.UriParams, "maddr"); ok && maddr != "" {
		h.host = maddr // RFC 3261 §19.1.1: overrides the host
	}
	if h.host = strings.TrimSuffix(strings.ToLower(unbracket(h.host)), "."); h.host == "" {
		return hop{}, fmt.Errorf("resolve: no host")
	}
	if uri.Port < 0 || uri.Port > 65535 {
		return hop{}, fmt.Errorf("resolve: port %d", uri.Port)
	}
	h.port = uint16(uri.Port)
	return h, nil
}

// secured is the protocol that a sips URI means by p (RFC 3261 §26.2.2, RFC 7118 §5.2).
func (p Proto) secured() (Proto, bool) {
	switch p {
	case TCP, TLS:
		return TLS, true
	case WS, WSS:
		return WSS, true
	}
	return "", false
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

// speaks tells whether we can send to a by p: from a UDP socket of its family, or by dialling
// where we listen on its family at all, so that the peer can call back.
func (l *Layer) speaks(p Proto, a netip.Addr) bool {
	if p != UDP {
		return l.listensOn(!a.Is4())
	}
	for _, s := range l.sockets {
		if s.local.Addr().Is4() == a.Is4() {
			return true
		}
	}
	return false
}

func (l *Layer) listensOn(six bool) bool {
	for _, e := range l.endpoints {
		if e.Addr.Addr().Is6() == six {
			return true
		}
	}
	return false
}
