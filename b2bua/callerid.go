package b2bua

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/trunk"
)

// trunkConfig is the policy of the trunk that the leg goes by; nil without one.
func (l *Leg) trunkConfig() *trunk.Config {
	if l.trunk == nil {
		return nil
	}
	return l.trunk.Config()
}

// shown is who the far end is told is calling: what the script says, else what the trunk's
// configuration does, else the caller as it names itself.
func (l *Leg) shown(o DialOptions) (number, display string) {
	c, cfg := l.call(), l.trunkConfig()
	who := c.from
	if c.party != nil && l.role != "a" {
		who = *c.party
	}
	number, display = who.User, who.Display
	if cfg != nil && cfg.CallerID != "" {
		number = cfg.CallerID
	}
	if cfg != nil && cfg.CallerName != "" {
		display = cfg.CallerName
	}
	if o.From != "" {
		number, display = o.From, ""
	}
	if o.Display != "" {
		display = o.Display
	}
	if cfg != nil {
		number = cfg.RewriteFromOut.Apply(number)
	}
	return number, display
}

// from is what our From says.
func (l *Leg) from(o DialOptions) (sip.Uri, string) {
	c := l.call()
	if c.anonymous(o) {
		// RFC 3323 §4.1.1.3
		return sip.Uri{Scheme: "sip", User: "anonymous", Host: "anonymous.invalid"}, "Anonymous"
	}
	number, display := l.shown(o)
	u := l.callerURI(number)
	if cfg := l.trunkConfig(); cfg != nil && cfg.Account && cfg.Username != "" {
		u = l.trunk.Account(l.branch.hop)
	}
	return u, display
}

// callerURI is a number of ours as the far end sees it.
func (l *Leg) callerURI(number string) sip.Uri {
	s := l.call().server
	u := s.address(l.flow, escape(number))
	u.UriParams = nil
	if s.o.Domain != "" {
		u.Host, u.Port = s.o.Domain, 0
	}
	if cfg := l.trunkConfig(); cfg != nil && cfg.Domain != "" {
		u.Host, u.Port = cfg.Domain, 0
	}
	return u
}

// believed reports whether what the caller's side says about identities counts: that of a
// trusted source, and of a trunk unless its configuration says otherwise (RFC 3325 §5).
func (c *Call) believed() bool {
	if t, ok := c.server.trunks.Trunk(c.identity.Trunk); ok {
		return t.Config().Trust
	}
	return c.identity.Trusted
}

// assert tells the trunk who calls, in the header that it wants, also where From must not say
// it (RFC 3325 §9.1). On the way to ourselves what is known goes along.
func (l *Leg) assert(req *sip.Request, o DialOptions) {
	c, cfg := l.call(), l.trunkConfig()
	if l.flow.IsLoop() {
		if who, ok := c.Identity(); ok && who.URI != "" && o.From == "" {
			req.AppendHeader(sip.NewHeader("P-Asserted-Identity", "<"+who.URI+">"))
		}
		return
	}
	if cfg == nil {
		l.assertToPeer(req, o)
		return
	}
	if cfg.Identity == "" || cfg.Identity == trunk.AssertNothing {
		return
	}
	number, display := l.shown(o)
	if who, ok := c.Identity(); ok && o.From == "" && cfg.CallerID == "" && who.URI != "" {
		number = cfg.RewriteFromOut.Apply(who.User)
	}
	if number == "" || strings.EqualFold(number, "anonymous") {
		return
	}
	value := (&sip.FromHeader{DisplayName: quotable(display), Address: l.callerURI(number)}).Value()
	name := "P-Asserted-Identity"
	switch cfg.Identity {
	case trunk.PreferIdentity:
		name = "P-Preferred-Identity"
	case trunk.RemotePartyID:
		name = "Remote-Party-ID"
		value += ";party=calling;screen=yes;privacy=" + map[bool]string{true: "full", false: "off"}[c.anonymous(o)]
	}
	if _, set := headerOf(req, name); !set { // a script may know better
		req.AppendHeader(sip.NewHeader(name, value))
	}
}

// assertToPeer tells a trusted peer who calls, where we know it (RFC 3325 §5): not a phone that
// has registered, which would show it whatever the caller wants, nor anybody whom we would not
// believe ourselves.
func (l *Leg) assertToPeer(req *sip.Request, o DialOptions) {
	c := l.call()
	who, known := c.Identity()
	if !known || o.From != "" || !l.branch.flow.IsZero() || c.server.acl.Load().Decide(l.flow.Remote().Addr()) != auth.Trusted {
		return
	}
	u, display := l.callerURI(who.User), who.Display
	if display == "" {
		display = c.from.Display
	}
	if _, set := headerOf(req, "P-Asserted-Identity"); !set && who.User != "" {
		req.AppendHeader(sip.NewHeader("P-Asserted-Identity", (&sip.FromHeader{DisplayName: quotable(display), Address: u}).Value()))
	}
}

// carryHeaders copies what the trunks on the two sides let pass of the caller's INVITE, and
// adds what the outbound one always gets. What the script has set stands.
func (l *Leg) carryHeaders(req *sip.Request) {
	c, out := l.call(), l.trunkConfig()
	var in *trunk.Config
	if t, ok := c.server.trunks.Trunk(c.identity.Trunk); ok {
		in = t.Config()
	}
	if in == nil && out == nil {
		return
	}
	set := map[string]bool{}
	for _, h := range req.Headers() {
		set[strings.ToLower(h.Name())] = true
	}
	n := 0
	for _, h := range c.invite.Headers() {
		name := h.Name()
		passes := in != nil && in.Headers.Passes(name) || out != nil && out.Headers.Passes(name)
		drops := in != nil && in.Headers.Drops(name) || l.drops(name)
		if !passes || drops || ours(name) || neverCarried(name) || set[strings.ToLower(name)] {
			continue
		}
		if v := h.Value(); n < maxCarried && len(v) <= carriedCap {
			req.AppendHeader(sip.NewHeader(name, v))
			n++
		}
	}
	if out == nil {
		return
	}
	for _, h := range out.Headers.Set {
		if !set[strings.ToLower(h.Name)] {
			req.AppendHeader(sip.NewHeader(h.Name, h.Value))
		}
	}
}

// maxCarried and carriedCap bound the headers copied from one INVITE to another, and each value.
const (
	maxCarried = 32
	carriedCap = 1024
)

// neverCarried are headers that no pattern carries over: those that tell who somebody is go by
// the rules above, and the others belong to one hop, one dialog or one body.
func neverCarried(name string) bool {
	return slices.Contains([]string{"p-asserted-identity", "p-preferred-identity", "remote-party-id", "p-called-party-id",
		"identity", "privacy", "diversion", "history-info", "replaces", "join", "target-dialog", "referred-by", "proxy-require",
		"allow", "accept", "accept-encoding", "session-expires", "min-se", "expires", "timestamp", "date",
		"content-disposition", "content-encoding", "content-language", "mime-version"}, strings.ToLower(name))
}

// drops reports whether the trunk that the leg goes by is not to see a header.
func (l *Leg) drops(name string) bool {
	cfg := l.trunkConfig()
	return cfg != nil && cfg.Headers.Drops(name)
}
