package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
	"tandem/b2bua/transport"
	"tandem/media"
	"tandem/media/hear"
	"tandem/media/wav"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, cert, key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue writes a certificate of the loopback address and its key.
func (a *authority) issue(cert, key string) {
	a.t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, about, a.cert, &secret.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		a.t.Fatal(err)
	}
	write(a.t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(a.t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// everyTransport is a server that listens on all transports, as its file says.
func everyTransport(t *testing.T, dir string, ca *authority) (s *served, at map[string]string) {
	t.Helper()
	ca.issue(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	write(t, filepath.Join(dir, "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})))
	protos := []string{"udp", "tcp", "tls", "ws", "wss"}
	file := write(t, filepath.Join(dir, "tandem.toml"), `
[server]
data = "data"
[sip]
listen = ["`+strings.Join(protos, `://127.0.0.1:0", "`)+`://127.0.0.1:0"]
tls_cert = "cert.pem"
tls_key = "key.pem"
tls_ca = "ca.pem"
[http]
listen = "127.0.0.1:0"
[[user]]
name = "1001"
password = "first"
[[user]]
name = "1002"
password = "second"
`)
	s = &served{t: t, stdout: newOutput(), stderr: newOutput(), signals: make(chan os.Signal, 4), exit: make(chan int, 1)}
	go func() { s.exit <- run([]string{"serve", "-c", file}, s.stdout, s.stderr, s.signals) }()
	t.Cleanup(s.kill)
	found := s.await(s.stdout, `(?m)^ready sip=udp://(\S+),tcp://(\S+),tls://(\S+),ws://(\S+),wss://(\S+) http=(\S+)$`)
	s.http, at = "http://"+found[6], map[string]string{}
	for i, p := range protos {
		at[p] = found[i+1]
	}
	return s, at
}

// registeredOver is a phone that has registered over a transport.
func registeredOver(ctx context.Context, t *testing.T, user, password, proto, addr string, security *transport.Security) *phone.Phone {
	t.Helper()
	p, err := phone.New(phone.Options{User: user, Password: password, Server: "sip:" + addr + ";transport=" + proto, Security: security})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if err := p.Register(ctx); err != nil {
		t.Fatalf("%s over %s: %v", user, proto, err)
	}
	return p
}

func sings(t *testing.T, c *phone.Call, hz int) {
	t.Helper()
	tone, err := media.ParseTone(fmt.Sprintf("tone:%d", hz))
	if err != nil {
		t.Fatal(err)
	}
	c.Session().Play([]media.Source{tone}, media.PlayOptions{Loop: -1})
}

// hears fails unless what comes is one tone. It tries for a while: the first sounds of a call
// may be of both sides finding each other.
func hears(t *testing.T, c *phone.Call, hz float64) {
	t.Helper()
	var got hear.Peak
	for range 10 {
		path := filepath.Join(t.TempDir(), "heard.wav")
		rec, err := c.Record(path)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond) // the sound itself takes that long
		rec.Stop()
		<-rec.Done()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		audio, err := wav.Decode(path, f, time.Minute)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got = hear.Tone(audio.PCM, audio.Rate); got.Hz > hz-5 && got.Hz < hz+5 && got.Share > 0.9 {
			return
		}
	}
	t.Errorf("heard %+v, want %v Hz", got, hz)
}

// TestCallsOverEveryTransport: two phones register over a transport of `[sip] listen` and call
// each other; each hears the other, holds, and hangs up.
func TestCallsOverEveryTransport(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir, ca := t.TempDir(), newAuthority(t)
	s, at := everyTransport(t, dir, ca)
	believing, err := transport.NewSecurity(nil, nil, ca.pool())
	if err != nil {
		t.Fatal(err)
	}
	ca.issue(filepath.Join(dir, "phone.pem"), filepath.Join(dir, "phone.key"))
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "phone.pem"), filepath.Join(dir, "phone.key"))
	if err != nil {
		t.Fatal(err)
	}
	showing, err := transport.NewSecurity(&pair, nil, ca.pool())
	if err != nil {
		t.Fatal(err)
	}
	for i, proto := range []string{"udp", "tcp", "tls", "ws", "wss"} {
		// A client's certificate is welcome and not needed.
		a := registeredOver(ctx, t, "1001", "first", proto, at[proto], showing)
		b := registeredOver(ctx, t, "1002", "second", proto, at[proto], believing)
		caller, callee := call(ctx, t, a, b)
		hears(t, caller, 880)
		hears(t, callee, 440)
		if err := callee.Hold(ctx); err != nil {
			t.Errorf("%s: hold: %v", proto, err)
		}
		if err := callee.Resume(ctx); err != nil {
			t.Errorf("%s: resume: %v", proto, err)
		}
		hears(t, caller, 880)
		leaver, left := caller, callee
		if i%2 == 1 {
			leaver, left = callee, caller
		}
		if err := leaver.Hangup(ctx); err != nil {
			t.Errorf("%s: %v", proto, err)
		}
		select {
		case <-left.Done():
		case <-ctx.Done():
			t.Fatalf("%s: the other side was not hung up", proto)
		}
		for _, p := range []*phone.Phone{a, b} {
			if err := p.Unregister(ctx); err != nil {
				t.Errorf("%s: %v", proto, err)
			}
		}
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}

// call connects two phones; the caller plays 440 Hz, the callee 880 Hz.
func call(ctx context.Context, t *testing.T, a, b *phone.Phone) (caller, callee *phone.Call) {
	t.Helper()
	dialled := make(chan error, 1)
	go func() {
		var err error
		caller, err = a.Dial(ctx, "sip:1002@tandem", phone.DialOptions{})
		dialled <- err
	}()
	callee, err := b.Accept(ctx)
	if err == nil {
		err = callee.Answer()
	}
	if err == nil {
		err = <-dialled
	}
	if err != nil {
		t.Fatal(err)
	}
	sings(t, caller, 440)
	sings(t, callee, 880)
	return caller, callee
}

// TestCertificateIsRenewedDuringACall: connections that stand go on, new ones see the new one.
func TestCertificateIsRenewedDuringACall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir, old, fresh := t.TempDir(), newAuthority(t), newAuthority(t)
	s, at := everyTransport(t, dir, old)
	trusting := func(ca *authority) *transport.Security {
		security, err := transport.NewSecurity(nil, nil, ca.pool())
		if err != nil {
			t.Fatal(err)
		}
		return security
	}
	a := registeredOver(ctx, t, "1001", "first", "tls", at["tls"], trusting(old))
	b := registeredOver(ctx, t, "1002", "second", "wss", at["wss"], trusting(old))
	caller, callee := call(ctx, t, a, b)
	hears(t, caller, 880)
	fresh.issue(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if code, stdout, stderr := s.api("reload"); code != 0 || !strings.Contains(stdout, "sip.tls_cert renewed") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	late, err := phone.New(phone.Options{User: "1001", Password: "first", Server: "sip:" + at["tls"] + ";transport=tls", Security: trusting(old)})
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if err := late.Register(ctx); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("the old certificate is still shown: %v", err)
	}
	registeredOver(ctx, t, "1001", "first", "tls", at["tls"], trusting(fresh))
	if err := caller.Hold(ctx); err != nil { // over the connection that was there before
		t.Error(err)
	}
	if err := caller.Resume(ctx); err != nil {
		t.Error(err)
	}
	hears(t, callee, 440)
	if err := callee.Hangup(ctx); err != nil {
		t.Error(err)
	}
	select {
	case <-caller.Done():
	case <-ctx.Done():
		t.Error("the caller was not hung up")
	}
}
