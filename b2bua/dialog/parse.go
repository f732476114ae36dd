package dialog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// maxRoutes bounds a route set; no real path comes near it.
const maxRoutes = 64

// FromTag is the tag of From, "" without one.
func FromTag(m sip.Message) string {
	h := m.From()
	if h == nil {
		return ""
	}
	tag, _ := param(h.Params, "tag")
	return tag
}

// ToTag is the tag of To, "" without one.
func ToTag(m sip.Message) string {
	h := m.To()
	if h == nil {
		return ""
	}
	tag, _ := param(h.Params, "tag")
	return tag
}

// RequestID is the dialog that a received request belongs to; without a To-tag
// (LocalTag "") it belongs to none yet.
func RequestID(req *sip.Request) ID {
	return ID{CallID: callID(req), LocalTag: ToTag(req), RemoteTag: FromTag(req)}
}

// ResponseID is the dialog that a received response belongs to or creates.
func ResponseID(res *sip.Response) ID {
	return ID{CallID: callID(res), LocalTag: FromTag(res), RemoteTag: ToTag(res)}
}

// Replaces is the dialog that a request asks to take over, RFC 3891.
type Replaces struct {
	ID        ID // as the receiver of the header sees it
	EarlyOnly bool
}

// ParseReplaces reads the value of a Replaces header, RFC 3891 §6.1.
func ParseReplaces(value string) (Replaces, error) {
	callID, rest, _ := strings.Cut(value, ";")
	r := Replaces{ID: ID{CallID: strings.TrimSpace(callID)}}
	if r.ID.CallID == "" {
		return Replaces{}, errors.New("dialog: Replaces without a Call-ID")
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(rest, ";") {
		name, val, _ := strings.Cut(part, "=")
		name, val = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(val)
		switch name {
		case "to-tag": // RFC 3891 §3: compared with our local tag
			r.ID.LocalTag = val
		case "from-tag":
			r.ID.RemoteTag = val
		case "early-only":
			r.EarlyOnly = true
		default:
			continue
		}
		if seen[name] {
			return Replaces{}, fmt.Errorf("dialog: Replaces with two %s", name)
		}
		seen[name] = true
	}
	if r.ID.LocalTag == "" || r.ID.RemoteTag == "" {
		return Replaces{}, errors.New("dialog: Replaces lacks a to-tag or from-tag")
	}
	return r, nil
}

// String is the header value that asks a peer to replace r.
func (r Replaces) String() string {
	s := r.ID.CallID + ";to-tag=" + r.ID.LocalTag + ";from-tag=" + r.ID.RemoteTag
	if r.EarlyOnly {
		s += ";early-only"
	}
	return s
}

func callID(m sip.Message) string {
	if h := m.CallID(); h != nil {
		return string(*h)
	}
	return ""
}

// param finds a parameter by its name, whatever its case; the parser keeps the
// blanks that may stand around `;` and `=`.
func param(ps sip.HeaderParams, name string) (string, bool) {
	for _, kv := range ps {
		if strings.EqualFold(strings.TrimSpace(kv.K), name) {
			return strings.TrimSpace(kv.V), true
		}
	}
	return "", false
}

// firstContact is the first Contact; the accessor of sip.Message gives the last.
func firstContact(m sip.Message) *sip.ContactHeader {
	for _, h := range m.GetHeaders("contact") {
		if c, ok := h.(*sip.ContactHeader); ok {
			return c
		}
	}
	return nil
}

func usable(c *sip.ContactHeader) bool {
	if c == nil || c.Address.Wildcard || c.Address.Host == "" {
		return false
	}
	return c.Address.Scheme == "" || c.Address.Scheme == "sip" || c.Address.Scheme == "sips"
}

// recordRoute is the Record-Route of m from top to bottom.
func recordRoute(m sip.Message) []sip.Uri {
	var routes []sip.Uri
	for _, h := range m.GetHeaders("record-route") {
		rr, ok := h.(*sip.RecordRouteHeader)
		if ok && rr.Address.Host != "" && len(routes) < maxRoutes {
			routes = append(routes, *rr.Address.Clone())
		}
	}
	return routes
}

func reversed(uris []sip.Uri) []sip.Uri {
	slices.Reverse(uris)
	return uris
}

func cloneUris(uris []sip.Uri) []sip.Uri {
	out := make([]sip.Uri, len(uris), len(uris)+1)
	for i := range uris {
		out[i] = *uris[i].Clone()
	}
	return out
}
