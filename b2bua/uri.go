package b2bua

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"net/url"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// newID names a call in the records.
func newID() string { return strings.ToLower(rand.Text()[:20]) }

// newNumber is a random number that fits 31 bits, as a session id does everywhere.
func newNumber() string { return strconv.FormatUint(uint64(mathrand.Uint32()>>1), 10) }

// unescape undoes %xx in a user part; what cannot be undone stays as it is.
func unescape(user string) string {
	if u, err := url.PathUnescape(user); err == nil {
		return u
	}
	return user
}

// escape writes text as the user part of a URI (RFC 3261 §25.1 user).
func escape(user string) string {
	var b strings.Builder
	for i := range len(user) {
		c := user[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		const hex = "0123456789ABCDEF"
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// telNumber is the number of a tel URI, or "" (RFC 3966).
func telNumber(u *sip.Uri) string {
	if !strings.EqualFold(u.Scheme, "tel") {
		return ""
	}
	number, _, _ := strings.Cut(u.Raw(), ";")
	return strings.NewReplacer("-", "", ".", "", "(", "", ")", "").Replace(number)
}

// quotable makes a display name fit between the quotes that sipgo puts around it.
func quotable(display string) string {
	return strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' || r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, display)
}
