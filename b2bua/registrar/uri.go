package registrar

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Header is the Contact header of c in the 200 to a REGISTER, RFC 3261 §10.3
// step 8, with the whole seconds it is still bound for.
func (c Contact) Header(now time.Time) *sip.ContactHeader {
	h := &sip.ContactHeader{Address: *c.URI.Clone()}
	if c.Q < 1 {
		h.Params.Add("q", strconv.FormatFloat(c.Q, 'g', 3, 64))
	}
	if c.Instance != "" {
		h.Params.Add("+sip.instance", c.Instance)
	}
	if c.RegID != "" {
		h.Params.Add("reg-id", c.RegID)
	}
	left := max(c.Expires.Sub(now), 0).Round(time.Second)
	h.Params.Add("expires", fmt.Sprint(int(left/time.Second)))
	return h
}

// mustBeInBoth are the URI parameters that make two URIs differ when only one
// has them, RFC 3261 §19.1.4; others are compared only if both have them.
var mustBeInBoth = [...]string{"user", "ttl", "method", "maddr", "transport"}

// equalURI compares as RFC 3261 §19.1.4 wants.
func equalURI(a, b *sip.Uri) bool {
	if a.Scheme != b.Scheme || a.User != b.User || a.Password != b.Password ||
		!strings.EqualFold(a.Host, b.Host) || a.Port != b.Port || len(a.Headers) != len(b.Headers) {
		return false
	}
	for _, kv := range a.UriParams {
		if v, has := param(b.UriParams, kv.K); has && !strings.EqualFold(v, kv.V) {
			return false
		}
	}
	for _, name := range mustBeInBoth {
		_, inA := param(a.UriParams, name)
		_, inB := param(b.UriParams, name)
		if inA != inB {
			return false
		}
	}
	for _, kv := range a.Headers {
		if v, has := param(b.Headers, kv.K); !has || v != kv.V {
			return false
		}
	}
	return true
}

// param finds a parameter by its name, whatever its case and the blanks around it.
func param(ps sip.HeaderParams, name string) (string, bool) {
	for _, kv := range ps {
		if strings.EqualFold(strings.TrimSpace(kv.K), name) {
			return strings.TrimSpace(kv.V), true
		}
	}
	return "", false
}

// splitList splits at the commas that stand outside of quotes and angle brackets.
func splitList(s string) []string {
	var out []string
	start, quoted, depth := 0, false, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			depth++
		case c == '>':
			depth--
		case c == ',' && depth <= 0:
			out = append(out, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
	}
	return append(out, strings.TrimSpace(s[start:]))
}
