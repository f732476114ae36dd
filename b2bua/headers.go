package b2bua

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Header is one header field to send.
type Header struct{ Name, Value string }

// Headers are header fields in the order they are sent.
type Headers []Header

// headerSource is what both kinds of message offer.
type headerSource interface {
	GetHeaders(name string) []sip.Header
}

func headerOf(m headerSource, name string) (string, bool) {
	if hs := headersNamed(m, name); len(hs) > 0 {
		return hs[0].Value(), true
	}
	return "", false
}

func headersOf(m headerSource, name string) []string {
	var out []string
	for _, h := range headersNamed(m, name) {
		out = append(out, h.Value())
	}
	return out
}

// clip shortens what a peer wrote for a log line, or for another peer.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// headersNamed finds a header by its name or its compact form (RFC 3261 §7.3.3).
func headersNamed(m headerSource, name string) []sip.Header {
	hs := m.GetHeaders(name)
	if short, ok := compactForm(strings.ToLower(name)); ok && len(hs) == 0 {
		hs = m.GetHeaders(short)
	}
	return hs
}

func compactForm(name string) (string, bool) {
	switch name {
	case "subject":
		return "s", true
	case "supported":
		return "k", true
	case "refer-to":
		return "r", true
	case "referred-by":
		return "b", true
	case "session-expires":
		return "x", true
	case "event":
		return "o", true
	case "allow-events":
		return "u", true
	case "content-encoding":
		return "e", true
	case "content-type":
		return "c", true
	case "from":
		return "f", true
	case "to":
		return "t", true
	case "contact":
		return "m", true
	case "call-id":
		return "i", true
	case "via":
		return "v", true
	case "accept-contact":
		return "a", true
	}
	return "", false
}

// ours are the headers that a script may not set: they are the dialog's or transaction's.
func ours(name string) bool {
	return slices.Contains([]string{"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "contact", "m", "route",
		"record-route", "content-length", "l", "content-type", "c", "max-forwards", "authorization",
		"proxy-authorization", "www-authenticate", "proxy-authenticate", "require", "supported", "k", "rack", "rseq"},
		strings.ToLower(name))
}

// Check reports the first header that may not be sent: one that is ours to set, or one
// whose name or value could break out of its line.
func (h Headers) Check() error {
	for _, f := range h {
		switch {
		case f.Name == "" || strings.ContainsFunc(f.Name, notToken):
			return fmt.Errorf("header name %q is not valid", f.Name)
		case ours(f.Name):
			return fmt.Errorf("header %s is set by the server", f.Name)
		case strings.ContainsAny(f.Value, "\r\n\x00"):
			return fmt.Errorf("header %s: its value has a line break", f.Name)
		}
	}
	return nil
}

// notToken: RFC 3261 §25.1 token.
func notToken(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-.!%*_+`'~", r))
}

func (h Headers) addTo(m interface{ AppendHeader(sip.Header) }) {
	for _, f := range h {
		m.AppendHeader(sip.NewHeader(f.Name, f.Value))
	}
}
