package b2bua

import (
	"github.com/emiago/sipgo/sip"
)

// anonymous reports whether the far end must not learn who calls: the script wants it, or
// the caller has asked for it (RFC 3323 §4.2, RFC 3325 §7).
func (c *Call) anonymous(o DialOptions) bool {
	if o.Privacy {
		return true
	}
	if o.From != "" {
		return false // the script says who calls
	}
	return privacyOf(c.invite).caller
}

// identify passes on what is known of the caller's identity: the Privacy it asked for, and,
// from a source that may say so, who was called before (RFC 5806, RFC 7044).
func (l *Leg) identify(req *sip.Request, o DialOptions) {
	c := l.call()
	l.assert(req, o)
	asked, anonymous := privacyOf(c.invite), c.anonymous(o)
	if v := asked.value(anonymous); v != "" {
		req.AppendHeader(sip.NewHeader("Privacy", v))
	}
	var before, told []string
	if !anonymous && c.believed() {
		before, told = l.passed("Diversion"), l.passed("History-Info")
	}
	for _, v := range append(l.branch.diversions(), before...) {
		req.AppendHeader(sip.NewHeader("Diversion", v))
	}
	if asked.history || l.drops("History-Info") {
		return
	}
	for _, v := range l.branch.chronicle(told) {
		req.AppendHeader(sip.NewHeader("History-Info", v))
	}
}

// passed are the values of a header of the caller's INVITE that the leg's far end may see.
func (l *Leg) passed(name string) []string {
	var out []string
	for i, v := range headersOf(l.call().invite, name) {
		if i < maxRedirects && len(v) < reasonCap && !l.drops(name) {
			out = append(out, v)
		}
	}
	return out
}

// Identity is who the caller is as a source that may be believed says: the trunk's or
// trusted peer's P-Asserted-Identity or Remote-Party-ID (RFC 3325 §9.1), else the
// authenticated user.
func (c *Call) Identity() (Address, bool) {
	if c.believed() {
		for _, name := range []string{"P-Asserted-Identity", "Remote-Party-ID"} {
			if v, ok := headerOf(c.invite, name); ok {
				var u sip.Uri
				var params sip.HeaderParams
				if display, err := sip.ParseAddressValue(v, &u, &params); err == nil {
					return addressOf(&u, display), true
				}
			}
		}
	}
	if c.identity.User != "" {
		return Address{User: c.identity.User}, true
	}
	return Address{}, false
}
