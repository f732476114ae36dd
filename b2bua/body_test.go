package b2bua

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

const tinySDP = "v=0\r\no=- 1 1 IN IP4 10.0.1.1\r\ns=-\r\nc=IN IP4 10.0.1.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"

// withBody is a request with a body; headers are lines that tell of it.
func withBody(headers, body string) *sip.Request {
	req := sip.NewRequest(sip.INVITE, sip.Uri{Scheme: "sip", Host: "x"})
	for line := range strings.SplitSeq(headers, "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			req.AppendHeader(sip.NewHeader(name, value))
		}
	}
	req.SetBody([]byte(body))
	return req
}

// parts is a body of several parts, each its headers and its content.
func parts(boundary string, each ...[2]string) string {
	var b strings.Builder
	for _, p := range each {
		fmt.Fprintf(&b, "--%s\r\n%s\r\n\r\n%s\r\n", boundary, p[0], p[1])
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.String()
}

func TestDescriptionAmongParts(t *testing.T) {
	t.Parallel()
	const mixed = "Content-Type: multipart/mixed;boundary=\"b 1\""
	sdp := [2]string{"Content-Type: application/sdp", tinySDP}
	old := [2]string{"Content-Type: application/sdp", "v=0\r\n"}
	place := [2]string{"Content-Type: application/pidf+xml\r\nContent-ID: <a@b>", "<presence/>"}
	isup := func(handling string) [2]string {
		return [2]string{"Content-Type: application/isup;version=itu-t92+\r\nContent-Disposition: signal;handling=" + handling, "\x01\x02\r\n\x03"}
	}
	within := func(kind, boundary string, each ...[2]string) [2]string {
		return [2]string{"Content-Type: " + kind + ";boundary=" + boundary, parts(boundary, each...)}
	}
	cases := []struct {
		name, headers, body string
		found               bool
		code                int
	}{
		{"nothing", "", "", false, 0},
		{"alone", "Content-Type: application/sdp", tinySDP, true, 0},
		{"letter case and parameters", "Content-Type: Application/SDP;charset=utf-8;charset=utf-8", tinySDP, true, 0},
		{"another type", "Content-Type: text/plain", "hi", false, 415},
		{"another type that is optional", "Content-Type: text/plain\r\nContent-Disposition: render; Handling=\"optional\"", "hi", false, 0},
		{"no type", "", "hi", false, 415},
		{"encoded", "Content-Type: application/sdp\r\nContent-Encoding: gzip", "x", false, 415},
		{"encoded but optional", "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\nContent-Disposition: session;handling=optional", "x", false, 0},
		{"first of two parts", mixed, parts("b 1", sdp, isup("optional")), true, 0},
		{"second of two parts", mixed, parts("b 1", place, sdp), true, 0},
		{"beside a part that is required", mixed, parts("b 1", sdp, isup("required")), false, 415},
		{"a part that is required, in quotes", mixed, parts("b 1", sdp, isup("\"REQUIRED\"")), false, 415},
		{"no description, all optional", mixed, parts("b 1", isup("optional")), false, 0},
		{"no description", mixed, parts("b 1", place), false, 415},
		{"no part at all", mixed, "--b 1--\r\n", false, 415},
		{"no boundary in it", mixed, tinySDP, false, 415},
		{"no boundary named", "Content-Type: multipart/mixed", parts("b", sdp), false, 415},
		{"cut off after the description", mixed, strings.TrimSuffix(parts("b 1", sdp), "--b 1--\r\n") + "--b 1", true, 0},
		{"the best of alternatives", "Content-Type: multipart/alternative;boundary=b", parts("b", old, sdp, isup("required")), true, 0},
		{"related", "Content-Type: multipart/related;boundary=b", parts("b", sdp, place), true, 0},
		{"parts within a part", mixed, parts("b 1", place, within("multipart/alternative", "i", old, sdp)), true, 0},
		{"of another purpose", mixed, parts("b 1", [2]string{old[0] + "\r\nContent-Disposition: early-session;handling=optional", old[1]}, sdp), true, 0},
		{"in base64", mixed, parts("b 1", [2]string{sdp[0] + "\r\nContent-Transfer-Encoding: base64", "dj0w"}), false, 415},
		{"as binary", mixed, parts("b 1", [2]string{sdp[0] + "\r\nContent-Transfer-Encoding: binary", tinySDP}), true, 0},
		{"too many parts", mixed, parts("b 1", append(make([][2]string, maxParts), sdp)...), false, 415},
	}
	for _, tc := range cases {
		got, p := description(withBody(tc.headers, tc.body))
		code := 0
		if p != nil {
			code = p.code
		}
		want := ""
		if tc.found {
			want = strings.TrimSuffix(tinySDP, "\r\n") // the last line break is the boundary's
		}
		if strings.TrimSuffix(string(got), "\r\n") != want || code != tc.code {
			t.Errorf("%s: found %q, refused with %d (want %d)", tc.name, got, code, tc.code)
		}
	}
	deep := sdp
	for i := range maxNested {
		deep = within("multipart/mixed", fmt.Sprint("n", i), deep)
	}
	if _, p := description(withBody(mixed, parts("b 1", deep))); p == nil || p.code != 415 {
		t.Errorf("too deep: %+v", p)
	}
}

// TestCallOfSeveralParts: offers and answers in parts of bodies, in the INVITE, its answers,
// re-INVITE and UPDATE; what else was in them reaches nobody.
func TestCallOfSeveralParts(t *testing.T) {
	const isup = "Content-Type: application/isup\r\nContent-Disposition: signal;handling=optional"
	wrap := func(body string) string {
		return parts("x-1", [2]string{isup, "secret"}, [2]string{"Content-Type: application/sdp", body})
	}
	const kind = "Content-Type: multipart/mixed;boundary=x-1"
	inWorld(t, func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"sip:b@10.0.1.2"}, DialOptions{})
		return err
	}, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.parted, b.parted = kind, kind
		a.send("INVITE", "700", wrap(a.body))
		a.response(100)
		invite := b.request(sip.INVITE)
		b.answer(invite, 183, "b", wrap(b.body))
		if res := a.response(183); !strings.Contains(string(res.Body()), "m=audio") {
			t.Errorf("early media do not reach the caller:\n%s", res)
		}
		b.answer(invite, 200, "b", wrap(b.body))
		b.request(sip.ACK)
		ok := a.response(200)
		if body := string(invite.Body()) + string(ok.Body()); strings.Contains(body, "secret") || strings.Count(body, "m=audio 1") != 2 {
			t.Errorf("offered and answered:\n%s", body)
		}
		a.send("ACK", "", "")
		for _, method := range []string{"INVITE", "UPDATE"} {
			b.send(method, "", wrap(b.body))
			if res := b.response(200); !strings.Contains(string(res.Body()), "m=audio 1") {
				t.Errorf("%s answered:\n%s", method, res)
			}
			if method == "INVITE" {
				b.send("ACK", "", "")
			}
		}
		b.send("INVITE", "", parts("x-1", [2]string{strings.Replace(isup, "optional", "required", 1), "x"}, [2]string{"Content-Type: application/sdp", b.body}))
		if accept, _ := headerOf(b.response(415), "Accept"); !strings.Contains(accept, "multipart/mixed") {
			t.Errorf("Accept: %q", accept)
		}
		b.refused()
		// A late offer: the answer is a part of the ACK.
		b.send("INVITE", "", "")
		b.response(200)
		b.send("ACK", "", wrap(b.body))
		a.hangsUp()
		b.hungUp()
	})
}

func FuzzDescription(f *testing.F) {
	f.Add("multipart/mixed;boundary=b", "", parts("b", [2]string{"Content-Type: application/sdp", tinySDP}))
	f.Add("multipart/alternative;boundary=b", "session;handling=optional", parts("b", [2]string{"Content-Type: multipart/mixed;boundary=c", parts("c")}))
	f.Add("application/sdp", "", tinySDP)
	f.Add("text/plain;a=1;a=1", "x;handling", "x")
	f.Fuzz(func(t *testing.T, kind, disposition, body string) {
		req := sip.NewRequest(sip.INVITE, sip.Uri{Scheme: "sip", Host: "x"})
		req.AppendHeader(sip.NewHeader("Content-Type", kind))
		req.AppendHeader(sip.NewHeader("Content-Disposition", disposition))
		req.SetBody([]byte(body))
		found, p := description(req)
		if p != nil && found != nil || !strings.Contains(body, string(found)) {
			t.Errorf("%q with %+v out of %q", found, p, body)
		}
	})
}
