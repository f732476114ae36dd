package auth

import (
	"errors"
	"strings"
	"testing"
)

func TestAnswerChooses(t *testing.T) {
	t.Parallel()
	const (
		md5    = `Digest realm="r", nonce="m", algorithm=MD5, qop="auth"`
		sha    = `Digest realm="r", nonce="s", algorithm=SHA-256, qop="auth-int, auth"`
		bare   = `Digest realm="r", nonce="b", opaque="o\"o"`
		intern = `Digest realm="r", nonce="i", algorithm=MD5, qop="auth-int"`
		odd    = `Digest realm="r", nonce="x", algorithm=SHA-512-256, qop="auth"`
		token  = `Digest realm="r", nonce="x", algorithm=MD5, qop="token"`
	)
	tests := []struct {
		name       string
		challenges []string
		want       map[string]string // "" must be absent
	}{
		{"the better of two", []string{md5, sha}, map[string]string{"nonce": "s", "algorithm": "SHA-256", "qop": "auth"}},
		{"the order does not matter", []string{sha, md5}, map[string]string{"nonce": "s"}},
		{"unknown ones are skipped", []string{odd, "Basic realm=\"r\"", token, md5}, map[string]string{"nonce": "m"}},
		{"no qop, no algorithm", []string{bare}, map[string]string{"nonce": "b", "opaque": `o"o`, "algorithm": "", "qop": "", "nc": "",
			"response": MD5.digest(NewCredential("u", "r", "p").HA1[MD5], "b", MD5.digest("INVITE", "sip:x"))}},
		{"auth-int when it must be", []string{intern}, map[string]string{"qop": "auth-int", "nc": "00000001"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, err := Answer(tt.challenges, "INVITE", "sip:x", "u", "p", []byte("v=0"))
			if err != nil {
				t.Fatal(err)
			}
			ps, err := parseDigest(h)
			if err != nil {
				t.Fatalf("%s: %v", h, err)
			}
			for name, want := range tt.want {
				if got := ps[name]; got != want {
					t.Errorf("%s is %q, want %q in %s", name, got, want, h)
				}
			}
		})
	}
}

// The body counts with auth-int: RFC 7616 §3.4.3.
func TestAuthIntCoversTheBody(t *testing.T) {
	t.Parallel()
	h, err := Answer([]string{`Digest realm="r", nonce="n", qop="auth-int"`}, "INVITE", "sip:x", "u", "p", []byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	ps, err := parseDigest(h)
	if err != nil {
		t.Fatal(err)
	}
	ha2 := MD5.digest("INVITE", "sip:x", MD5.digest("body"))
	want := MD5.digest(NewCredential("u", "r", "p").HA1[MD5], "n", ps["nc"], ps["cnonce"], "auth-int", ha2)
	if ps["response"] != want {
		t.Errorf("response %s, want %s", ps["response"], want)
	}
}

func TestAnswerRefuses(t *testing.T) {
	t.Parallel()
	for _, challenges := range [][]string{nil, {""}, {"Basic realm=\"x\""}, {`Digest realm="r"`},
		{`Digest nonce="n"`}, {`Digest realm="r", nonce="n", algorithm=MD5-sess`}, {"Digest realm=\"r\", nonce=\"a\x01b\""}} {
		if h, err := Answer(challenges, "INVITE", "sip:x", "u", "p", nil); !errors.Is(err, ErrNoChallenge) {
			t.Errorf("%q answered %q, %v", challenges, h, err)
		}
	}
	if h, err := Answer([]string{`Digest realm="r", nonce="n"`}, "INVITE", "sip:x", "u\r\nX: y", "p", nil); err == nil {
		t.Errorf("a user with a line break got %q", h)
	}
}

func TestSecretStaysHome(t *testing.T) {
	t.Parallel()
	h, err := Answer([]string{`Digest realm="r", nonce="n", qop="auth"`}, "INVITE", "sip:x", "u", "hunter2", nil)
	if err != nil || strings.Contains(h, "hunter2") || strings.Contains(h, NewCredential("u", "r", "hunter2").HA1[MD5]) {
		t.Errorf("%s, %v", h, err)
	}
}
