package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// selfSigned writes a certificate for name, which is its own authority, and its key.
func selfSigned(t *testing.T, dir, name string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, filepath.Join(dir, "cert.pem"), string(text))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

const optionsText = "OPTIONS sip:%[2]s SIP/2.0\r\nVia: SIP/2.0/%[1]s phone.invalid;branch=z9hG4bK1;rport\r\nFrom: <sip:a@%[2]s>;tag=1\r\n" +
	"To: <sip:%[2]s>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"

// optionsOverTLS asks the server over TLS and verifies that it is name.
func optionsOverTLS(addr, name string, pool *x509.CertPool) error {
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, RootCAs: pool})
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, optionsText, "TLS", name)
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "SIP/2.0 200") {
		return fmt.Errorf("answered %q: %w", line, err)
	}
	return nil
}

func optionsOverWSS(addr, name, origin string, pool *x509.CertPool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{ServerName: name, RootCAs: pool}}}
	ws, res, err := websocket.Dial(ctx, "wss://"+addr, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: http.Header{"Origin": {origin}}, Subprotocols: []string{"sip"}})
	if err != nil {
		if res != nil {
			body, _ := io.ReadAll(res.Body)
			err = fmt.Errorf("%s: %w", body, err)
		}
		return err
	}
	defer func() { _ = ws.CloseNow() }()
	if err := ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, optionsText, "WSS", name)); err != nil {
		return err
	}
	_, b, err := ws.Read(ctx)
	if err != nil || !strings.HasPrefix(string(b), "SIP/2.0 200") {
		return fmt.Errorf("answered %q: %w", b, err)
	}
	return nil
}

func TestTLSAndCertificateReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "tandem.toml")
	base := "[sip]\ntls_cert = 'cert.pem'\ntls_key = 'key.pem'\n"
	write(t, file, base)
	old := selfSigned(t, dir, "old.example.com")
	s := serve(t, "-c", file, "--data", filepath.Join(dir, "data"), "--sip", "tls://127.0.0.1:0", "--sip", "wss://127.0.0.1:0")
	at := regexp.MustCompile(`tls://(\S+?),wss://(\S+) `).FindStringSubmatch(s.stdout.String())
	if at == nil {
		t.Fatalf("ready line: %s", s.stdout)
	}
	s.await(s.stderr, `the certificate of sip.tls_cert ends soon`) // in two days
	if err := optionsOverTLS(at[1], "old.example.com", old); err != nil {
		t.Error(err)
	}
	if err := optionsOverWSS(at[2], "old.example.com", "https://"+at[2], old); err != nil {
		t.Error(err)
	}
	if err := optionsOverWSS(at[2], "old.example.com", "https://app.example.com", old); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a page from elsewhere: %v", err)
	}

	fresh := selfSigned(t, dir, "new.example.com")
	write(t, file, base+"ws_origins = ['https://app.example.com']\n")
	code, stdout, stderr := s.api("reload")
	if code != 0 || !strings.Contains(stdout, "in force: sip.ws_origins, sip.tls_cert renewed\n") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	if err := optionsOverTLS(at[1], "new.example.com", fresh); err != nil {
		t.Error(err)
	}
	if err := optionsOverWSS(at[2], "new.example.com", "https://app.example.com", fresh); err != nil {
		t.Error(err)
	}

	// A certificate that does not fit its key changes nothing, wherever it is noticed.
	write(t, filepath.Join(dir, "key.pem"), "nonsense")
	code, _, stderr = s.api("reload")
	if code != 1 {
		t.Errorf("exit %d, %q", code, stderr)
	}
	mustContain(t, "reload", stderr, file+":2: sip.tls_cert: ", "stay in force")
	code, stdout, _ = command("check", "-c", file)
	if code != 1 {
		t.Errorf("check: exit %d", code)
	}
	mustContain(t, "check", stdout, file+":2: sip.tls_cert: ")
	write(t, file, "[sip]\ntls_cert = 'none.pem'\ntls_key = 'key.pem'\n")
	_, stdout, _ = command("check", "-c", file)
	mustContain(t, "check", stdout, file+":2: sip.tls_cert: "+filepath.Join(dir, "none.pem")+": no such file or directory")
	if err := optionsOverTLS(at[1], "new.example.com", fresh); err != nil {
		t.Error(err)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}
