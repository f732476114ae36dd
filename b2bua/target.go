package b2bua

import (
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/registrar"
	"tandem/b2bua/transport"
	"tandem/b2bua/trunk"
)

// branch is one INVITE to send.
type branch struct {
	target string // as the script wrote it
	uri    sip.Uri
	to     sip.Uri // the address of record, for the To header
	route  []sip.Uri
	via    sip.Uri        // where to look for a flow; the first of route, or uri, if empty
	flow   transport.Flow // known for registered contacts and calls to ourselves

	foreign  bool       // a far end has named the address
	hops     int        // how many redirects led here
	rest     []branch   // to try when this one has failed
	diverted []diverted // who did so, the first first

	trunk  *trunk.Trunk
	number string      // dialled at the trunk
	hop    trunk.Hop   // its host
	others []trunk.Hop // to try when that one is dead
	seat   *trunk.Seat // handed on by the host before
	began  time.Time   // when the first host was tried
	fault  *Failure    // why it cannot be tried at all
}

// maxTargets bounds what one dial may try.
const maxTargets = 64

// expand turns what a script may dial into groups of branches: a group for each target,
// for a user all contacts in one, and for one that is refused a branch that says so.
func (c *Call) expand(targets []string, each map[string]TargetOptions) ([][]branch, error) {
	if len(targets) == 0 {
		return nil, fmt.Errorf("no target given")
	}
	var groups [][]branch
	n := 0
	for _, t := range targets {
		g, err := c.server.branches(t)
		if err != nil {
			return nil, err
		}
		if f := each[t].Refused; f != nil {
			g = []branch{{target: t, fault: f}}
		}
		if n += len(g); n > maxTargets {
			return nil, fmt.Errorf("more than %d contacts to dial", maxTargets)
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// branches of one target; none for a user who is not registered.
func (s *Server) branches(target string) ([]branch, error) {
	kind, rest, _ := strings.Cut(target, ":")
	switch kind {
	case "user":
		return s.contacts(target, rest), nil
	case "route":
		return []branch{s.loopBranch(target, rest)}, nil
	case "sip", "sips":
		var u sip.Uri
		if err := sip.ParseUri(target, &u); err != nil || u.Host == "" || strings.ContainsAny(target, "\r\n<> ") {
			return nil, fmt.Errorf("%q is not a SIP URI", target)
		}
		if s.names(u) {
			return []branch{s.loopBranch(target, unescape(u.User))}, nil
		}
		return []branch{{target: target, uri: u, to: u}}, nil
	case "trunk":
		if !checkTrunkTarget(rest) {
			return nil, fmt.Errorf("%q is not a trunk's number: write it as trunk:NAME/NUMBER", target)
		}
		return []branch{s.trunkBranch(target, rest)}, nil
	case "call", "park":
		if rest == "" {
			return nil, fmt.Errorf("%q names no call or slot", target)
		}
		return []branch{{target: target}}, nil
	}
	return nil, fmt.Errorf("%q is not a target: it begins with user:, trunk:, route:, sip:, park: or call:", target)
}

func (s *Server) contacts(target, user string) []branch {
	var out []branch
	seen := map[string]bool{}
	for _, b := range s.o.Registrar.Contacts(user) {
		if b.Instance != "" && seen[b.Instance] {
			continue // RFC 5626 §5.3: one flow of a phone at a time, here the best
		}
		seen[b.Instance] = true
		out = append(out, s.contactBranch(target, user, b))
	}
	return out
}

// contactBranch leads to a registered contact: over the flow that it registered by, through
// the proxies of its Path (RFC 3327 §5.4). Where that flow has died, the first of them is
// asked again for a way, at the address that it had: a phone could name any other there.
func (s *Server) contactBranch(target, user string, b registrar.Contact) branch {
	to := s.address(b.Flow, escape(user))
	if s.o.Domain != "" {
		to.Host, to.Port = s.o.Domain, 0
	}
	to.UriParams = nil
	out := branch{target: target, uri: b.URI, to: to, route: b.Path, flow: b.Flow}
	if !b.Flow.Alive() && len(b.Path) > 0 {
		out.flow, out.via = transport.Flow{}, b.Path[0]
		out.via.Host = hostOf(b.Source.Addr())
		if s.o.Domain == "" {
			out.to.Host, out.to.Port = s.o.Realm, 0
		}
	}
	return out
}

// loopBranch is a call to ourselves: the number is routed as if it had been dialled.
func (s *Server) loopBranch(target, number string) branch {
	f := s.o.Transport.Loop()
	u := s.address(f, escape(number))
	return branch{target: target, uri: u, to: u, flow: f}
}
