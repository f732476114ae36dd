package transport

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// service is one NAPTR record that leads to a protocol we speak.
type service struct {
	proto             Proto
	order, preference uint16
	name              string
	srv               bool // name is one of SRV records, else of addresses
}

// naptr gives what a domain offers, in its own order (RFC 3263 §4.1).
func (l *Layer) naptr(ctx context.Context, h hop) []service {
	records, err := l.names.lookup(ctx, h.host, dns.TypeNAPTR)
	if err != nil {
		return nil
	}
	var out []service
	for _, rr := range records {
		n, ok := rr.(*dns.NAPTR)
		if !ok || n.Replacement == "" || n.Replacement == "." {
			continue
		}
		s := service{order: n.Order, preference: n.Preference, name: strings.TrimSuffix(n.Replacement, "."), srv: strings.EqualFold(n.Flags, "s")}
		switch strings.ToUpper(n.Service) {
		case "SIP+D2U":
			s.proto = UDP
		case "SIP+D2T":
			s.proto = TCP
		case "SIPS+D2T":
			s.proto = TLS
		}
		// §4.1: a sips URI takes SIPS services only.
		if usable := s.srv || strings.EqualFold(n.Flags, "a"); usable && s.proto != "" && (!h.secure || s.proto == TLS) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b service) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.preference, b.preference))
	})
	return out
}

// order puts SRV records in the order to try them: by priority, and within one by chance, the
// heavier the likelier (RFC 2782).
func order(list []*dns.SRV) []*dns.SRV {
	left := slices.Clone(list)
	// Those without weight first, so that they have a small chance.
	slices.SortStableFunc(left, func(a, b *dns.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	out := make([]*dns.SRV, 0, len(left))
	for len(left) > 0 {
		end, sum := 0, 0
		for end < len(left) && left[end].Priority == left[0].Priority {
			sum += int(left[end].Weight)
			end++
		}
		pick, at := rand.IntN(sum+1), 0
		for at < end-1 && int(left[at].Weight) < pick {
			pick -= int(left[at].Weight)
			at++
		}
		out = append(out, left[at])
		left = slices.Delete(left, at, at+1)
	}
	return out
}
