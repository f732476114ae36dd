package auth

import (
	"errors"
	"strings"
)

// ErrMalformed says that a header is not `Digest name=value, …`.
var ErrMalformed = errors.New("auth: malformed digest header")

const (
	maxHeader = 4096 // bytes of a header we look at
	maxParams = 32
)

// params are the parameters of a digest header, names in lower case, quotes and escapes gone.
type params map[string]string

// parseDigest reads a challenge or an answer, RFC 7616 §3.3 and §3.4. A header
// of another scheme is ErrMalformed, as is a parameter given twice.
func parseDigest(header string) (params, error) {
	if len(header) > maxHeader {
		return nil, ErrMalformed
	}
	scheme, rest, ok := strings.Cut(strings.TrimSpace(header), " ")
	if !ok || !strings.EqualFold(scheme, "Digest") {
		return nil, ErrMalformed
	}
	ps := make(params, 12)
	for {
		rest = strings.TrimLeft(rest, " \t,")
		if rest == "" {
			return ps, nil
		}
		name, value, after, ok := nextParam(rest)
		if _, twice := ps[name]; !ok || twice || len(ps) == maxParams {
			return nil, ErrMalformed
		}
		ps[name], rest = value, after
	}
}

// nextParam splits `name=token` or `name="quoted"` off s.
func nextParam(s string) (name, value, rest string, ok bool) {
	name, s, ok = strings.Cut(s, "=")
	name = strings.ToLower(strings.TrimRight(name, " \t"))
	if !ok || !isToken(name) {
		return "", "", "", false
	}
	s = strings.TrimLeft(s, " \t")
	if strings.HasPrefix(s, `"`) {
		value, rest, ok = unquote(s[1:])
	} else {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		value, rest = s[:end], s[end:]
		ok = value != "" && !strings.Contains(value, `"`)
	}
	if !ok {
		return "", "", "", false
	}
	rest = strings.TrimLeft(rest, " \t")
	return name, value, rest, rest == "" || rest[0] == ','
}

// unquote reads up to the closing quote; s begins behind the opening one.
func unquote(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quote(s string) string { return `"` + quoter.Replace(s) + `"` }

// isToken checks RFC 3261 §25.1's token.
func isToken(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-.!%*_+`'~", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// printable is false for what could break out of a header line.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// listHas finds a token in a comma-separated list, whatever the case.
func listHas(list, token string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(item), token) {
			return true
		}
	}
	return false
}
