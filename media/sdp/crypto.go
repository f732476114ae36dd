package sdp

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// Crypto is an a=crypto line: a key for SRTP (RFC 4568 §9.1). Its secret must not be printed.
type Crypto struct {
	Tag    int
	Suite  string
	Secret []byte // key and salt
	MKI    int    // bytes of the master key identifier in each packet, 0 for none
}

// Cryptos reads the a=crypto lines that can be used, in their order: those with one inline key
// and with no parameter that changes how packets look.
func (m *Media) Cryptos() []Crypto {
	var list []Crypto
	for _, a := range m.Attributes {
		if a.Name != "crypto" {
			continue
		}
		if c, ok := parseCrypto(a.Value); ok {
			list = append(list, c)
		}
	}
	return list
}

// parseCrypto reads "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^31|1:4 WSH=64".
func parseCrypto(v string) (Crypto, bool) {
	f := strings.Fields(v)
	if len(f) < 3 {
		return Crypto{}, false
	}
	tag, ok := number(f[0], 999_999_999)
	if !ok || tag == 0 {
		return Crypto{}, false
	}
	for _, p := range f[3:] {
		if !harmless(p) {
			return Crypto{}, false
		}
	}
	method, info, _ := strings.Cut(f[2], ":")
	if !strings.EqualFold(method, "inline") || strings.Contains(info, ";") {
		return Crypto{}, false // of several keys each packet would name its own
	}
	c := Crypto{Tag: tag, Suite: f[1]}
	parts := strings.Split(info, "|")
	var err error
	if c.Secret, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[0], "=")); err != nil {
		return Crypto{}, false
	}
	for _, p := range parts[1:] { // a lifetime, an identifier, or both
		if _, size, isMKI := strings.Cut(p, ":"); isMKI {
			if c.MKI, ok = number(size, 128); !ok || c.MKI == 0 {
				return Crypto{}, false
			}
		}
	}
	return c, true
}

// harmless tells whether a session parameter leaves our packets as they are: a hint about the
// replay window, or one we do not know that says that it may be ignored (RFC 4568 §6.3).
func harmless(p string) bool {
	name, value, _ := strings.Cut(strings.TrimPrefix(p, "-"), "=")
	switch strings.ToUpper(name) {
	case "WSH":
		return true
	case "KDR":
		return value == "0"
	case "UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "FEC_ORDER", "FEC_KEY":
		return false
	}
	return strings.HasPrefix(p, "-")
}

// Attribute writes the line.
func (c Crypto) Attribute() Attribute {
	return Attribute{Name: "crypto", Value: strconv.Itoa(c.Tag) + " " + c.Suite + " inline:" +
		base64.StdEncoding.EncodeToString(c.Secret)}
}

// String hides the secret.
func (c Crypto) String() string { return strconv.Itoa(c.Tag) + " " + c.Suite + " (secret)" }

// GoString hides the secret.
func (c Crypto) GoString() string { return c.String() }
