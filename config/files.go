package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
)

// CheckFiles reads the certificates that the configuration names. It is not part of Load:
// whoever may read the configuration need not be one who may read the key.
func (c *Config) CheckFiles() error {
	p := &problems{file: c.file, lines: c.lines}
	cert := p.read("sip.tls_cert", c.SIP.TLSCert)
	key := p.read("sip.tls_key", c.SIP.TLSKey)
	if cert != nil && key != nil {
		if _, err := tls.X509KeyPair(cert, key); err != nil {
			p.addf("sip.tls_cert", "%s with %s: %v", c.SIP.TLSCert, c.SIP.TLSKey, err)
		}
	}
	if ca := p.read("sip.tls_ca", c.SIP.TLSCA); ca != nil && !x509.NewCertPool().AppendCertsFromPEM(ca) {
		p.addf("sip.tls_ca", "%s holds no certificate", c.SIP.TLSCA)
	}
	if ca := p.read("mail.tls_ca", c.Mail.TLSCA); ca != nil && !x509.NewCertPool().AppendCertsFromPEM(ca) {
		p.addf("mail.tls_ca", "%s holds no certificate", c.Mail.TLSCA)
	}
	return p.err()
}

// read gives a file's content; nil when there is no such file, which it notes.
func (p *problems) read(key string, path Path) []byte {
	if path == "" {
		return nil
	}
	b, err := os.ReadFile(string(path))
	if err == nil {
		return b
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	p.addf(key, "%s: %v", path, err)
	return nil
}
