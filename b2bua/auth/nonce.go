package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"tandem/clock"
)

const (
	nonceTime   = 8 // bytes: milliseconds since 1970
	nonceRandom = 8 // bytes that keep two nonces of one millisecond apart
	nonceMac    = 16
	nonceSize   = nonceTime + nonceRandom + nonceMac
)

// nonces are time, random bytes and a MAC over both, so that a challenge costs no memory.
type nonces struct {
	key      []byte
	clock    clock.Clock
	lifetime time.Duration
}

func (n nonces) make() string {
	var b [nonceSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(n.clock.Now().UnixMilli()))
	_, _ = rand.Read(b[nonceTime : nonceTime+nonceRandom]) // crypto/rand.Read never fails
	copy(b[nonceTime+nonceRandom:], n.mac(b[:nonceTime+nonceRandom]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// fresh tells whether nonce is ours and young enough. One from the future is
// ours as well, when the machine's clock was set back, but within a lifetime.
func (n nonces) fresh(nonce string) bool {
	var b [nonceSize]byte
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceSize) {
		return false
	}
	if _, err := base64.RawURLEncoding.Decode(b[:], []byte(nonce)); err != nil {
		return false
	}
	if !hmac.Equal(n.mac(b[:nonceTime+nonceRandom]), b[nonceTime+nonceRandom:]) {
		return false
	}
	age := n.clock.Now().Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(b[:]))))
	return age.Abs() <= n.lifetime
}

func (n nonces) mac(data []byte) []byte {
	h := hmac.New(sha256.New, n.key)
	h.Write(data)
	return h.Sum(nil)[:nonceMac]
}
