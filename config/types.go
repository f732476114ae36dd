package config

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Duration is a time span written as "30s", "1h30m" or "90d"; "0" is none.
type Duration time.Duration

// Std is d as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes whole days as "90d", else as time.Duration does.
func (d Duration) String() string {
	t := time.Duration(d)
	switch {
	case t == 0:
		return "0"
	case t%day == 0:
		return strconv.FormatInt(int64(t/day), 10) + "d"
	case t%time.Hour == 0:
		return strconv.FormatInt(int64(t/time.Hour), 10) + "h"
	case t%time.Minute == 0:
		return strconv.FormatInt(int64(t/time.Minute), 10) + "m"
	}
	return t.String()
}

// UnmarshalText reads a duration, which is never negative.
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	bad := fmt.Errorf(`%q is not a duration: write it as "30s", "15m", "2h" or "90d"`, s)
	rest, days := s, time.Duration(0)
	if n, after, ok := strings.Cut(s, "d"); ok {
		v, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return bad
		}
		rest, days = after, time.Duration(v)*day
		if rest == "" {
			rest = "0"
		}
	}
	t, err := time.ParseDuration(rest)
	if err != nil {
		return bad
	}
	if t < 0 || t > time.Duration(1<<63-1)-days {
		return fmt.Errorf("%q is out of range", s)
	}
	*d = Duration(days + t)
	return nil
}

// Size is a number of bytes written as "64MB", in steps of 1024.
type Size int64

var sizeUnits = []struct {
	name  string
	shift uint
}{{"GB", 30}, {"MB", 20}, {"KB", 10}, {"B", 0}}

func (s Size) String() string {
	for _, u := range sizeUnits {
		if s > 0 && int64(s)%(1<<u.shift) == 0 {
			return strconv.FormatInt(int64(s)>>u.shift, 10) + u.name
		}
	}
	return "0B"
}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.ToUpper(string(b))
	for _, u := range sizeUnits {
		n, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseUint(strings.TrimSpace(n), 10, 31)
		if err != nil {
			break
		}
		*s = Size(v << u.shift)
		return nil
	}
	return fmt.Errorf(`%q is not a size: write it as "512KB" or "64MB"`, b)
}

// protos are the transports SIP may listen on.
var protos = []string{"udp", "tcp", "tls", "ws", "wss"}

// Endpoint is where SIP listens: "udp://0.0.0.0:5060".
type Endpoint struct {
	Proto string // udp, tcp, tls, ws or wss
	Addr  netip.AddrPort
}

func (e Endpoint) String() string { return e.Proto + "://" + e.Addr.String() }

// UnmarshalText reads an endpoint. Its host is an address, never a name.
func (e *Endpoint) UnmarshalText(b []byte) error {
	proto, rest, ok := strings.Cut(string(b), "://")
	if !ok {
		return fmt.Errorf(`%q is not a listener: write it as "udp://0.0.0.0:5060"`, b)
	}
	if !slices.Contains(protos, proto) {
		return fmt.Errorf("%q: %q is not a transport: it is one of %s", b, proto, strings.Join(protos, ", "))
	}
	addr, err := netip.ParseAddrPort(rest)
	if err != nil {
		return fmt.Errorf(`%q: %q is not an address and a port, as in "%s://0.0.0.0:5060" or "%s://[::]:5060"`, b, rest, proto, proto)
	}
	*e = Endpoint{Proto: proto, Addr: addr}
	return nil
}

// Addr is one IP address.
type Addr struct{ netip.Addr }

// UnmarshalText reads an address.
func (a *Addr) UnmarshalText(b []byte) error {
	addr, err := netip.ParseAddr(string(b))
	if err != nil || addr.Zone() != "" {
		return fmt.Errorf("%q is not an IP address", b)
	}
	a.Addr = addr.Unmap()
	return nil
}

// Prefix is a range of addresses: "10.0.0.0/8", or one address alone.
type Prefix struct{ netip.Prefix }

// UnmarshalText reads a prefix; bits below its length must be zero.
func (p *Prefix) UnmarshalText(b []byte) error {
	s := string(b)
	if !strings.Contains(s, "/") {
		var a Addr
		if err := a.UnmarshalText(b); err != nil {
			return fmt.Errorf(`%q is not an address range: write it as "192.0.2.0/24" or "192.0.2.1"`, s)
		}
		p.Prefix = netip.PrefixFrom(a.Addr, a.BitLen())
		return nil
	}
	pre, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf(`%q is not an address range: write it as "192.0.2.0/24" or "192.0.2.1"`, s)
	}
	if pre != pre.Masked() {
		return fmt.Errorf("%q has bits set below its length: is %q meant?", s, pre.Masked())
	}
	p.Prefix = pre
	return nil
}

// PortRange is written "10000-32767"; both ends belong to it.
type PortRange struct{ Min, Max int }

func (r PortRange) String() string { return fmt.Sprintf("%d-%d", r.Min, r.Max) }

// UnmarshalText reads a range that holds at least one even port.
func (r *PortRange) UnmarshalText(b []byte) error {
	lo, hi, ok := strings.Cut(string(b), "-")
	first, err1 := strconv.ParseUint(strings.TrimSpace(lo), 10, 16)
	last, err2 := strconv.ParseUint(strings.TrimSpace(hi), 10, 16)
	if !ok || err1 != nil || err2 != nil {
		return fmt.Errorf(`%q is not a range of ports: write it as "10000-32767"`, b)
	}
	if first == 0 || last < first+1 {
		return fmt.Errorf("%q holds no pair of ports", b)
	}
	*r = PortRange{Min: int(first), Max: int(last)}
	return nil
}

// HostPort is where a TCP server listens: "127.0.0.1:8080".
type HostPort struct {
	Host string // "" is every address
	Port int
}

func (h HostPort) String() string { return net.JoinHostPort(h.Host, strconv.Itoa(h.Port)) }

// Loopback tells whether only this machine can reach it.
func (h HostPort) Loopback() bool {
	if strings.EqualFold(h.Host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(h.Host)
	return err == nil && a.Unmap().IsLoopback()
}

// UnmarshalText reads an address and a port.
func (h *HostPort) UnmarshalText(b []byte) error {
	host, port, err := net.SplitHostPort(string(b))
	if err != nil {
		return fmt.Errorf(`%q is not an address and a port: write it as "127.0.0.1:8080"`, b)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("%q: %q is not a port", b, port)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !isHostname(host) {
		return fmt.Errorf("%q: %q is not an address or a name", b, host)
	}
	*h = HostPort{Host: host, Port: int(n)}
	return nil
}

// Server53 is a name server: "192.0.2.53", or "127.0.0.1:5353" where it is not on port 53.
type Server53 struct{ netip.AddrPort }

// UnmarshalText reads a name server's address.
func (s *Server53) UnmarshalText(b []byte) error {
	if at, err := netip.ParseAddrPort(string(b)); err == nil {
		s.AddrPort = at
		return nil
	}
	addr, err := netip.ParseAddr(string(b))
	if err != nil {
		return fmt.Errorf(`%q is not an IP address: write it as "192.0.2.53" or "127.0.0.1:5353"`, b)
	}
	s.AddrPort = netip.AddrPortFrom(addr.Unmap(), 53)
	return nil
}

// StoreURL is "sqlite:PATH", "postgres://user:pw@host/db" or "none".
type StoreURL string

// SQLite is the path of the SQLite file, if it is one.
func (u StoreURL) SQLite() (path string, ok bool) { return strings.CutPrefix(string(u), "sqlite:") }

// Postgres tells whether it is a PostgreSQL database.
func (u StoreURL) Postgres() bool { return strings.HasPrefix(string(u), "postgres") }

// LogValue hides a password in the URL.
func (u StoreURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

func (u StoreURL) String() string {
	if u.Postgres() {
		return "postgres://" + hidden
	}
	return string(u)
}

// UnmarshalText reads a store's URL.
func (u *StoreURL) UnmarshalText(b []byte) error {
	s := string(b)
	path, sqlite := strings.CutPrefix(s, "sqlite:")
	switch {
	case sqlite && path == "":
		return errors.New(`"sqlite:" needs a path, as in "sqlite:data/tandem.db"`)
	case sqlite, s == "none", strings.HasPrefix(s, "postgres://"), strings.HasPrefix(s, "postgresql://"):
		*u = StoreURL(s)
		return nil
	}
	return errors.New(`want "sqlite:PATH", "postgres://user:password@host/name" or "none"`)
}

// Path is a file or folder; a relative one counts from the configuration's folder.
type Path string

const hidden = "[hidden]"

// Secret is a string that no log, error or JSON shows; string(s) is its value.
type Secret string

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return hidden }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// mustAll reads texts of our own; a wrong one is a mistake in this package.
func mustAll[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](texts ...string) []T {
	list := make([]T, len(texts))
	for i, s := range texts {
		if err := P(&list[i]).UnmarshalText([]byte(s)); err != nil {
			panic(err)
		}
	}
	return list
}
