package trunk

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/transport"
	"tandem/clock"
)

const (
	// lookEvery is how often the names of a trunk without probes are looked up.
	lookEvery = 5 * time.Minute
	// lookTimeout bounds a look-up, connecting, and the wait for the answer to a probe.
	lookTimeout = 5 * time.Second
	// restAfter is how long an address that did not answer a call is not the first to be tried.
	restAfter = 30 * time.Second
	// maxAddrs bounds the addresses of one host.
	maxAddrs = 8
)

// line is the way to a trunk's hosts as one configuration has it.
type line struct {
	set     *Set
	cfg     *Config
	log     *slog.Logger
	login   *auth.Login
	token   string
	sources atomic.Pointer[[]netip.AddrPort] // the addresses of the hosts

	mu     sync.Mutex
	sites  []*site
	closed bool
	timer  clock.Timer // until the next look
	reg    registration
}

func newLine(s *Set, cfg *Config) *line {
	l := &line{set: s, cfg: cfg, log: s.o.Log.With("trunk", cfg.Name), token: token(cfg)}
	if cfg.Username != "" {
		l.login = auth.NewLogin(cfg.Username, cfg.Password, cfg.Digest...)
	}
	l.sources.Store(&[]netip.AddrPort{})
	l.reg.init()
	for _, h := range cfg.Hosts {
		l.sites = append(l.sites, &site{Host: h, uri: h.uri(cfg.Transport)})
	}
	for _, st := range l.sites {
		if _, err := netip.ParseAddr(st.Name); err == nil { // known without asking anybody
			l.find(st)
		}
	}
	return l
}

// look finds the addresses of the hosts and asks each how it is; then again after a while.
func (l *line) look() {
	for _, st := range l.sites {
		l.find(st)
	}
	every := lookEvery
	if l.cfg.Check > 0 {
		every = l.cfg.Check
		for _, h := range l.known() {
			l.set.run(func() { l.probe(h) })
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.timer = l.set.after(every, l.look)
		l.registerFirst()
	}
}

// find looks a host up. Addresses it had before keep what is known of them.
func (l *line) find(st *site) {
	ctx, cancel := context.WithTimeout(l.set.ctx, lookTimeout)
	defer cancel()
	targets, err := l.set.o.Transport.Resolve(ctx, st.uri)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if st.err == nil {
			l.log.Warn("trunk host not found", "host", st.Host.String(), "err", err)
		}
		st.err = err // what was found before stays
		return
	}
	st.err = nil
	addrs := make([]*addr, 0, len(targets))
	for _, t := range targets[:min(len(targets), maxAddrs)] {
		i := slices.IndexFunc(st.addrs, func(a *addr) bool { return a.target == t })
		if i >= 0 {
			addrs = append(addrs, st.addrs[i])
		} else {
			addrs = append(addrs, &addr{target: t, since: l.set.o.Clock.Now()})
		}
	}
	st.addrs = addrs
	var all []netip.AddrPort
	for _, st := range l.sites {
		for _, a := range st.addrs {
			all = append(all, a.target.Addr)
		}
	}
	l.sources.Store(&all)
}

// known are all addresses found, dead ones too.
func (l *line) known() []Hop {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Hop
	for _, st := range l.sites {
		for _, a := range st.addrs {
			out = append(out, Hop{st.uri, a.target})
		}
	}
	return out
}

// hops are the addresses to try, best first.
func (l *line) hops() []Hop {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.set.o.Clock.Now()
	var by [2][]Hop
	for _, st := range l.sites {
		if len(st.addrs) == 0 { // whoever calls it looks it up
			n := 0
			if st.err != nil {
				n = 1
			}
			by[n] = append(by[n], Hop{URI: st.uri})
		}
		for _, a := range st.addrs {
			if n := a.rank(now, l.cfg.Check > 0); n < len(by) {
				by[n] = append(by[n], Hop{st.uri, a.target})
			}
		}
	}
	return slices.Concat(by[0], by[1])
}

// addr finds what is known of a hop's address. The caller holds the lock.
func (l *line) addr(h Hop) (*site, *addr) {
	for _, st := range l.sites {
		for _, a := range st.addrs {
			if a.target == h.Target {
				return st, a
			}
		}
	}
	return nil, nil
}

// answered notes that an address is alive.
func (l *line) answered(h Hop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	st, a := l.addr(h)
	if a == nil {
		return
	}
	a.heard, a.rest = true, time.Time{}
	if a.health == up {
		return
	}
	back := a.health == down
	a.health, a.since, a.err = up, l.set.o.Clock.Now(), ""
	l.log.Info("trunk host is up", "host", st.Host.String(), "address", a.target.String())
	if back { // a registrar that was away may have forgotten us
		l.registerAnew(h)
	}
}

// failed notes that an address does not answer, or not as it should.
func (l *line) failed(h Hop, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	st, a := l.addr(h)
	if a == nil {
		return
	}
	now := l.set.o.Clock.Now()
	if l.cfg.Check == 0 {
		a.rest, a.health, a.err = now.Add(restAfter), unknown, why // nobody would find out that it is back
		return
	}
	a.err = why
	if a.health != down {
		a.health, a.since = down, now
		l.log.Warn("trunk host is down", "host", st.Host.String(), "address", a.target.String(), "err", why)
	}
}

// stop ends probes and registration; the registration is taken back if bye is set.
func (l *line) stop(bye bool) {
	l.mu.Lock()
	l.closed = true
	for _, t := range []clock.Timer{l.timer, l.reg.timer} {
		if t != nil {
			t.Stop()
		}
	}
	leave := bye && !l.reg.busy && l.reg.state == registered
	l.reg.bye = bye
	l.mu.Unlock()
	if leave {
		l.set.run(l.unregister)
	}
}

// request is the URI for user at a hop: where the Domain is known, it names the trunk rather
// than the machine.
func (l *line) request(h Hop, user string) sip.Uri {
	u := *h.URI.Clone()
	if l.cfg.Domain != "" {
		u = sip.Uri{Scheme: "sip", Host: bracketed(l.cfg.Domain)}
	}
	u.User = user
	return u
}

// account is our address at the trunk.
func (l *line) account(h Hop) sip.Uri {
	u := l.request(h, l.cfg.Username)
	u.Port, u.UriParams = 0, nil
	return u
}

// contact is where the trunk reaches us over f.
func (l *line) contact(f transport.Flow) sip.Uri {
	a := f.Advertised()
	u := sip.Uri{Scheme: "sip", User: l.token, Host: bracketed(a.Addr().Unmap().String()), Port: int(a.Port())}
	if p := f.Proto(); p != transport.UDP {
		u.UriParams = sip.HeaderParams{{K: "transport", V: string(p)}}
	}
	return u
}

// connect gives the flow to a hop.
func (l *line) connect(h Hop) (transport.Flow, error) {
	ctx, cancel := context.WithTimeout(l.set.ctx, lookTimeout)
	defer cancel()
	if !h.Target.Addr.IsValid() {
		targets, err := l.set.o.Transport.Resolve(ctx, h.URI)
		if err != nil {
			return transport.Flow{}, err
		}
		h.Target = targets[0]
	}
	return l.set.o.Transport.Connect(ctx, h.Target)
}
