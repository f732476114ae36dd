package b2bua

import (
	"strings"

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
	return privacyAsked(c.invite)
}

func privacyAsked(m headerSource) bool {
	for _, v := range headersOf(m, "Privacy") {
		for p := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			switch strings.ToLower(p) {
			case "id", "user", "header":
				return true
			}
		}
	}
	return false
}

// identify passes on what is known of the caller's identity: the Privacy it asked for, and,
// from a source that may say so, who was called before (RFC 5806, RFC 7044).
func (l *Leg) identify(req *sip.Request, o DialOptions) {
	c := l.call()
	l.assert(req, o)
	if c.anonymous(o) {
		req.AppendHeader(sip.NewHeader("Privacy", "id"))
		return
	}
	if !c.believed() {
		return
	}
	for _, name := range []string{"Diversion", "History-Info"} {
		for i, v := range headersOf(c.invite, name) {
			if i < maxRedirects && len(v) < reasonCap && !l.drops(name) {
				req.AppendHeader(sip.NewHeader(name, v))
			}
		}
	}
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
