package main

import (
	"net/netip"
	"strings"
	"time"

	"tandem/b2bua/auth"
	"tandem/b2bua/trunk"
	"tandem/web"
)

// Trunks are those of the configuration, in its order.
func (v *view) Trunks() []web.Trunk {
	var list []web.Trunk
	for _, t := range v.trunks.All() {
		list = append(list, trunkView(t.Status()))
	}
	return list
}

func trunkView(st trunk.Status) web.Trunk {
	out := web.Trunk{
		Name: st.Name, State: st.State, Calls: st.Calls, MaxCalls: st.MaxCalls, Inbound: st.Inbound, Outbound: st.Outbound,
		MedianPDDMS: optionalSpan(st.MedianPDD), LastError: st.LastError, LastErrorMS: optionalMS(st.LastErrorAt),
		Registration: web.TrunkRegistration{State: st.Registration.State, Host: st.Registration.Host,
			UntilMS: optionalMS(st.Registration.Expires), Error: st.Registration.Error},
		Hosts: []web.TrunkHost{},
	}
	if st.Success >= 0 {
		out.SuccessRate = &st.Success
	}
	for _, h := range st.Hosts {
		out.Hosts = append(out.Hosts, web.TrunkHost{Host: h.Host, Address: h.Address, State: h.State,
			SinceMS: optionalMS(h.Since), RTTMS: optionalSpan(h.RTT), Error: h.Error})
	}
	return out
}

// optionalSpan is a duration in ms; nil for none. What took less than one is one.
func optionalSpan(d time.Duration) *int64 {
	if d <= 0 {
		return nil
	}
	ms := max(1, d.Round(time.Millisecond).Milliseconds())
	return &ms
}

// Bans are those in force.
func (v *view) Bans() []web.Ban { return banViews(v.sip.Bans()) }

// LiftBan ends the ban of an address or of a range, as Bans shows it.
func (v *view) LiftBan(source string) bool {
	text, _, _ := strings.Cut(source, "/")
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return false
	}
	b, ok := v.sip.LiftBan(ip)
	if ok {
		v.keeper.lifted(b)
		v.log.Info("an operator lifted a ban", "source", banSource(b))
	}
	return ok
}

// bansShown bounds the bans in the status.
const bansShown = 100

func banViews(bans []auth.Ban) []web.Ban {
	out := []web.Ban{}
	for _, b := range bans {
		out = append(out, web.Ban{Source: banSource(b), SinceMS: b.Since.UnixMilli(), UntilMS: b.Until.UnixMilli(), Failures: b.Failures})
	}
	return out
}

// banSource is a source as people write it: an address, or the /64 of a host of IPv6.
func banSource(b auth.Ban) string {
	if b.Source.IsSingleIP() {
		return b.Source.Addr().String()
	}
	return b.Source.String()
}
