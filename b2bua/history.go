package b2bua

import (
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// diverted is a target that has sent us elsewhere, and with which status.
type diverted struct {
	to   sip.Uri
	code int
}

// diversions tell the next target whom the call was for, the latest first (RFC 5806 §5).
func (b *branch) diversions() []string {
	var out []string
	for i := len(b.diverted) - 1; i >= 0; i-- {
		reason := "unconditional"
		if b.diverted[i].code == 380 {
			reason = "unavailable"
		}
		out = append(out, "<"+b.diverted[i].to.String()+">;reason="+reason)
	}
	return out
}

// chronicle is the History-Info of an INVITE (RFC 7044): what was carried here, and each of our
// targets that sent us elsewhere, with its Reason, up to the one that gets it now.
func (b *branch) chronicle(carried []string) []string {
	out := carried
	if len(b.diverted) == 0 {
		return out
	}
	index, from := lastIndex(carried), ""
	for _, d := range b.diverted {
		index, from = below(index), index
		out = append(out, entry(d.to, fmt.Sprintf("?Reason=SIP%%3Bcause%%3D%d", d.code), index, from))
	}
	return append(out, entry(b.to, "", below(index), index))
}

func entry(to sip.Uri, headers, index, from string) string {
	to.Headers = nil
	v := "<" + to.String() + headers + ">;index=" + index
	if from != "" {
		v += ";mp=" + from // RFC 7044 §5.1: that target led to this one
	}
	return v
}

// below is the first index below another (RFC 7044 §10.3).
func below(index string) string {
	if index == "" {
		return "1"
	}
	return index + ".1"
}

// lastIndex is that of the newest entry; "" where none reads well.
func lastIndex(entries []string) string {
	if len(entries) == 0 {
		return ""
	}
	last := entries[len(entries)-1]
	i := strings.LastIndex(last, "index=")
	if i < 0 {
		return ""
	}
	index := last[i+len("index="):]
	if end := strings.IndexFunc(index, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }); end >= 0 {
		index = index[:end]
	}
	if len(index) > 32 {
		return ""
	}
	return strings.Trim(index, ".")
}
