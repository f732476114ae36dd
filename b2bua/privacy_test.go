package b2bua

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// TestPrivacyThatACallerAsksFor: RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §10.1.
func TestPrivacyThatACallerAsksFor(t *testing.T) {
	cases := []struct {
		asks   []string
		code   int    // 0: it rings
		hidden bool   // who calls
		says   string // Privacy towards the callee
		told   bool   // of the history
	}{
		{asks: nil, told: true},
		{asks: []string{"id"}, hidden: true, says: "id"},
		{asks: []string{"user;header"}, hidden: true, says: "id"},
		{asks: []string{"ID ; critical"}, hidden: true, says: "id;critical"},
		{asks: []string{"header", "critical"}, hidden: true, says: "id;critical"},
		{asks: []string{"none"}, told: true},
		{asks: []string{"id;none"}, told: true},
		{asks: []string{"session"}, told: true},
		{asks: []string{"session;critical"}, told: true},
		{asks: []string{"history"}, says: "history"},
		{asks: []string{"invisible"}, told: true},
		{asks: []string{"invisible;critical"}, code: 500},
		{asks: []string{"id;invisible", "critical"}, code: 500},
	}
	for _, tc := range cases {
		t.Run(strings.Join(tc.asks, " and "), func(t *testing.T) {
			inWorld(t, toBob, func(w *world) {
				a, b := w.peer(1), w.peer(2)
				headers := []string{"History-Info: <sip:first@x>;index=1"}
				for _, v := range tc.asks {
					headers = append(headers, "Privacy: "+v)
				}
				a.send("INVITE", "200", a.body, headers...)
				if tc.code != 0 {
					a.response(tc.code)
					a.refused()
					return
				}
				a.response(100)
				invite := b.request(sip.INVITE)
				if hidden := !strings.Contains(invite.From().Value(), "alice"); hidden != tc.hidden {
					t.Errorf("From: %s", invite.From().Value())
				}
				if says := strings.Join(headersOf(invite, "Privacy"), ", "); says != tc.says {
					t.Errorf("Privacy: %q, want %q", says, tc.says)
				}
				if told := len(headersOf(invite, "History-Info")) > 0; told != tc.told {
					t.Errorf("told of the history: %v", told)
				}
				b.answer(invite, 486, "b", "")
				b.request(sip.ACK)
				a.response(486)
				a.refused()
			})
		})
	}
}

// Who wants its session private does not send its media to the other phone.
func TestPrivateSessionIsNotDirect(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{Direct: true})
		return err
	}, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.send("INVITE", "200", a.body, "Privacy: session")
		a.response(100)
		invite := b.answers()
		if strings.Contains(string(invite.Body()), "10.0.1.1") {
			t.Errorf("where the caller's media come from:\n%s", invite.Body())
		}
		a.response(200)
		a.send("ACK", "200", "")
		talking(a, b)
	})
}

// TestHistoryOfADivertedCall: each who sends us elsewhere is told to the next, in both ways of
// saying it, beside what came with the call.
func TestHistoryOfADivertedCall(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b, c, d := w.peer(1), w.peer(2), w.peer(3), w.peer(4)
		a.send("INVITE", "200", a.body, "Diversion: <sip:old@x>;reason=no-answer", "History-Info: <sip:old@x>;index=1, <sip:200@us>;index=1.1")
		a.response(100)
		if h := headersOf(b.redirects(302, "sip:carol@10.0.1.3"), "History-Info"); len(h) != 1 {
			t.Errorf("before anybody has diverted it: %q", h)
		}
		a.response(181)
		b.request(sip.ACK)
		c.redirects(380, "sip:dave@10.0.1.4")
		c.request(sip.ACK)
		a.response(181)
		invite := d.request(sip.INVITE)
		want := []string{"<sip:carol@10.0.1.3>;reason=unavailable", "<sip:bob@10.0.1.2>;reason=unconditional", "<sip:old@x>;reason=no-answer"}
		if got := headersOf(invite, "Diversion"); !slices.Equal(got, want) {
			t.Errorf("Diversion: %q", got)
		}
		want = []string{"<sip:old@x>;index=1, <sip:200@us>;index=1.1", "<sip:bob@10.0.1.2?Reason=SIP%3Bcause%3D302>;index=1.1.1;mp=1.1",
			"<sip:carol@10.0.1.3?Reason=SIP%3Bcause%3D380>;index=1.1.1.1;mp=1.1.1", "<sip:dave@10.0.1.4>;index=1.1.1.1.1;mp=1.1.1.1"}
		if got := headersOf(invite, "History-Info"); !slices.Equal(got, want) {
			t.Errorf("History-Info: %q", got)
		}
		d.answer(invite, 486, "d", "")
		d.request(sip.ACK)
		a.response(486)
		a.refused()
	})
}

// redirects answers the INVITE that comes with a 3xx.
func (p *peer) redirects(code int, to string) *sip.Request {
	p.w.t.Helper()
	req := p.request(sip.INVITE)
	p.answer(req, code, "x", "", "Contact: <"+to+">")
	return req
}

// TestTrustedPeerIsToldWhoCalls: RFC 3325 §5, also of who wants it hidden from those behind it.
func TestTrustedPeerIsToldWhoCalls(t *testing.T) {
	toFive := func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"sip:x@10.0.1.5"}, DialOptions{})
		return err
	}
	cases := []struct {
		name    string
		trusted string   // the network
		user    bool     // the caller is a user, else it asserts somebody
		headers []string // of the caller
		want    string
	}{
		{"a user", "10.0.1.5/32", true, nil, `<sip:1001@10.0.0.1:5060>`},
		{"a user who hides", "10.0.1.5/32", true, []string{"Privacy: id"}, `<sip:1001@10.0.0.1:5060>`},
		{"a user who says to be another", "10.0.1.5/32", true, []string{"P-Asserted-Identity: <sip:boss@x>"}, `<sip:1001@10.0.0.1:5060>`},
		{"to a stranger", "10.0.2.0/24", true, nil, ""},
		{"whom a peer asserts", "10.0.1.0/24", false, []string{`P-Asserted-Identity: "Cullen" <sip:cullen@x>`}, `"Cullen" <sip:cullen@10.0.0.1:5060>`},
		{"whom nobody asserts", "10.0.1.0/24", false, nil, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, toFive, func(w *world) {
				a, b := w.peer(1), w.peer(5)
				if tc.user {
					a.asUser("1001", "200", tc.headers...)
				} else {
					a.send("INVITE", "200", a.body, tc.headers...)
					a.response(100)
				}
				invite := b.request(sip.INVITE)
				if got := strings.Join(headersOf(invite, "P-Asserted-Identity"), " and "); got != tc.want {
					t.Errorf("told %q, want %q", got, tc.want)
				}
				b.answer(invite, 486, "b", "")
				b.request(sip.ACK)
				a.response(486)
				a.refused()
			}, func(o *Options) { o.ACL, o.Directory = aclOf(tc.trusted), users{"1001"} })
		})
	}
}
