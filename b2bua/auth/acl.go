package auth

import "net/netip"

// Decision is what the access list says about a source address.
type Decision int

const (
	// Stranger: no entry matches; it must be a trunk or answer a challenge.
	Stranger Decision = iota
	// Trusted: it may call without being a user or a trunk.
	Trusted
	// Denied: it is dropped without an answer.
	Denied
)

var decisionNames = [...]string{"stranger", "trusted", "denied"}

func (d Decision) String() string { return decisionNames[d] }

// Rule is one [[acl]] entry; within it, Deny is looked at before Allow.
type Rule struct{ Allow, Deny []netip.Prefix }

// ACL decides by rules in order; the first that matches wins. The nil ACL and
// one without rules trust loopback only.
type ACL struct{ rules []Rule }

// NewACL makes an access list. IPv4-mapped IPv6 prefixes count as IPv4.
func NewACL(rules []Rule) *ACL {
	a := &ACL{rules: make([]Rule, len(rules))}
	for i, r := range rules {
		a.rules[i] = Rule{Allow: plain(r.Allow), Deny: plain(r.Deny)}
	}
	return a
}

// Decide looks ip up. An IPv4-mapped IPv6 address counts as IPv4; a zone is ignored.
func (a *ACL) Decide(ip netip.Addr) Decision {
	ip = ip.Unmap().WithZone("")
	if a == nil || len(a.rules) == 0 {
		if ip.IsLoopback() {
			return Trusted
		}
		return Stranger
	}
	for _, r := range a.rules {
		switch {
		case contains(r.Deny, ip):
			return Denied
		case contains(r.Allow, ip):
			return Trusted
		}
	}
	return Stranger
}

func contains(prefixes []netip.Prefix, ip netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func plain(prefixes []netip.Prefix) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		out = append(out, p)
	}
	return out
}
