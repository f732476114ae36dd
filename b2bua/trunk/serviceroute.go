package trunk

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

const (
	maxServiceRoutes = 8
	maxServiceRoute  = 512 // bytes of one URI
)

// serviceRoute is the way that a registrar wants our requests to take (RFC 3608 §6.1): nil
// without one, and where it cannot be followed whole.
func serviceRoute(res *sip.Response) []sip.Uri {
	var route []sip.Uri
	for _, list := range values(res, "Service-Route") {
		for strings.Contains(list, "<") {
			value, rest, ended := strings.Cut(list, ">")
			list = rest
			value = strings.TrimLeft(value[strings.LastIndex(value, "<")+1:], " \t")
			var u sip.Uri
			err := sip.ParseUri(value, &u)
			loose := slices.ContainsFunc(u.UriParams, func(kv sip.HeaderKV) bool { return strings.EqualFold(strings.TrimSpace(kv.K), "lr") })
			if err != nil || !ended || u.Host == "" || !loose || len(value) > maxServiceRoute || len(route) == maxServiceRoutes {
				return nil
			}
			route = append(route, u)
		}
	}
	return route
}

// Route is what the trunk's registrar wants calls by a hop to pass (RFC 3608 §5): nothing
// where we are not registered there, or it said nothing.
func (t *Trunk) Route(h Hop) []sip.Uri {
	l := t.line.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reg.state != registered || l.reg.hop.Target != h.Target {
		return nil
	}
	return slices.Clone(l.reg.route)
}
