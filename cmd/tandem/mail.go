package main

import (
	"crypto/x509"
	"fmt"
	"os"

	"tandem/config"
	"tandem/scripting/mail"
)

// mailServer is who takes the scripts' mails.
func mailServer(c config.Mail) (mail.Server, error) {
	s := mail.Server{Host: c.Host, Port: c.Port, Username: c.Username, Password: string(c.Password), From: c.From, TLS: c.TLS, Timeout: c.Timeout.Std()}
	if c.TLSCA == "" {
		return s, nil
	}
	pem, err := os.ReadFile(string(c.TLSCA))
	if err != nil {
		return s, fmt.Errorf("mail.tls_ca: %w", err)
	}
	s.Roots = x509.NewCertPool()
	if !s.Roots.AppendCertsFromPEM(pem) {
		return s, fmt.Errorf("mail.tls_ca: %s holds no certificate", c.TLSCA)
	}
	return s, nil
}
