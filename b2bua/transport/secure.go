package transport

import (
	"context"
	"crypto/tls"
	"fmt"
)

// secure tells whether the protocol runs over TLS.
func (p Proto) secure() bool { return p == TLS || p == WSS }

// acceptTLS is the server's handshake. The connection's timer bounds it.
func (c *conn) acceptTLS() error {
	t := tls.Server(c.raw, c.l.serverTLS())
	if err := t.Handshake(); err != nil {
		return err
	}
	c.nc = t
	if chains := t.ConnectionState().VerifiedChains; len(chains) > 0 {
		c.far = chains[0][0]
	}
	return nil
}

// dialTLS is the client's handshake with c.host.
func (c *conn) dialTLS(ctx context.Context) error {
	s := c.l.security.Load()
	cfg := s.dialTLS(c.host)
	cfg.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		for i := range cfg.Certificates {
			if r.SupportsCertificate(&cfg.Certificates[i]) == nil {
				c.shown = true
				return &cfg.Certificates[i], nil
			}
		}
		return &tls.Certificate{}, nil // none: the far end decides
	}
	t := tls.Client(c.raw, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	c.nc = t
	c.far = t.ConnectionState().PeerCertificates[0]
	return nil
}
