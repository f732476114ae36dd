package b2bua

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// privacy is what a caller asks to be kept from the other side (RFC 3323 §4.2, RFC 3325 §9.3,
// RFC 7044 §10.1).
type privacy struct {
	caller   bool // id, user, header: who it is
	session  bool // where its media come from
	history  bool // whom the call was for before
	critical bool // or else no call
	unknown  bool // something that we have never heard of
}

// privacyOf reads the Privacy of a message. "none" says that the caller wants nothing hidden,
// whatever stands beside it.
func privacyOf(m headerSource) (p privacy) {
	for _, v := range headersOf(m, "Privacy") {
		for one := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			switch strings.ToLower(one) {
			case "id", "user", "header":
				p.caller = true
			case "session":
				p.session = true
			case "history":
				p.history = true
			case "critical":
				p.critical = true
			case "none":
				return privacy{}
			default:
				p.unknown = true
			}
		}
	}
	return p
}

// checkPrivacy refuses a caller who would rather have no call than one without a privacy that
// we cannot give (RFC 3323 §5).
func checkPrivacy(req *sip.Request) *problem {
	if p := privacyOf(req); p.critical && p.unknown {
		return refuse(500, "Privacy Not Available")
	}
	return nil
}

// value is the Privacy to send on to whoever may let our word out of the trusted network
// (RFC 3325 §7); "" for none. The rest has been done here.
func (p privacy) value(anonymous bool) string {
	switch {
	case anonymous && p.critical:
		return "id;critical"
	case anonymous:
		return "id"
	case p.history:
		return "history"
	}
	return ""
}
