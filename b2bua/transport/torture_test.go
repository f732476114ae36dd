package transport

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

var (
	hexed    = regexp.MustCompile(`<hex>([0-9a-f]+)</hex>`)
	repeated = regexp.MustCompile(`<repeat (\d+)>([^<]+)</repeat>`)
)

// torture reads one of the messages that b2bua's TestTorture sends to a whole server.
func torture(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", "torture", name+".sip"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "\n", "\r\n")
	text = repeated.ReplaceAllStringFunc(text, func(s string) string {
		m := repeated.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[1])
		return strings.Repeat(m[2], n)
	})
	text = hexed.ReplaceAllStringFunc(text, func(s string) string {
		b, _ := hex.DecodeString(hexed.FindStringSubmatch(s)[1])
		return string(b)
	})
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	return strings.ReplaceAll(text, "{length}", strconv.Itoa(len(body)))
}

// TestTortureParsed looks at what the valid messages of RFC 4475 §3.1.1 are read as.
func TestTortureParsed(t *testing.T) {
	t.Parallel()
	value := func(m sip.Message, name string) string {
		var all []string
		for _, h := range m.GetHeaders(name) {
			all = append(all, h.Value())
		}
		return strings.Join(all, " | ")
	}
	for name, want := range map[string]struct{ header, value string }{
		"intmeth-nonul": {"CSeq", "139122385 !odd-Method0123456789_*+`.%indeed'~"},
		"esc01":         {"Contact", "<sip:cal%6Cer@192.0.2.1;%6C%72;n%61me=v%61lue%25%34%31>"},
		"escnull":       {"Contact", "<sip:%00@host5.example.com> | <sip:%00%00@host5.example.com>"},
		"lwsdisp":       {"From", `"caller" <sip:caller@example.com>;tag=lws3`},
		"semiuri":       {"Accept", "application/sdp, application/pkcs7-mime, multipart/mixed, multipart/signed, message/sip, message/sipfrag"},
		"transports": {"Via", "SIP/2.0/UDP t1.example.com;branch=z9hG4bKtr1 | SIP/2.0/SCTP t2.example.com;branch=z9hG4bKtr2 | " +
			"SIP/2.0/TLS t3.example.com;branch=z9hG4bKtr3 | SIP/2.0/QUIC-OR-SO t4.example.com;branch=z9hG4bKtr4 | SIP/2.0/TCP t5.example.com;branch=z9hG4bKtr5"},
		"mpart01":          {"Content-Type", "multipart/mixed;boundary=z9xyzzy-boundary"},
		"dblreq":           {"Call-ID", "dblreq.0ha0isnda@192.0.2.1"},
		"ipv4-mapped-ipv6": {"Via", "SIP/2.0/UDP [::ffff:192.0.2.10]:19823;rport;branch=z9hG4bKbh19 | SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-161"},
	} {
		msg, err := parseText(torture(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := value(msg, want.header); got != want.value {
			t.Errorf("%s: %s is\n%s, want\n%s", name, want.header, got, want.value)
		}
	}

	msg, _ := parseText(torture(t, "semiuri"))
	if user := msg.(*sip.Request).Recipient.User; user != "user;par=u%40example.net" {
		t.Errorf("semiuri: user %q", user)
	}
	msg, _ = parseText(torture(t, "dblreq"))
	if len(msg.Body()) != 0 {
		t.Errorf("dblreq: body %q", msg.Body())
	}
	msg, _ = parseText(torture(t, "mpart01"))
	if body := string(msg.Body()); !strings.HasSuffix(body, "--z9xyzzy-boundary--\r\n") || !strings.Contains(body, "\x00\r\x0a\xff\x00\xfe\n\n\r\r") {
		t.Errorf("mpart01: body %q", body)
	}
	msg, _ = parseText(torture(t, "longreq"))
	if n := len(msg.GetHeaders("Via")); n != 11 {
		t.Errorf("longreq: %d Vias", n)
	}
}
