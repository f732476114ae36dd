package sdp

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

const key30 = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz" // RFC 4568 §4.1

func TestCryptos(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30:                           "1 AES_CM_128_HMAC_SHA1_80 30 0",
		"2 AES_CM_128_HMAC_SHA1_32 inline:" + key30 + "|2^20":                 "2 AES_CM_128_HMAC_SHA1_32 30 0",
		"1 F8_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:4 WSH=1024":        "1 F8_128_HMAC_SHA1_80 30 4",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|1:32":                 "1 AES_CM_128_HMAC_SHA1_80 30 32",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " KDR=0 -X=1":           "1 AES_CM_128_HMAC_SHA1_80 30 0",
		"1 AEAD_AES_128_GCM INLINE:" + key30[:37] + "g==":                     "1 AEAD_AES_128_GCM 28 0",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " KDR=1":                "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNENCRYPTED_SRTP":     "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " -UNENCRYPTED_SRTCP":   "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNAUTHENTICATED_SRTP": "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " MUST_KNOW=3":          "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + ";inline:" + key30:      "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|1:0":                  "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|1:129":                "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:!!!":                                "",
		"1 AES_CM_128_HMAC_SHA1_80 uri:" + key30:                              "",
		"0 AES_CM_128_HMAC_SHA1_80 inline:" + key30:                           "",
		"x AES_CM_128_HMAC_SHA1_80 inline:" + key30:                           "",
		"1 AES_CM_128_HMAC_SHA1_80":                                           "",
		"":                                                                    "",
	} {
		m := Media{Attributes: []Attribute{{"crypto", value}, {"fingerprint", "x"}}}
		got := ""
		for _, c := range m.Cryptos() {
			got += fmt.Sprint(c.Tag, " ", c.Suite, " ", len(c.Secret), " ", c.MKI)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}

func TestCryptoWritten(t *testing.T) {
	t.Parallel()
	m := Media{Attributes: []Attribute{{"crypto", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30}}}
	c := m.Cryptos()[0]
	if c.Attribute() != m.Attributes[0] {
		t.Errorf("written as %v", c.Attribute().Value)
	}
	for _, f := range []string{"%v", "%+v", "%#v"} {
		if s := fmt.Sprintf(f, c); strings.Contains(s, key30) || s != "1 AES_CM_128_HMAC_SHA1_80 (secret)" {
			t.Errorf("%s prints %s", f, s)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	body := "v=0\r\nk=clear:geheim\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:4 WSH=64\r\n" +
		"a=crypto:2 X inline:" + key30 + "|1:4;inline:" + key30 + "|2:4\r\na=CRYPTO:3 Y " + key30 + "\n" +
		"a=key-mgmt:mikey AAAA\r\na=ice-ufrag:abcd\r\na=ice-pwd:verysecretpassword\r\na=rtpmap:0 PCMU/8000"
	hidden := string(Redact([]byte(body)))
	for _, secret := range []string{key30, key30[5:20], "geheim", "verysecret", "AAAA"} {
		if strings.Contains(hidden, secret) {
			t.Errorf("%s shows in\n%s", secret, hidden)
		}
	}
	for _, kept := range []string{"1 AES_CM_128_HMAC_SHA1_80 inline:****", "a=ice-ufrag:abcd", "a=rtpmap:0 PCMU/8000"} {
		if !strings.Contains(hidden, kept) {
			t.Errorf("%s is gone from\n%s", kept, hidden)
		}
	}
	if len(hidden) != len(body) {
		t.Error("the length has changed")
	}
	plain := []byte("v=0\r\na=rtpmap:0 PCMU/8000\r\n")
	if &Redact(plain)[0] != &plain[0] {
		t.Error("copied without need")
	}
}

func TestFingerprints(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("AB:", 31) + "CD"
	s, err := Parse([]byte("v=0\no=- 1 1 IN IP4 10.0.0.1\nc=IN IP4 10.0.0.1\na=setup:ActPass\na=ice-ufrag:u\na=ice-pwd:p\na=ice-lite\n" +
		"a=fingerprint:sha-1 " + value[:59] + "\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=fingerprint:SHA-256 " + value +
		"\na=fingerprint:sha-256 zz\na=ice-pwd:q\nm=audio 9 UDP/TLS/RTP/SAVPF 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	own, common := s.Fingerprints(&s.Media[0]), s.Fingerprints(&s.Media[1])
	if len(own) != 1 || own[0].Hash != "sha-256" || len(own[0].Value) != 32 || !bytes.HasSuffix(own[0].Value, []byte{0xCD}) {
		t.Errorf("the stream's: %v", own)
	}
	if own[0].Attribute().Value != "sha-256 "+value {
		t.Errorf("written as %s", own[0].Attribute().Value)
	}
	if len(common) != 1 || common[0].Hash != "sha-1" {
		t.Errorf("the session's: %v", common)
	}
	ufrag, pwd := s.ICE(&s.Media[0])
	if s.Setup(&s.Media[0]) != "actpass" || ufrag != "u" || pwd != "q" || !s.IsLite() {
		t.Errorf("setup %s, ice %s %s, lite %t", s.Setup(&s.Media[0]), ufrag, pwd, s.IsLite())
	}
}

func TestHostCandidate(t *testing.T) {
	t.Parallel()
	for port, want := range map[int]string{1: "1 1 udp 2130706431 192.0.2.1 4000 typ host", 2: "1 2 udp 2130706430 192.0.2.1 4000 typ host"} {
		if got := HostCandidate(port, netip.MustParseAddrPort("192.0.2.1:4000")).Value; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// FuzzRedact: no base64 of a key that Parse would read survives.
func FuzzRedact(f *testing.F) {
	f.Add("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key30)
	f.Fuzz(func(t *testing.T, line string) {
		body := "v=0\no=- 1 1 IN IP4 10.0.0.1\nc=IN IP4 10.0.0.1\nm=audio 9 RTP/SAVP 0\n" + line
		hidden := Redact([]byte(body))
		if len(hidden) != len(body) {
			t.Fatal("the length has changed")
		}
		s, err := Parse(hidden)
		if err != nil {
			return
		}
		for i := range s.Media {
			for _, c := range s.Media[i].Cryptos() {
				if len(c.Secret) > 0 {
					t.Fatalf("a key of %d bytes survives in %q", len(c.Secret), hidden)
				}
			}
		}
	})
}
