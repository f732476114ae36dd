package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Security is the certificate that we show and the authorities that we believe.
type Security struct {
	leaf   *x509.Certificate // nil: we have none to show
	server *tls.Config
	client *tls.Config
	roots  *x509.CertPool // of the hosts that we dial; nil: the system's
}

// NewSecurity makes the settings of TLS connections. cert is what listeners show, and what we
// show when a host that we dial asks for it; nil for none. With clients, those who connect are
// asked for a certificate, which they may leave out but which must come from one of these
// authorities. roots are believed about the hosts that we dial; nil for the system's.
func NewSecurity(cert *tls.Certificate, clients, roots *x509.CertPool) (*Security, error) {
	t := &Security{roots: roots}
	t.server = &tls.Config{MinVersion: tls.VersionTLS12}
	t.client = &tls.Config{MinVersion: tls.VersionTLS12}
	if clients != nil {
		t.server.ClientAuth, t.server.ClientCAs = tls.VerifyClientCertIfGiven, clients
	}
	if cert == nil {
		return t, nil
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, err
	}
	t.leaf = leaf
	t.server.Certificates = []tls.Certificate{*cert}
	t.client.Certificates = []tls.Certificate{*cert}
	return t, nil
}

// LoadSecurity reads a certificate with its chain, its key, and the certificates of
// authorities, all PEM files. cert and key may both be "", and so may ca. The authorities are
// believed about clients, and beside the system's about the hosts that we dial.
func LoadSecurity(cert, key, ca string) (*Security, error) {
	var pair *tls.Certificate
	if cert != "" || key != "" {
		p, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", cert, key, err)
		}
		pair = &p
	}
	if ca == "" {
		return NewSecurity(pair, nil, nil)
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("authorities: %w", err)
	}
	clients := x509.NewCertPool()
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !clients.AppendCertsFromPEM(pem) || !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("authorities %s: no certificate in it", ca)
	}
	return NewSecurity(pair, clients, roots)
}

// Expires is when our certificate does; zero without one.
func (t *Security) Expires() time.Time {
	if t.leaf == nil {
		return time.Time{}
	}
	return t.leaf.NotAfter
}

// Equal tells whether both show the same certificate.
func (t *Security) Equal(o *Security) bool {
	if t.leaf == nil || o.leaf == nil {
		return t.leaf == o.leaf
	}
	return t.leaf.Equal(o.leaf)
}

// Security is what SetSecurity or Options gave.
func (l *Layer) Security() *Security { return l.security.Load() }

// SetSecurity replaces certificate and authorities for connections made from now on.
func (l *Layer) SetSecurity(t *Security) { l.security.Store(t) }

// serverTLS picks the settings anew for each connection, so that SetSecurity reaches listeners.
func (l *Layer) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return l.security.Load().server, nil
		},
	}
}

// dialTLS is for a connection to host, the one that the URI names (RFC 5922 §4).
func (t *Security) dialTLS(host string) *tls.Config {
	c := t.client.Clone()
	c.ServerName = host
	// Go's own check knows no SIP identities; verify does all of it.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(s tls.ConnectionState) error { return t.verify(s, host) }
	return c
}

// verify checks the certificate of a host that we dialled.
func (t *Security) verify(s tls.ConnectionState, host string) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("no certificate")
	}
	leaf := s.PeerCertificates[0]
	o := x509.VerifyOptions{Roots: t.roots, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(o); err != nil {
		return err
	}
	if !covers(leaf, host) {
		return fmt.Errorf("the certificate is not for %s", host)
	}
	return nil
}

// covers tells whether a certificate names host.
//
// RFC 5922 §7.1: a sip URI without a user names a domain, and so does a DNS name. Against its
// §7.2, which is older than RFC 9525, a wildcard stands for one label: large carriers have
// nothing else.
func covers(cert *x509.Certificate, host string) bool {
	host = strings.TrimSuffix(host, ".")
	if host == "" {
		return false
	}
	for _, u := range cert.URIs {
		if strings.EqualFold(u.Scheme, "sip") && strings.EqualFold(u.Opaque, host) {
			return true
		}
	}
	return cert.VerifyHostname(host) == nil
}

// hostOf is the name to verify: the target's, or its address when it came without one.
func (t Target) hostOf() string {
	if t.Host != "" {
		return unbracket(t.Host)
	}
	return t.Addr.Addr().Unmap().String()
}
