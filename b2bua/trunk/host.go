package trunk

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

// Host is where a trunk can be reached: a name or an address, and perhaps a port. Without a
// port, a name is looked up by NAPTR and SRV (RFC 3263).
type Host struct {
	Name string // without brackets
	Port int    // 0: none given
}

// ParseHost reads "sip.example.net", "192.0.2.1:5070", "2001:db8::1" or "[2001:db8::1]:5060".
func ParseHost(s string) (Host, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return Host{Name: a.WithZone("").String()}, nil
	}
	name, port, given := strings.Cut(s, ":")
	if inner, rest, ok := strings.Cut(strings.TrimPrefix(s, "["), "]"); ok && s[0] == '[' {
		a, err := netip.ParseAddr(inner)
		if err != nil || rest != "" && rest[0] != ':' {
			return Host{}, fmt.Errorf("%q is not a host", s)
		}
		name, port, given = a.WithZone("").String(), strings.TrimPrefix(rest, ":"), rest != ""
	}
	h := Host{Name: strings.ToLower(name)}
	if name == "" || strings.ContainsAny(name, "/@;<> \t\r\n[]") {
		return Host{}, fmt.Errorf("%q is not a host", s)
	}
	if given {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Host{}, fmt.Errorf("%q: %q is not a port", s, port)
		}
		h.Port = int(n)
	}
	return h, nil
}

func (h Host) String() string {
	name := bracketed(h.Name)
	if h.Port == 0 {
		return name
	}
	return name + ":" + strconv.Itoa(h.Port)
}

// uri of the host without a user.
func (h Host) uri(p transport.Proto) sip.Uri {
	u := sip.Uri{Scheme: "sip", Host: bracketed(h.Name), Port: h.Port}
	if p != "" {
		u.UriParams = sip.HeaderParams{{K: "transport", V: string(p)}}
	}
	return u
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// Hop is one address of a trunk to send a request to.
type Hop struct {
	URI    sip.Uri          // of the host, without a user
	Target transport.Target // not set for a name that has not been found yet
}

// site is a host and the addresses that its name stands for.
type site struct {
	Host
	uri   sip.Uri
	addrs []*addr
	err   error // of the last look-up
}

// health of an address.
type health int

const (
	unknown health = iota // not asked yet, or forgiven
	up
	down
)

func (h health) String() string { return [...]string{"unknown", "up", "down"}[h] }

// addr is one address of a site.
type addr struct {
	target transport.Target
	health health
	heard  bool      // it has answered something once
	since  time.Time // of the health
	rest   time.Time // not the first to be tried until then
	rtt    time.Duration
	err    string // why it is down
}

// rank sorts addresses to try: 0 first, 1 as a last resort, 2 not at all.
//
// A host that never answered a probe may be one that does not answer OPTIONS of strangers:
// it is tried when nobody else is left. One that did and went silent is dead.
func (a *addr) rank(now time.Time, probed bool) int {
	switch {
	case a.health == down && (a.heard && probed):
		return 2
	case a.health == down || now.Before(a.rest):
		return 1
	}
	return 0
}
