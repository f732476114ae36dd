package auth

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	phone    = netip.MustParseAddr("192.0.2.1")
	stranger = netip.MustParseAddr("198.51.100.1")
)

// The worked example of RFC 7616 §3.9.1, and RFC 2617 §3.5 without and with qop.
func TestResponseOfTheRFCs(t *testing.T) {
	t.Parallel()
	rfc7616 := params{
		"uri": "/dir/index.html", "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
		"nc": "00000001", "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "qop": "auth",
	}
	rfc2617 := params{
		"uri": "/dir/index.html", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
		"nc": "00000001", "cnonce": "0a4f113b", "qop": "auth",
	}
	tests := []struct {
		a               Algorithm
		realm, password string
		ps              params
		want            string
	}{
		{MD5, "http-auth@example.org", "Circle of Life", rfc7616, "8ca523f5e9506fed4657c9700eebdbec"},
		{SHA256, "http-auth@example.org", "Circle of Life", rfc7616, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
		{MD5, "testrealm@host.com", "Circle Of Life", rfc2617, "6629fae49393a05397450978507c4ef1"},
	}
	for _, tt := range tests {
		ha1 := NewCredential("Mufasa", tt.realm, tt.password).HA1[tt.a]
		if got := tt.a.response(ha1, "GET", tt.ps, ""); got != tt.want {
			t.Errorf("%s in %s: %s, want %s", tt.a, tt.realm, got, tt.want)
		}
	}
}

func answer(t testing.TB, challenges []string, password string) string {
	t.Helper()
	h, err := Answer(challenges, "REGISTER", "sip:example.com", "1001", password, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestBothSidesAgree(t *testing.T) {
	t.Parallel()
	cred := NewCredential("1001", "example.com", `pa"ss\wörd`)
	for _, algorithms := range [][]Algorithm{nil, {MD5}, {SHA256}, {MD5, SHA256}} {
		d := NewDigest(DigestOptions{Realm: "example.com", Algorithms: algorithms})
		h := answer(t, d.Challenge(phone, false), `pa"ss\wörd`)
		if user, ok := d.Username(h); !ok || user != "1001" {
			t.Errorf("%v: user %q, %v", algorithms, user, ok)
		}
		if got := URI(h); got != "sip:example.com" {
			t.Errorf("%v: uri %q", algorithms, got)
		}
		if len(algorithms) != 1 && !strings.Contains(h, "algorithm=SHA-256") {
			t.Errorf("%v: answered %s", algorithms, h)
		}
		for _, tt := range []struct {
			method string
			cred   Credential
			found  bool
			want   Verdict
		}{
			{"REGISTER", cred, true, OK},
			{"INVITE", cred, true, Bad},
			{"REGISTER", NewCredential("1001", "example.com", "other"), true, Bad},
			{"REGISTER", cred, false, Bad},
			{"REGISTER", Credential{}, false, Bad},
			{"REGISTER", Credential{User: "1001"}, true, Bad},
			{"REGISTER", Credential{User: "1002", HA1: cred.HA1}, true, Bad},
		} {
			h := answer(t, d.Challenge(phone, false), `pa"ss\wörd`)
			if got := d.Verify(phone, tt.method, h, tt.cred, tt.found); got != tt.want {
				t.Errorf("%v %s found=%v: %v, want %v", algorithms, tt.method, tt.found, got, tt.want)
			}
		}
	}
}

func TestChallengeHeaders(t *testing.T) {
	t.Parallel()
	d := NewDigest(DigestOptions{Realm: `a "b" \c`})
	got := d.Challenge(phone, true)
	if len(got) != 2 {
		t.Fatalf("%d challenges, want 2", len(got))
	}
	for i, a := range []Algorithm{SHA256, MD5} {
		ps, err := parseDigest(got[i])
		if err != nil || ps["realm"] != `a "b" \c` || ps["algorithm"] != string(a) || ps["qop"] != "auth" || ps["stale"] != "true" {
			t.Errorf("challenge %d: %s (%v)", i, got[i], err)
		}
	}
	if only := d.Challenge(phone, false, MD5); len(only) != 1 || !strings.Contains(only[0], "algorithm=MD5") || strings.Contains(only[0], "stale") {
		t.Errorf("MD5 alone: %q", only)
	}
	if !WantsRetry(got) || WantsRetry(d.Challenge(phone, false)) {
		t.Error("stale is not seen by the client")
	}
}

func TestVerdictsOnOddHeaders(t *testing.T) {
	t.Parallel()
	d := NewDigest(DigestOptions{Realm: "r"})
	cred := NewCredential("u", "r", "p")
	nonce, old := d.nonces.make(phone), d.nonces.make(phone)
	tests := []struct {
		name, header string
		want         Verdict
	}{
		{"empty", "", Foreign},
		{"basic", "Basic dTpw", Foreign},
		{"other realm", `Digest username="u", realm="x", nonce="` + nonce + `", uri="s", response="0"`, Foreign},
		{"no response", `Digest username="u", realm="r", nonce="` + nonce + `", uri="s"`, Foreign},
		{"session algorithm", `Digest username="u", realm="r", nonce="` + nonce + `", uri="s", response="0", algorithm=MD5-sess`, Foreign},
		{"auth-int", `Digest username="u", realm="r", nonce="` + nonce + `", uri="s", response="0", qop=auth-int, nc=00000001, cnonce="c"`, Foreign},
		{"qop without nc", `Digest username="u", realm="r", nonce="` + nonce + `", uri="s", response="0", qop=auth, cnonce="c"`, Foreign},
		{"nc 0", `Digest username="u", realm="r", nonce="` + nonce + `", uri="s", response="0", qop=auth, nc=00000000, cnonce="c"`, Foreign},
		{"two responses", `Digest username="u", realm="r", nonce="` + nonce + `", uri="s", response="0", response="1"`, Foreign},
		{"made-up nonce", `Digest username="u", realm="r", nonce="abc", uri="s", response="0"`, Stale},
		{"forged nonce", `Digest username="u", realm="r", nonce="` + flipped(nonce) + `", uri="s", response="0"`, Stale},
		{"short response", `Digest username="u", realm="r", nonce="` + nonce + `", uri="s", response="0"`, Bad},
		{"RFC 2069 client", `Digest username="u", realm="r", nonce="` + old + `", uri="s", response="` +
			MD5.digest(cred.HA1[MD5], old, MD5.digest("INVITE", "s")) + `"`, OK},
		{"upper-case hex", `digest  USERNAME = "u" ,realm="r",nonce="` + nonce + `", uri="s", algorithm=md5, response="` +
			strings.ToUpper(MD5.digest(cred.HA1[MD5], nonce, MD5.digest("INVITE", "s"))) + `"`, OK},
	}
	for _, tt := range tests {
		if got := d.Verify(phone, "INVITE", tt.header, cred, true); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func flipped(nonce string) string {
	c := byte('A')
	if nonce[3] == 'A' {
		c = 'B'
	}
	return nonce[:3] + string(c) + nonce[4:]
}

func TestAlgorithmNotOffered(t *testing.T) {
	t.Parallel()
	d := NewDigest(DigestOptions{Realm: "r", Algorithms: []Algorithm{SHA256}})
	weak := strings.Replace(d.Challenge(phone, false)[0], "SHA-256", "MD5", 1)
	h, err := Answer([]string{weak}, "INVITE", "s", "u", "p", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Verify(phone, "INVITE", h, NewCredential("u", "r", "p"), true); got != Foreign {
		t.Errorf("an MD5 answer where only SHA-256 is offered: %v", got)
	}
}

func TestNonceAges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := NewDigest(DigestOptions{Realm: "r", Lifetime: time.Minute})
		cred := NewCredential("u", "r", "p")
		challenge := d.Challenge(phone, false)
		say := func() string {
			h, err := Answer(challenge, "INVITE", "s", "u", "p", nil)
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		time.Sleep(time.Minute)
		h := say()
		if !d.Answers(phone, h) || d.Answers(stranger, h) {
			t.Error("whose answer it is is not seen")
		}
		if got := d.Verify(phone, "INVITE", h, cred, true); got != OK {
			t.Errorf("after a minute: %v", got)
		}
		time.Sleep(time.Second)
		if got := d.Verify(phone, "INVITE", say(), cred, true); got != Stale || d.Answers(phone, h) {
			t.Errorf("after 61 s: %v", got)
		}
		if a, b := d.nonces.make(phone), d.nonces.make(phone); a == b {
			t.Error("two nonces of one instant are alike")
		}
	})
}

func TestKeyDecidesWhoseNonce(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef")
	a, b := NewDigest(DigestOptions{Key: key}), NewDigest(DigestOptions{Key: key})
	if !fresh(b, a.nonces.make(phone)) {
		t.Error("a nonce is not taken by another with the same key")
	}
	if fresh(NewDigest(DigestOptions{}), a.nonces.make(phone)) {
		t.Error("a nonce is taken by another with another key")
	}
}

func fresh(d *Digest, nonce string) bool {
	_, ok := d.nonces.fresh(nonce, phone)
	return ok
}

func TestCredentialDoesNotPrint(t *testing.T) {
	t.Parallel()
	c := NewCredential("1001", "r", "secret")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cred", c)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s", c, c, c, c), log.String()} {
		if strings.Contains(s, c.HA1[MD5]) || strings.Contains(s, c.HA1[SHA256]) || !strings.Contains(s, "1001") {
			t.Errorf("printed as %s", s)
		}
	}
}

func FuzzVerify(f *testing.F) {
	d := NewDigest(DigestOptions{Realm: "r"})
	cred := NewCredential("u", "r", "p")
	f.Add(`Digest username="u", realm="r", nonce="n", uri="s", response="0", qop=auth, nc=00000001, cnonce="c"`)
	f.Add(`Digest a="\`)
	f.Add("Digest realm=r,,,")
	f.Fuzz(func(t *testing.T, header string) {
		if got := d.Verify(phone, "INVITE", header, cred, true); got == OK {
			t.Errorf("%q is accepted", header)
		}
		if user, ok := d.Username(header); ok && (user == "" || !printable(user)) {
			t.Errorf("%q names user %q", header, user)
		}
		// What a hostile server sends must not break our own header.
		h, err := Answer([]string{header}, "INVITE", "sip:x", "u", "p", nil)
		if err != nil {
			return
		}
		challenge, _ := parseDigest(header)
		ps, err := parseDigest(h)
		if len(h) <= maxHeader && (err != nil || ps["realm"] != challenge["realm"] || ps["nonce"] != challenge["nonce"] || strings.ContainsAny(h, "\r\n\x00")) {
			t.Errorf("%q answered %q: %v", header, h, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	d := NewDigest(DigestOptions{Realm: "r"})
	h := answer(b, d.Challenge(phone, false), "p")
	cred := NewCredential("1001", "r", "p")
	b.ReportAllocs()
	for b.Loop() {
		d.Verify(phone, "REGISTER", h, cred, true)
	}
}
