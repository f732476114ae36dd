package auth

import (
	"net/netip"
	"testing"
)

func prefixes(ss ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range ss {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestACL(t *testing.T) {
	t.Parallel()
	office := []Rule{
		{Allow: prefixes("192.0.2.0/24", "2001:db8::/32"), Deny: prefixes("192.0.2.66/32")},
		{Deny: prefixes("192.0.2.0/25", "203.0.113.0/24"), Allow: prefixes("192.0.2.66/32", "::ffff:198.51.100.0/120")},
	}
	tests := []struct {
		name  string
		rules []Rule
		ip    string
		want  Decision
	}{
		{"no rule trusts loopback", nil, "127.0.0.9", Trusted},
		{"and its IPv6", nil, "::1", Trusted},
		{"mapped", nil, "::ffff:127.0.0.1", Trusted},
		{"but nobody else", nil, "10.0.0.1", Stranger},
		{"with rules loopback must be listed", office, "127.0.0.1", Stranger},
		{"allowed", office, "192.0.2.1", Trusted},
		{"allowed as mapped", office, "::ffff:192.0.2.1", Trusted},
		{"allowed IPv6 with a zone", office, "2001:db8::1%eth0", Trusted},
		{"deny before allow within one; the first entry wins", office, "192.0.2.66", Denied},
		{"second entry", office, "203.0.113.5", Denied},
		{"mapped prefix", office, "198.51.100.7", Trusted},
		{"none matches", office, "8.8.8.8", Stranger},
		{"an empty entry matches nothing", []Rule{{}}, "127.0.0.1", Stranger},
	}
	for _, tt := range tests {
		if got := NewACL(tt.rules).Decide(netip.MustParseAddr(tt.ip)); got != tt.want {
			t.Errorf("%s: %s is %v, want %v", tt.name, tt.ip, got, tt.want)
		}
	}
	var none *ACL
	if got := none.Decide(netip.MustParseAddr("127.0.0.1")); got != Trusted {
		t.Errorf("nil list: %v", got)
	}
	if got := none.Decide(netip.Addr{}); got != Stranger {
		t.Errorf("no address: %v", got)
	}
}
