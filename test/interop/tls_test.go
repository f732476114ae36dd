//go:build interop

package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestScenarioTLS: Debian's SIPp speaks no TLS, so the caller is ours; it checks
// the certificate.
func TestScenarioTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots := selfSigned(t, dir)
	srv := serve(t, setup{
		dir:     dir,
		config:  "[sip]\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n",
		listen:  []string{"udp://127.0.0.1:0", "tls://127.0.0.1:0"},
		scripts: map[string]string{"50-main.lua": toPort},
	})
	far := sipp(t, "uas_basic.xml", netip.AddrPort{})
	tlsAddr := srv.sip[1].addr
	conn, err := tls.Dial("tcp", tlsAddr.String(), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	w := &wire{conn: conn}
	number, local := portOf(far.addr), conn.LocalAddr()
	headers := func() map[string]string {
		return map[string]string{
			"Via":     fmt.Sprintf("SIP/2.0/TLS %s;branch=z9hG4bK%s;rport", local, newID()),
			"From":    fmt.Sprintf("<sip:wire@%s>;tag=one", local),
			"Call-ID": "over-tls",
			"Contact": fmt.Sprintf("<sip:wire@%s;transport=tls>", local),
		}
	}
	m := w.ask(t, request{method: "INVITE", number: number, headers: headers(), body: offer("0")})
	answered(t, m, 200)
	target := strings.Trim(m.header("Contact"), "<>")
	if !strings.Contains(target, tlsAddr.String()) || !strings.Contains(strings.ToLower(target), "transport=tls") {
		t.Errorf("called over TLS at %v, the Contact is %s", tlsAddr, target)
	}
	inDialog := func(method, cseq string) request {
		h := headers()
		h["To"], h["CSeq"] = m.header("To"), cseq+" "+method
		return request{method: method, headers: h, line: method + " " + target + " SIP/2.0"}
	}
	w.send(t, w.text(inDialog("ACK", "1")))
	answered(t, w.ask(t, inDialog("BYE", "2")), 200)
	far.succeeds(t)
	talkedOver(t, srv.finished(t, 1)[0], "caller")
}

// selfSigned writes cert.pem and key.pem for 127.0.0.1 into dir.
func selfSigned(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certText := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	writeFile(t, filepath.Join(dir, "cert.pem"), string(certText))
	writeFile(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certText)
	return roots
}
