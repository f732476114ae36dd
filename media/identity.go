package media

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"tandem/media/sdp"
)

// identity is the certificate that we show in DTLS. Nobody signs it: the peer knows it by its
// fingerprint in the SDP (RFC 5763 §5). It is made at the start and never kept.
type identity struct {
	certificate tls.Certificate
	fingerprint sdp.Fingerprint
}

func newIdentity(now time.Time) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("media: DTLS key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return nil, fmt.Errorf("media: DTLS certificate: %w", err)
	}
	what := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "media"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, what, what, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("media: DTLS certificate: %w", err)
	}
	sum := sha256.Sum256(der)
	return &identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: crypto.PrivateKey(key)},
		fingerprint: sdp.Fingerprint{Hash: "sha-256", Value: sum[:]},
	}, nil
}

var errFingerprint = errors.New("the peer's certificate is not the one that its SDP names")

// isOneOf tells whether a certificate has one of the fingerprints. RFC 8122 §5: those with a
// hash that is weak, or not known, count for nothing.
func isOneOf(der []byte, list []sdp.Fingerprint) error {
	for _, f := range list {
		var sum []byte
		switch f.Hash {
		case "sha-256":
			s := sha256.Sum256(der)
			sum = s[:]
		case "sha-384":
			s := sha512.Sum384(der)
			sum = s[:]
		case "sha-512":
			s := sha512.Sum512(der)
			sum = s[:]
		default:
			continue
		}
		if subtle.ConstantTimeCompare(sum, f.Value) == 1 {
			return nil
		}
	}
	return errFingerprint
}

// strong are the fingerprints that isOneOf would look at.
func strong(list []sdp.Fingerprint) []sdp.Fingerprint {
	var out []sdp.Fingerprint
	for _, f := range list {
		switch f.Hash {
		case "sha-256", "sha-384", "sha-512":
			out = append(out, f)
		}
	}
	return out
}
