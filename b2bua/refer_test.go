package b2bua

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// What a Refer-To can make us send is one URI and one Replaces, and nothing that could
// break out of its line.
func FuzzRefer(f *testing.F) {
	for _, seed := range []string{
		"<sip:carol@10.0.1.3>", "sip:3@10.0.0.1", "\"Carol\" <sip:carol@example.com;transport=tcp?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>;x=y",
		"<tel:+44-20-7183;phone-context=x>", "<sip:c@h;method=INVITE>", "<sip:c@h?Replaces=a%0d%0aX:%20y%3Bto-tag%3D1%3Bfrom-tag%3D2>",
		"<sips:[2001:db8::1]:5061>", "<http://x>", "<>", "sip:a@b,sip:c@d", "<sip:a@b", "<sip:%00@b>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		ref, p := parseReference(value)
		if p != nil {
			if p.code != 400 && p.code != 416 {
				t.Errorf("%q refused with %d", value, p.code)
			}
			return
		}
		sent := ref.uri.String()
		if ref.replaces != nil {
			sent += ref.replaces.String()
		}
		if strings.ContainsFunc(sent, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || len(ref.uri.Headers) > 0 {
			t.Errorf("%q leads to %q", value, sent)
		}
		req := sip.NewRequest(sip.REFER, ref.uri)
		req.AppendHeader(sip.NewHeader("Referred-By", value))
		if h := referredBy(req); len(h) > 0 && h.Check() != nil {
			t.Errorf("%q leads to %+v", value, h)
		}
	})
}
