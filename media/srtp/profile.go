// Package srtp encrypts, decrypts and authenticates RTP and RTCP in place, over the bytes of
// a datagram (RFC 3711, RFC 7714). Nothing that it does for a packet allocates, and what a
// stranger sends leaves no state behind: a stream is remembered once a packet of it has
// proved genuine. It does no I/O and holds no lock: a context belongs to one goroutine.
package srtp

import (
	"crypto/rand"
	"errors"
	"log/slog"
)

// Errors of a Receiver.
var (
	ErrMalformed = errors.New("srtp: malformed packet")
	ErrForged    = errors.New("srtp: packet not authentic")
	ErrReplayed  = errors.New("srtp: packet replayed or too old")
)

// Profile is a set of algorithms for one stream and its RTCP.
type Profile uint8

// The profiles by their names in SDP (RFC 4568 §6.2, RFC 7714 §14.1).
const (
	AESCM80  Profile = iota + 1 // AES_CM_128_HMAC_SHA1_80
	AESGCM                      // AEAD_AES_128_GCM
	AESCM32                     // AES_CM_128_HMAC_SHA1_32
	profiles = iota
)

// Profiles are all that there are, the one that most peers have first.
func Profiles() []Profile { return []Profile{AESCM80, AESGCM, AESCM32} }

// ProfileNamed finds a profile by its name in SDP; 0 if we have none of that name.
func ProfileNamed(name string) Profile {
	for _, p := range Profiles() {
		if p.String() == name {
			return p
		}
	}
	return 0
}

// String is the name in SDP.
func (p Profile) String() string {
	names := [...]string{"", "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_32"}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// KeySize is the length of master keys in bytes.
const KeySize = 16

// SaltSize is the length of the profile's master salts in bytes.
func (p Profile) SaltSize() int {
	if p == AESGCM {
		return 12
	}
	return 14
}

// Overhead is how many bytes a packet may grow by, RTCP included; buffers need room for it.
const Overhead = 20

// tag is the length of what authenticates an RTP packet, in bytes.
func (p Profile) tag() int {
	switch p {
	case AESGCM:
		return 16
	case AESCM32:
		return 4
	}
	return 10
}

// Master is a master key with its salt. It never shows in print. Two may be compared.
type Master struct {
	Profile Profile
	key     [KeySize]byte
	salt    [14]byte // of AESGCM the first 12
	mki     uint8    // bytes of a master key identifier behind each packet (RFC 3711 §3.1)
}

// NewMaster draws a key and a salt.
func NewMaster(p Profile) Master {
	m := Master{Profile: p}
	rand.Read(m.key[:]) // never fails
	rand.Read(m.salt[:p.SaltSize()])
	return m
}

// MasterOf takes a key and a salt as they were agreed on; false if a length is wrong. mki is
// the length of the master key identifier that its packets carry, 0 for none.
func MasterOf(p Profile, key, salt []byte, mki int) (Master, bool) {
	if p < 1 || p > profiles || len(key) != KeySize || len(salt) != p.SaltSize() || mki < 0 || mki > 128 {
		return Master{}, false
	}
	m := Master{Profile: p, mki: uint8(mki)}
	copy(m.key[:], key)
	copy(m.salt[:], salt)
	return m, true
}

// Secret is the key and the salt, one behind the other, for SDP and for nothing else.
func (m Master) Secret() []byte {
	return append(append([]byte(nil), m.key[:]...), m.salt[:m.Profile.SaltSize()]...)
}

// String hides the secret.
func (m Master) String() string { return m.Profile.String() + " (secret)" }

// GoString hides the secret.
func (m Master) GoString() string { return m.String() }

// LogValue hides the secret.
func (m Master) LogValue() slog.Value { return slog.StringValue(m.String()) }
