package trunk

import "time"

// Status is how a trunk is.
type Status struct {
	Name         string
	State        string // up, down, unknown, or unregistered
	Hosts        []HostStatus
	Registration RegistrationStatus
	LastError    string    // of a host, the registration or a call, whatever came last
	LastErrorAt  time.Time // zero: there was none, or it is over
	Calls        int       // in use
	MaxCalls     int       // 0: no limit
	Rates
}

// HostStatus is how one address of a trunk is.
type HostStatus struct {
	Host    string // as configured
	Address string // "udp:192.0.2.1:5060"; "" while the name is not found
	State   string // up, down, unknown
	Since   time.Time
	RTT     time.Duration // of the last probe; 0: not measured
	Error   string
}

// RegistrationStatus is how we are registered with a trunk.
type RegistrationStatus struct {
	State   string // off, unregistered, registered, refused
	Host    string
	Expires time.Time
	Error   string
}

// Status reports the trunk as it is now.
func (t *Trunk) Status() Status {
	l := t.line.Load()
	st := Status{Name: t.name, MaxCalls: t.Config().MaxCalls, Rates: t.usage.rates()}
	t.usage.mu.Lock()
	st.Calls, st.LastError, st.LastErrorAt = t.usage.calls, t.usage.err, t.usage.errAt
	t.usage.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	best := down
	for _, s := range l.sites {
		if len(s.addrs) == 0 {
			h := HostStatus{Host: s.Host.String(), State: unknown.String()}
			if s.err != nil {
				h.State, h.Error = down.String(), s.err.Error()
			} else {
				best = unknown
			}
			st.Hosts = append(st.Hosts, h)
			continue
		}
		for _, a := range s.addrs {
			st.Hosts = append(st.Hosts, HostStatus{Host: s.Host.String(), Address: a.target.String(), State: a.health.String(),
				Since: a.since, RTT: a.rtt, Error: a.err})
			if a.health == up || a.health == unknown && best == down {
				best = a.health
			}
			if a.err != "" && a.health == down && a.since.After(st.LastErrorAt) {
				st.LastError, st.LastErrorAt = a.err, a.since
			}
		}
	}
	st.State = best.String()
	st.Registration = l.registrationStatus()
	if e := st.Registration.Error; e != "" && l.reg.failedAt.After(st.LastErrorAt) {
		st.LastError, st.LastErrorAt = e, l.reg.failedAt
	}
	if best != down && l.cfg.Register && l.reg.state != registered {
		st.State = "unregistered"
	}
	return st
}

// registrationStatus needs the lock.
func (l *line) registrationStatus() RegistrationStatus {
	if !l.cfg.Register {
		return RegistrationStatus{State: "off"}
	}
	r := RegistrationStatus{State: l.reg.state.String(), Error: l.reg.err}
	if l.reg.state == registered {
		r.Host, r.Expires = l.reg.hop.URI.Host, l.reg.until
	}
	return r
}
