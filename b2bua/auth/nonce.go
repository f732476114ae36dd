package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"time"

	"tandem/clock"
)

const (
	nonceTime   = 8 // bytes: milliseconds since 1970
	nonceRandom = 8 // bytes that keep two nonces of one millisecond apart
	nonceMac    = 16
	nonceSize   = nonceTime + nonceRandom + nonceMac
)

// nonces are time, random bytes and a MAC over both and the address that asked, so that a
// challenge costs no memory and an answer proves that its sender receives there.
type nonces struct {
	key      []byte
	clock    clock.Clock
	lifetime time.Duration
}

// nonceID tells nonces apart: their time and random bytes.
type nonceID [nonceTime + nonceRandom]byte

func (id nonceID) issued() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:nonceTime])))
}

func (n nonces) make(to netip.Addr) string {
	var b [nonceSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(n.clock.Now().UnixMilli()))
	_, _ = rand.Read(b[nonceTime : nonceTime+nonceRandom]) // crypto/rand.Read never fails
	copy(b[nonceTime+nonceRandom:], n.mac(nonceID(b[:nonceTime+nonceRandom]), to))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// fresh tells whether nonce is ours, was given to from, and is young enough. One from the
// future is ours as well, when the machine's clock was set back, but within a lifetime.
func (n nonces) fresh(nonce string, from netip.Addr) (id nonceID, ok bool) {
	var b [nonceSize]byte
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceSize) {
		return id, false
	}
	if _, err := base64.RawURLEncoding.Decode(b[:], []byte(nonce)); err != nil {
		return id, false
	}
	id = nonceID(b[:nonceTime+nonceRandom])
	if !hmac.Equal(n.mac(id, from), b[nonceTime+nonceRandom:]) {
		return id, false
	}
	return id, n.clock.Now().Sub(id.issued()).Abs() <= n.lifetime
}

func (n nonces) mac(id nonceID, peer netip.Addr) []byte {
	h := hmac.New(sha256.New, n.key)
	h.Write(id[:])
	ip := peer.Unmap().As16()
	h.Write(ip[:])
	return h.Sum(nil)[:nonceMac]
}
