package transport

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func parseText(text string) (sip.Message, error) {
	l := &Layer{parser: newParser(128 << 10)}
	return l.parse([]byte(text))
}

const tortuous = "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n" +
	"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n" +
	"from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n" +
	"MaX-fOrWaRdS: 0068\r\n" +
	"Call-ID: wsinv.ndaksdj@192.0.2.1\r\n" +
	"Content-Length   : 150\r\n" +
	"cseq: 0009\r\n  INVITE\r\n" +
	"Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n" +
	"s :\r\n" +
	"NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n" +
	"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n" +
	"Content-Type: application/sdp\r\n" +
	"Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n" +
	"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n" +
	" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n" +
	"m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\n" +
	"\r\n"

// TestTortuousInvite is the message of RFC 4475 §3.1.1.1, which is valid.
func TestTortuousInvite(t *testing.T) {
	t.Parallel()
	msg, err := parseText(tortuous + strings.Repeat("x", 150))
	if err != nil {
		t.Fatal(err)
	}
	req := msg.(*sip.Request)
	if tag, _ := req.To().Params.Get("tag"); tag != "1918181833n" {
		t.Errorf("To tag %q", tag)
	}
	if tag, _ := req.From().Params.Get("tag"); tag != "98asjd8" {
		t.Errorf("From tag %q", tag)
	}
	if req.CSeq().SeqNo != 9 || req.CSeq().MethodName != sip.INVITE || req.MaxForwards().Val() != 68 {
		t.Errorf("%v %v", req.CSeq(), req.MaxForwards())
	}
	var vias []string
	for _, h := range req.GetHeaders("via") {
		vias = append(vias, h.Value())
	}
	want := "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw | SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8 | SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239"
	if got := strings.Join(vias, " | "); got != want {
		t.Errorf("Vias %s", got)
	}
	if q, _ := req.Contact().Params.Get("q"); q != "0.33" {
		t.Errorf("Contact %s", req.Contact())
	}
	if len(req.Body()) != 150 {
		t.Errorf("body of %d", len(req.Body()))
	}
}

// TestInvalidMessages: with what is wrong, and whether a request is left to answer.
func TestInvalidMessages(t *testing.T) {
	t.Parallel()
	ok := options("z9hG4bK1")
	if _, err := parseText(ok); err != nil {
		t.Fatal(err)
	}
	change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(ok) }
	for _, c := range []struct {
		name, text, err string
	}{
		{"no Via", change("Via:", "X-Via:"), "no Via"},
		{"no From", change("From:", "X-From:"), "no From"},
		{"no To", change("To:", "X-To:"), "no To"},
		{"no Call-ID", change("Call-ID:", "X-Call-ID:"), "no Call-ID"},
		{"no CSeq", change("CSeq:", "X-CSeq:"), "no CSeq"},
		{"two Froms", change("To:", "From: <sip:x@y>;tag=1\r\nTo:"), "came twice"},
		{"two CSeqs", change("To:", "CSeq: 3 OPTIONS\r\nTo:"), "came twice"},
		{"CSeq method", change("3 OPTIONS", "3 INVITE"), "CSeq of"},
		{"CSeq number", change("3 OPTIONS", "36893488147419103232 OPTIONS"), "malformed CSeq"},
		{"CSeq negative", change("3 OPTIONS", "-3 OPTIONS"), "malformed CSeq"},
		{"Via", change("SIP/2.0/UDP 127.0.0.1:5070", "SIP/2.0 127.0.0.1"), "malformed Via"},
		{"Via port", change("127.0.0.1:5070", "127.0.0.1:70000"), "malformed Via"},
		{"Via IPv6 without brackets", change("127.0.0.1:5070", "2001:db8::1"), "malformed Via"},
		{"From not closed", change("<sip:bob@127.0.0.1>;tag", "<sip:bob@127.0.0.1;tag"), "malformed From"},
		{"Max-Forwards", change("To:", "Max-Forwards: many\r\nTo:"), "malformed Max-Forwards"},
		{"Content-Length", change("Length: 0", "Length: -999"), "malformed Content-Length"},
		{"short body", change("Length: 0", "Length: 9"), "incomplete"},
		{"line without colon", change("To:", "what is this\r\nTo:"), "no value"},
		{"bare CR", change("To:", "X: a\rb\r\nTo:"), "CRLF"},
		{"bare LF", change("To:", "X: a\nTo:"), "bare LF"},
		{"NUL", change("To:", "X: a\x00b\r\nTo:"), "NUL"},
		{"no end of head", strings.TrimSuffix(ok, "\r\n"), "EOF"},
		{"URI in brackets", change("sip:alice@127.0.0.1 SIP", "<sip:alice@127.0.0.1> SIP"), "uri scheme"},
		{"spaces in the URI", change("sip:alice@127.0.0.1 SIP", "sip:alice@127.0.0.1; lr SIP"), "not a SIP"},
		{"too many headers", change("To:", strings.Repeat("X: y\r\n", 2*maxHeaders)+"To:"), "too many headers"},
		{"too many parameters", change("sip:alice@127.0.0.1 ", "sip:alice@127.0.0.1"+strings.Repeat(";a", 200)+" "), "too many URI"},
		{"too many From parameters", change("tag=theirs", "tag=theirs"+strings.Repeat(";a", 200)), "malformed From"},
	} {
		msg, err := parseText(c.text)
		if msg == nil {
			t.Errorf("%s: nothing is left to answer: %v", c.name, err)
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v", c.name, err)
		}
		if req, ok := msg.(*sip.Request); !ok || req.Method != sip.OPTIONS {
			t.Errorf("%s: %v", c.name, msg)
		}
	}
}

func TestCompactNamesBecomeLong(t *testing.T) {
	t.Parallel()
	msg, err := parseText("INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\n" +
		"i: 1@2\r\nCSeq: 1 INVITE\r\nm: <sip:a@h>\r\nk: 100rel\r\ns: hello\r\nx: 1800\r\no: refer\r\nr: <sip:e@f>\r\nb: <sip:g@h>\r\nc: text/plain\r\nl: 2\r\n\r\nhi")
	if err != nil {
		t.Fatal(err)
	}
	req := msg.(*sip.Request)
	for name, want := range map[string]string{"Supported": "100rel", "Subject": "hello", "Session-Expires": "1800", "Event": "refer",
		"Refer-To": "<sip:e@f>", "Referred-By": "<sip:g@h>", "Content-Type": "text/plain", "Contact": "<sip:a@h>", "Call-ID": "1@2"} {
		if h := req.GetHeader(name); h == nil || h.Value() != want {
			t.Errorf("%s: %v, want %s", name, h, want)
		}
	}
}

// TestFloodsAreCheap: a datagram made to be slow costs about what its size does. sipgo alone
// takes over a second for the second.
func TestFloodsAreCheap(t *testing.T) {
	t.Parallel()
	ok := options("z9hG4bK1")
	var params strings.Builder
	for i := range 8000 {
		fmt.Fprintf(&params, ";p%05d", i)
	}
	for name, text := range map[string]string{
		"headers":          strings.Replace(ok, "To:", strings.Repeat("a:\r\n", 15000)+"To:", 1),
		"From parameters":  strings.Replace(ok, "tag=theirs", "tag=theirs"+params.String(), 1),
		"Via parameters":   strings.Replace(ok, "rport", "rport"+params.String(), 1),
		"URI parameters":   strings.Replace(ok, "127.0.0.1 SIP", "127.0.0.1"+params.String()+" SIP", 1),
		"Contacts":         strings.Replace(ok, "To:", "m: "+strings.Repeat("<sip:a>,", 8000)+"<sip:b>\r\nTo:", 1),
		"Vias":             strings.Replace(ok, "To:", "v: "+strings.Repeat("SIP/2.0/UDP a,", 4000)+"SIP/2.0/UDP b\r\nTo:", 1),
		"folds":            strings.Replace(ok, "To:", "X: a\r\n"+strings.Repeat(" b\r\n", 15000)+"To:", 1),
		"one endless line": strings.Replace(ok, "To:", "X: "+strings.Repeat("\"", 60000)+"\r\nTo:", 1),
	} {
		// The quickest of some: others may have the processor meanwhile.
		best := time.Hour
		for deadline := time.Now().Add(20 * time.Second); best > 50*time.Millisecond && time.Now().Before(deadline); {
			start := time.Now()
			parseText(text)
			best = min(best, time.Since(start))
		}
		if best > 50*time.Millisecond {
			t.Errorf("%s: %v for %d bytes", name, best, len(text))
		}
	}
}

func FuzzReceive(f *testing.F) {
	for _, s := range []string{tortuous, options("z9hG4bK1"), streamed("z9hG4bK1") + streamed("z9hG4bK2"), "\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n",
		"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a,SIP/2.0/UDP [::1]:5;branch=z9hG4bK;x=\"q,;\\\"\"\r\nf: \"x\" <sip:a@b>\r\nt:sip:b\r\ni:1\r\nCSeq:1 A\r\n\r\n",
		strings.Replace(streamed("z9hG4bK1"), "To:", "Contact: <sip:a@b>;q=1, \"c\" <tel:1>;+x=\"<urn:1>\"\r\nRecord-Route: <sip:p;lr>,<sip:q>\r\nRefer-To: <sip:a?Replaces=1>\r\nTo:", 1)} {
		f.Add([]byte(s))
	}
	l := &Layer{parser: newParser(128 << 10)}
	f.Fuzz(func(t *testing.T, data []byte) {
		if msg, err := l.parse(data); msg != nil {
			if err == nil && check(msg) != nil {
				t.Error("an unusable message passed")
			}
			if req, ok := msg.(*sip.Request); ok {
				markVia(req, mustAddrPort("192.0.2.1:5060"))
			}
			if len(Encode(msg)) == 0 {
				t.Error("nothing to send")
			}
		}
		frames := framer{max: 1000}
		for len(data) > 0 {
			n := min(len(data), 7)
			frames.write(data[:n])
			data = data[n:]
			for {
				msg, _, err := frames.next()
				if err != nil {
					return
				}
				if msg == nil {
					break
				}
				if len(msg) > frames.max {
					t.Fatalf("a message of %d bytes", len(msg))
				}
			}
			if len(frames.buf) > frames.max+7 {
				t.Fatalf("%d bytes are kept", len(frames.buf))
			}
		}
	})
}
