package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for a test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	a.cert, _ = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority " + rand.Text()}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, a.key)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(c *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, []byte) {
	a.t.Helper()
	a.n++
	c.SerialNumber = big.NewInt(a.n)
	// A synctest bubble lives at the beginning of the year 2000.
	c.NotBefore, c.NotAfter = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), time.Now().Add(24*time.Hour)
	if c.NotAfter.Year() == 2000 {
		c.NotAfter = c.NotAfter.AddDate(1, 0, 0)
	}
	parent := a.cert
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, der
}

// issue makes a certificate for names: addresses, host names, or "sip:" URIs.
func (a *authority) issue(names ...string) *tls.Certificate {
	a.t.Helper()
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "test"}, KeyUsage: x509.KeyUsageDigitalSignature}
	for _, name := range names {
		if ip, err := netip.ParseAddr(name); err == nil {
			c.IPAddresses = append(c.IPAddresses, ip.AsSlice())
		} else if strings.HasPrefix(name, "sip:") {
			u, err := url.Parse(name)
			if err != nil {
				a.t.Fatal(err)
			}
			c.URIs = append(c.URIs, u)
		} else {
			c.DNSNames = append(c.DNSNames, name)
		}
	}
	key := newKey(a.t)
	_, der := a.sign(c, key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// security shows a certificate for names, and believes the authority about hosts and clients.
func (a *authority) security(names ...string) *Security {
	a.t.Helper()
	s, err := NewSecurity(a.issue(names...), a.pool(), a.pool())
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

// client is the TLS configuration of a peer that believes the authority.
func (a *authority) client(host string, certs ...*tls.Certificate) *tls.Config {
	c := &tls.Config{RootCAs: a.pool(), ServerName: host}
	for _, cert := range certs {
		c.Certificates = append(c.Certificates, *cert)
	}
	return c
}

// files writes a certificate, its key and the authority as PEM files.
func (a *authority) files(cert *tls.Certificate) (certFile, keyFile, caFile string) {
	a.t.Helper()
	dir := a.t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		a.t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", cert.Certificate[0]), write("key.pem", "PRIVATE KEY", key),
		write("ca.pem", "CERTIFICATE", a.cert.Raw)
}

func TestLoadSecurity(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key, ca := a.files(a.issue("example.com"))
	_, other, _ := a.files(a.issue("example.com"))
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ cert, key, ca, want string }{
		{"", "", "", ""},
		{cert, key, "", ""},
		{cert, key, ca, ""},
		{"", "", ca, ""},
		{cert + "x", key, "", "no such file"},
		{cert, key + "x", "", "no such file"},
		{cert, other, "", "does not match"},
		{empty, key, "", "failed to find any PEM data"},
		{cert, key, ca + "x", "no such file"},
		{cert, key, empty, "no certificate in it"},
	} {
		s, err := LoadSecurity(c.cert, c.key, c.ca)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && (c.cert == "") != s.Expires().IsZero() {
			t.Errorf("%+v: expires %v", c, s.Expires())
		}
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, c := range []struct {
		names, host string
		want        bool
	}{
		{"example.com", "example.com", true},
		{"example.com", "EXAMPLE.com.", true},
		{"example.com", "sip.example.com", false},
		{"sip:example.com", "example.com", true}, // RFC 5922 §7.1
		{"sip:alice@example.com", "example.com", false},
		{"sip:example.com", "alice@example.com", false},
		{"*.carrier.example", "eu.carrier.example", true},
		{"*.carrier.example", "carrier.example", false},
		{"*.carrier.example", "a.eu.carrier.example", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::1", true},
		{"example.com", "", false},
		{"other.example sip:example.com", "example.com", true},
	} {
		cert, err := x509.ParseCertificate(a.issue(strings.Fields(c.names)...).Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := covers(cert, c.host); got != c.want {
			t.Errorf("a certificate for %s covers %s: %v", c.names, c.host, got)
		}
	}
}
