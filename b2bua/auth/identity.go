// Package auth decides who is calling: digest on both sides (RFC 7616, RFC 8760)
// and an access list of addresses. It keeps no table of anything seen on the
// network, so a flood costs it no memory; time comes from a clock passed in.
package auth

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"log/slog"
	"strings"
)

// Identity is what is known about the source of a request.
type Identity struct {
	Trusted bool   // the access list lets it call without being a user or a trunk
	User    string // the user whose credentials were right, or whose flow it came over
	Trunk   string // the trunk whose addresses it came from
}

// Algorithm is a digest algorithm by its name on the wire, RFC 8760 §2.3.
type Algorithm string

const (
	MD5    Algorithm = "MD5"
	SHA256 Algorithm = "SHA-256"
)

// ParseAlgorithm reads a name in any case, as configuration and challenges write it.
func ParseAlgorithm(name string) (Algorithm, bool) {
	switch {
	case strings.EqualFold(name, string(SHA256)):
		return SHA256, true
	case strings.EqualFold(name, string(MD5)):
		return MD5, true
	}
	return "", false
}

func (a Algorithm) hash() hash.Hash {
	if a == SHA256 {
		return sha256.New()
	}
	return md5.New()
}

// digest is H(parts joined by ":") in lower-case hex, RFC 7616 §3.3.
func (a Algorithm) digest(parts ...string) string {
	h := a.hash()
	for i, p := range parts {
		if i > 0 {
			h.Write([]byte{':'})
		}
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Credential is what the server keeps of a user's password: H(user:realm:password)
// by algorithm, in lower-case hex. It is as good as the password in that realm,
// so it does not print.
type Credential struct {
	User, Display string
	HA1           map[Algorithm]string
}

// NewCredential makes the credential of a user for every algorithm.
func NewCredential(user, realm, password string) Credential {
	return Credential{User: user, HA1: map[Algorithm]string{
		MD5:    MD5.digest(user, realm, password),
		SHA256: SHA256.digest(user, realm, password),
	}}
}

// String names the user only.
func (c Credential) String() string { return c.User }

// GoString names the user only.
func (c Credential) GoString() string { return c.User }

// LogValue names the user only.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.User) }
