package b2bua

import (
	"slices"
	"strconv"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
)

// maxRedirects bounds how often one target may send us elsewhere.
const maxRedirects = 5

// redirected follows a 3xx: its contacts take the place of the leg that got it, the best
// first (RFC 3261 §8.1.3.4). False where the script wants to decide by itself, or where
// nothing can be followed.
func (l *Leg) redirected(res *sip.Response) bool {
	d := l.dialling
	if d == nil || d.over || d.opts.NoRedirects || l.branch.hops >= maxRedirects || l.state == legEnded {
		return false
	}
	var next []branch
	for _, u := range redirectContacts(res) {
		if u.Scheme != "sip" && u.Scheme != "sips" {
			continue // what else we can dial is for scripts
		}
		b, err := l.call().server.branches(u.String())
		if err != nil {
			continue
		}
		for _, one := range b {
			one.hops = l.branch.hops + 1
			one.diverted = append(slices.Clone(l.branch.diverted), diverted{l.branch.to, res.StatusCode})
			one.foreign = l.branch.trunk == nil // a carrier may lead to another of its hosts
			next = append(next, one)
		}
	}
	if len(next) == 0 {
		return false
	}
	c := l.call()
	l.inviting = false
	l.by = BySystem
	c.note(l.name(), "sip", strconv.Itoa(res.StatusCode)+" followed to "+next[0].uri.String())
	l.ended(res.StatusCode, res.Reason)
	d.remove(l)
	if d.bridge && c.caller.state != legAnswered {
		_ = c.caller.ring(181) // RFC 3261 §21.1.3
	}
	d.tryInstead(next)
	return true
}

// tryInstead rings the first of the branches, and each other one when those before it
// have failed.
func (d *dialling) tryInstead(next []branch) {
	b := next[0]
	b.rest = next[1:]
	l := d.c.newLeg(d, b)
	d.live = append(d.live, l)
	l.start()
}

// redirectContacts lists the contacts of a 3xx by q, highest first.
func redirectContacts(res *sip.Response) []sip.Uri {
	type choice struct {
		uri sip.Uri
		q   float64
	}
	var all []choice
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok || c.Address.Wildcard || len(all) == 10 {
			continue
		}
		q := 1.0
		if v, ok := c.Params.Get("q"); ok {
			q, _ = strconv.ParseFloat(v, 64)
		}
		u := *c.Address.Clone()
		u.Headers = nil
		all = append(all, choice{u, q})
	}
	slices.SortStableFunc(all, func(a, b choice) int { return int(1000 * (b.q - a.q)) })
	var out []sip.Uri
	for _, c := range all {
		out = append(out, c.uri)
	}
	return out
}

// ownRequest reports whether an INVITE is one of ours that came back from outside.
func (s *Server) ownRequest(req *sip.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	tag, known := s.outgoing[req.CallID().Value()]
	return known && tag == dialog.FromTag(req)
}
