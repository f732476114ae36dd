package srtp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"hash"
)

// Labels of the key derivation (RFC 3711 §4.3.2).
const (
	labelRTP  = 0 // encryption; +1 authentication, +2 salt
	labelRTCP = 3
)

// session is the cipher of one direction of RTP, or of its RTCP. The arrays are scratch:
// what is handed to an interface must not be made anew for each packet.
type session struct {
	block cipher.Block // AES-CM
	mac   hash.Hash
	aead  cipher.AEAD // GCM; else nil
	salt  [14]byte

	iv   [16]byte
	pad  [16]byte
	word [12]byte
	sum  [sha1.Size]byte
}

func newSession(m Master, label byte) *session {
	s := &session{}
	copy(s.salt[:], derive(m, label+2, len(s.salt)))
	block, err := aes.NewCipher(derive(m, label, KeySize))
	if err != nil {
		panic(err) // of a key of another length only
	}
	if m.Profile == AESGCM {
		if s.aead, err = cipher.NewGCM(block); err != nil {
			panic(err) // of a block of another size only
		}
		s.salt[12], s.salt[13] = 0, 0 // RFC 7714 §12: its salts have 96 bits
		return s
	}
	s.block = block
	s.mac = hmac.New(sha1.New, derive(m, label+1, sha1.Size))
	return s
}

// derive makes a session key: RFC 3711 §4.3.3, with a key derivation rate of 0. RFC 7714 §11:
// a salt of 96 bits stands in the upper ones.
func derive(m Master, label byte, n int) []byte {
	block, err := aes.NewCipher(m.key[:])
	if err != nil {
		panic(err) // of a key of another length only
	}
	var x [16]byte
	copy(x[:], m.salt[:])
	x[7] ^= label
	out := make([]byte, (n+15)/16*16)
	for i := 0; i < len(out); i += 16 {
		binary.BigEndian.PutUint16(x[14:], uint16(i/16))
		block.Encrypt(out[i:], x[:])
	}
	return out[:n]
}

// counter sets the IV of AES in counter mode (RFC 3711 §4.1.1).
func (s *session) counter(ssrc uint32, index uint64) {
	copy(s.iv[:], s.salt[:])
	xor32(s.iv[4:], ssrc)
	xor32(s.iv[8:], uint32(index>>16))
	s.iv[12] ^= byte(index >> 8)
	s.iv[13] ^= byte(index)
}

// xor encrypts or decrypts b in counter mode, from the counter on.
func (s *session) xor(b []byte) {
	for n := uint16(0); len(b) > 0; n++ {
		binary.BigEndian.PutUint16(s.iv[14:], n)
		s.block.Encrypt(s.pad[:], s.iv[:])
		k := subtle.XORBytes(b, b, s.pad[:])
		b = b[k:]
	}
}

// digest authenticates b, followed by word: all 20 bytes of it. It is good until the next.
func (s *session) digest(b, word []byte) []byte {
	s.mac.Reset()
	s.mac.Write(b)
	s.mac.Write(word)
	return s.mac.Sum(s.sum[:0])
}

// nonceRTP sets the IV of GCM for RTP (RFC 7714 §8.1) and returns it.
func (s *session) nonceRTP(ssrc uint32, index uint64) []byte {
	copy(s.iv[:12], s.salt[:12])
	xor32(s.iv[2:], ssrc)
	xor32(s.iv[6:], uint32(index>>16))
	s.iv[10] ^= byte(index >> 8)
	s.iv[11] ^= byte(index)
	return s.iv[:12]
}

// nonceRTCP sets the IV of GCM for RTCP (RFC 7714 §9.1) and returns it.
func (s *session) nonceRTCP(ssrc, index uint32) []byte {
	copy(s.iv[:12], s.salt[:12])
	xor32(s.iv[2:], ssrc)
	xor32(s.iv[8:], index)
	return s.iv[:12]
}

func xor32(b []byte, v uint32) {
	binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)^v)
}
