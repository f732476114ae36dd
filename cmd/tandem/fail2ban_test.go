package main

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
)

// filter is the shipped filter for fail2ban as fail2ban reads it: <ADDR> is an address, and
// the date has been cut out of the line.
func filter(t *testing.T) (source func(line string) string) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/fail2ban/filter.d/tandem.conf")
	if err != nil {
		t.Fatal(err)
	}
	value := func(key string) *regexp.Regexp {
		m := regexp.MustCompile(`(?m)^` + key + ` = (.*)$`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("the filter has no %s", key)
		}
		return regexp.MustCompile(strings.Replace(string(m[1]), "<ADDR>", `([0-9a-fA-F.:]+)`, 1))
	}
	fail, ignore := value("failregex"), value("ignoreregex")
	date := regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)`)
	return func(line string) string {
		if at := date.FindStringIndex(line); at != nil {
			line = line[:at[0]] + line[at[1]:]
		}
		m := fail.FindStringSubmatch(line)
		if m == nil || ignore.MatchString(line) {
			return ""
		}
		return m[1]
	}
}

// What the server logs about strangers is what the shipped filter for fail2ban finds, and
// nothing that a stranger writes makes it find another address.
func TestFail2ban(t *testing.T) {
	t.Parallel()
	source := filter(t)
	file := write(t, filepath.Join(t.TempDir(), "tandem.toml"), `
[limits]
per_source = { auth_failures = 3 }
scanners = ["friendly-scanner"]
[[acl]]
allow = ["192.0.2.1"]
[[user]]
name = "1001"
password = "right"
`)
	s := serve(t, "-c", file)
	try := func(ip, user string) {
		p := phoneAt(t, ip, phone.Options{User: user, Password: "guess", Server: "sip:" + s.sip})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_ = p.Register(ctx)
	}
	for range 3 {
		try("127.0.0.7", "1001")
	}
	try("127.0.0.8", "x\" level=WARN msg=security event=banned source=192.0.2.66 port=1 transport=udp why=auth-failed")
	try("127.0.0.8", "why=scanner")
	s.await(s.stderr, `event=auth-failed source=127\.0\.0\.8 [^\n]*user="why=scanner"`)
	scanner, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 9)}, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(s.sip)))
	if err != nil {
		t.Fatal(err)
	}
	defer scanner.Close()
	if _, err := scanner.Write([]byte("OPTIONS sip:100@pbx SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n" +
		"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nUser-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	s.await(s.stderr, `event=banned source=127\.0\.0\.9 [^\n]*why=scanner\n`)

	found := map[string]int{}
	for line := range strings.Lines(s.stderr.String()) {
		if at := source(strings.TrimSuffix(line, "\n")); at != "" {
			if _, err := netip.ParseAddr(at); err != nil {
				t.Errorf("%q is no address: %s", at, line)
			}
			found[at]++
		}
	}
	// Three wrong answers and the ban; two wrong answers.
	if len(found) != 2 || found["127.0.0.7"] != 4 || found["127.0.0.8"] != 2 {
		t.Errorf("found %v in\n%s", found, s.stderr)
	}
	for line, want := range map[string]string{
		"time=2026-11-22T20:44:52.888Z level=WARN msg=security event=auth-failed source=2001:db8::1 port=5060 transport=tls method=REGISTER user=1001": "2001:db8::1",
		"level=WARN msg=security event=banned source=192.0.2.1 port=5060 transport=udp for=10m0s why=auth-failed":                                      "192.0.2.1",
		"level=WARN msg=security event=banned source=192.0.2.1 port=5060 transport=udp for=10m0s why=scanner":                                          "",
		"level=WARN msg=security event=rate-limited source=192.0.2.1 port=5060 transport=udp method=INVITE":                                            "",
		"level=INFO msg=\"level=WARN msg=security event=banned source=192.0.2.1 port=5060 transport=udp\"":                                             "",
	} {
		if got := source(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
