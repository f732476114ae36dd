package transport

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// parseVia reads the value of a Via line, which may hold several hops (RFC 3261 §20.42,
// RFC 5118 for IPv6). sipgo's own parser takes neither space around the slashes nor a list
// whose first hop has no parameters. With an error, it gives the hops before the one at fault.
func parseVia(text string) ([]*sip.ViaHeader, error) {
	var out []*sip.ViaHeader
	for _, hop := range splitQuoted(text, ',') {
		via, err := parseHop(hop)
		if err != nil {
			return out, err
		}
		out = append(out, via)
	}
	return out, nil
}

func parseHop(text string) (*sip.ViaHeader, error) {
	name, rest, ok1 := strings.Cut(text, "/")
	version, rest, ok2 := strings.Cut(rest, "/")
	rest = strings.TrimLeft(rest, " \t")
	space := strings.IndexAny(rest, " \t")
	if !ok1 || !ok2 || space < 1 {
		return nil, fmt.Errorf("malformed Via %.60q", text)
	}
	via := &sip.ViaHeader{
		ProtocolName:    strings.TrimSpace(name),
		ProtocolVersion: strings.TrimSpace(version),
		Transport:       rest[:space],
	}
	fields := splitQuoted(rest[space:], ';')
	if err := parseSentBy(strings.TrimSpace(fields[0]), via); err != nil {
		return nil, err
	}
	if len(fields) > 1 {
		via.Params = make(sip.HeaderParams, 0, len(fields)+1)
	}
	for _, field := range fields[1:] {
		key, value, _ := strings.Cut(field, "=")
		if key = strings.ToLower(strings.TrimSpace(key)); key != "" {
			via.Params.Add(key, strings.TrimSpace(value))
		}
	}
	return via, nil
}

func parseSentBy(text string, via *sip.ViaHeader) error {
	host, port, hasPort := text, "", false
	if strings.HasPrefix(text, "[") {
		inside, after, closed := strings.Cut(text[1:], "]")
		a, err := netip.ParseAddr(inside)
		if !closed || err != nil || !a.Is6() {
			return fmt.Errorf("malformed Via host %.60q", text)
		}
		if host = inside; a.Is4In6() {
			host = "[" + inside + "]" // RFC 5118 §4.9; sipgo writes the brackets of other addresses only
		}
		_, port, hasPort = strings.Cut(after, ":")
	} else {
		host, port, hasPort = strings.Cut(text, ":")
		host = strings.TrimSpace(host)
	}
	if host == "" || strings.ContainsAny(host, " \t\"<>@") {
		return fmt.Errorf("malformed Via host %.60q", text)
	}
	if hasPort {
		n, err := strconv.ParseUint(strings.TrimSpace(port), 10, 16)
		if err != nil {
			return fmt.Errorf("malformed Via port %.60q", text)
		}
		via.Port = int(n)
	}
	via.Host = host
	return nil
}

// splitQuoted cuts s at each sep that is not inside a quoted string.
func splitQuoted(s string, sep byte) []string {
	var out []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == sep:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// unbracket takes the brackets off an IPv6 host; sipgo's URIs keep them.
func unbracket(host string) string {
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}
