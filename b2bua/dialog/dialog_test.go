package dialog

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// message parses lines as a SIP message without a body.
func message(t testing.TB, lines ...string) sip.Message {
	t.Helper()
	m, err := sip.ParseMessage([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n"))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return m
}

func invite(t testing.TB, extra ...string) *sip.Request {
	t.Helper()
	return message(t, append([]string{
		"INVITE sip:bob@biloxi.example SIP/2.0",
		"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa",
		`From: "Alice" <sip:alice@atlanta.example>;tag=a1`,
		"To: Bob <sip:bob@biloxi.example>",
		"Call-ID: c1", "CSeq: 7 INVITE"}, extra...)...).(*sip.Request)
}

func response(t testing.TB, status, to, cseq string, extra ...string) *sip.Response {
	t.Helper()
	return message(t, append([]string{
		"SIP/2.0 " + status,
		"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa",
		`From: "Alice" <sip:alice@atlanta.example>;tag=a1`,
		"To: " + to, "Call-ID: c1", "CSeq: " + cseq}, extra...)...).(*sip.Response)
}

const bob = "Bob <sip:bob@biloxi.example>;tag=b1"

func values(req *sip.Request, name string) []string {
	var out []string
	for _, h := range req.GetHeaders(name) {
		out = append(out, h.Value())
	}
	return out
}

func TestUASRequest(t *testing.T) {
	t.Parallel()
	d, err := NewUAS(invite(t, "Contact: <sip:alice@192.0.2.1:5070>"), "b1")
	if err != nil {
		t.Fatal(err)
	}
	if want := (ID{"c1", "b1", "a1"}); d.ID() != want {
		t.Errorf("ID %v, want %v", d.ID(), want)
	}
	req := d.Request(sip.BYE)
	for name, want := range map[string]string{
		"From": `"Bob" <sip:bob@biloxi.example>;tag=b1`, "To": `"Alice" <sip:alice@atlanta.example>;tag=a1`,
		"Call-ID": "c1", "CSeq": "1 BYE", "Max-Forwards": "70", "Content-Length": "0",
	} {
		if got := values(req, name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := req.Recipient.String(); got != "sip:alice@192.0.2.1:5070" {
		t.Errorf("Request-URI %s", got)
	}
	if next := d.Request(sip.INFO); next.CSeq().SeqNo != 2 || d.LocalSeq() != 2 {
		t.Errorf("second request has CSeq %d", next.CSeq().SeqNo)
	}
	if _, err := sip.ParseMessage([]byte(req.String())); err != nil {
		t.Errorf("our own BYE does not parse: %v\n%s", err, req)
	}
}

func TestUACRequest(t *testing.T) {
	t.Parallel()
	d, err := NewUAC(invite(t), response(t, "200 OK", bob, "7 INVITE", "Contact: <sip:bob@192.0.2.9>"))
	if err != nil {
		t.Fatal(err)
	}
	if !d.Confirmed() {
		t.Error("a 2xx made an early dialog")
	}
	if want := (ID{"c1", "a1", "b1"}); d.ID() != want {
		t.Errorf("ID %v, want %v", d.ID(), want)
	}
	if ack := d.Ack(7); ack.CSeq().Value() != "7 ACK" || ack.Recipient.String() != "sip:bob@192.0.2.9" {
		t.Errorf("ACK is %s", ack)
	}
	if bye := d.Request(sip.BYE); bye.CSeq().Value() != "8 BYE" || ToTag(bye) != "b1" || FromTag(bye) != "a1" {
		t.Errorf("BYE is %s", bye)
	}
}

// RFC 3261 §12.2.1.1 and the examples of §16.12.1.
func TestRouteSets(t *testing.T) {
	t.Parallel()
	const p1, p2 = "<sip:p1.example;lr>", "<sip:p2.example;lr>"
	const s1 = "<sip:s1.example;maddr=192.0.2.77?Subject=x>"
	tests := []struct {
		name     string
		rr       []string // as the INVITE carries it
		uri, hop string
		routes   []string
	}{
		{"none", nil, "sip:alice@192.0.2.1", "sip:alice@192.0.2.1", nil},
		{"loose", []string{p1, p2}, "sip:alice@192.0.2.1", "sip:p1.example;lr", []string{p1, p2}},
		{"one header, two values", []string{p1 + ", " + p2}, "sip:alice@192.0.2.1", "sip:p1.example;lr", []string{p1, p2}},
		{"lr with a value", []string{"<sip:p1.example;LR=on>"}, "sip:alice@192.0.2.1", "sip:p1.example;LR=on", []string{"<sip:p1.example;LR=on>"}},
		{"strict first", []string{s1, p2}, "sip:s1.example;maddr=192.0.2.77", "sip:s1.example;maddr=192.0.2.77?Subject=x",
			[]string{p2, "<sip:alice@192.0.2.1>"}},
		{"strict alone", []string{"<sip:s1.example>"}, "sip:s1.example", "sip:s1.example", []string{"<sip:alice@192.0.2.1>"}},
		{"strict behind loose", []string{p1, "<sip:s1.example>"}, "sip:alice@192.0.2.1", "sip:p1.example;lr", []string{p1, "<sip:s1.example>"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lines := []string{"Contact: <sip:alice@192.0.2.1>"}
			for _, rr := range tt.rr {
				lines = append(lines, "Record-Route: "+rr)
			}
			d, err := NewUAS(invite(t, lines...), "b1")
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // a request must not change what the next one sees
				req, hop := d.Request(sip.INFO), d.NextHop()
				if got := req.Recipient.String(); got != tt.uri {
					t.Errorf("Request-URI %s, want %s", got, tt.uri)
				}
				if got := values(req, "Route"); !slices.Equal(got, tt.routes) {
					t.Errorf("Route %q, want %q", got, tt.routes)
				}
				if hop.String() != tt.hop {
					t.Errorf("next hop %s, want %s", hop.String(), tt.hop)
				}
			}
		})
	}
}

func TestUACRouteSetIsReversedAndRecomputed(t *testing.T) {
	t.Parallel()
	ringing := response(t, "180 Ringing", bob, "7 INVITE", "Contact: <sip:bob@192.0.2.9>",
		"Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>")
	d, err := NewUAC(invite(t), ringing)
	if err != nil {
		t.Fatal(err)
	}
	if d.Confirmed() {
		t.Error("a 180 confirmed the dialog")
	}
	if got := values(d.Request(sip.UPDATE), "Route"); !slices.Equal(got, []string{"<sip:p1.example;lr>", "<sip:p2.example;lr>"}) {
		t.Errorf("early Route %q", got)
	}
	// RFC 3261 §13.2.2.4: p2 has left the path by the time of the 2xx.
	d.Update(response(t, "200 OK", bob, "7 INVITE", "Contact: <sip:bob@192.0.2.10>", "Record-Route: <sip:p1.example;lr>"))
	ack := d.Ack(7)
	if got := values(ack, "Route"); !slices.Equal(got, []string{"<sip:p1.example;lr>"}) {
		t.Errorf("confirmed Route %q", got)
	}
	if !d.Confirmed() || ack.Recipient.Host != "192.0.2.10" {
		t.Errorf("confirmed %v, target %s", d.Confirmed(), ack.Recipient.Host)
	}
	// A 2xx to a re-INVITE moves the target and leaves the routes.
	d.Update(response(t, "200 OK", bob, "9 INVITE", "Contact: <sip:bob@192.0.2.11>", "Record-Route: <sip:evil.example;lr>"))
	if got := d.RouteSet(); len(got) != 1 || got[0].Host != "p1.example" {
		t.Errorf("a re-INVITE changed the route set to %v", got)
	}
	if u := d.RemoteTarget(); u.Host != "192.0.2.11" {
		t.Errorf("a re-INVITE left the target at %s", u.Host)
	}
}

func TestTargetRefresh(t *testing.T) {
	t.Parallel()
	const moved = "Contact: <sip:bob@192.0.2.50>"
	tests := []struct {
		name string
		res  func(t *testing.T) *sip.Response
		want string
	}{
		{"UPDATE", func(t *testing.T) *sip.Response { return response(t, "200 OK", bob, "8 UPDATE", moved) }, "192.0.2.50"},
		{"INFO does not", func(t *testing.T) *sip.Response { return response(t, "200 OK", bob, "8 INFO", moved) }, "192.0.2.9"},
		{"failure does not", func(t *testing.T) *sip.Response { return response(t, "491 Pending", bob, "8 INVITE", moved) }, "192.0.2.9"},
		{"reliable 183", func(t *testing.T) *sip.Response {
			return response(t, "183 Progress", bob, "8 INVITE", moved, "RSeq: 1")
		}, "192.0.2.50"},
		{"plain 183 does not", func(t *testing.T) *sip.Response { return response(t, "183 Progress", bob, "8 INVITE", moved) }, "192.0.2.9"},
		{"star does not", func(t *testing.T) *sip.Response { return response(t, "200 OK", bob, "8 INVITE", "Contact: *") }, "192.0.2.9"},
		{"tel does not", func(t *testing.T) *sip.Response {
			return response(t, "200 OK", bob, "8 INVITE", "Contact: <tel:+1555>")
		}, "192.0.2.9"},
		{"the first of two", func(t *testing.T) *sip.Response {
			return response(t, "200 OK", bob, "8 INVITE", moved, "Contact: <sip:bob@192.0.2.51>")
		}, "192.0.2.50"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, err := NewUAC(invite(t), response(t, "200 OK", bob, "7 INVITE", "Contact: <sip:bob@192.0.2.9>"))
			if err != nil {
				t.Fatal(err)
			}
			d.Update(tt.res(t))
			if u := d.RemoteTarget(); u.Host != tt.want {
				t.Errorf("target %s, want %s", u.Host, tt.want)
			}
		})
	}
}

func TestReceive(t *testing.T) {
	t.Parallel()
	d, err := NewUAC(invite(t), response(t, "200 OK", bob, "7 INVITE"))
	if err != nil {
		t.Fatal(err)
	}
	if u := d.RemoteTarget(); u.String() != "sip:bob@biloxi.example" {
		t.Errorf("without a Contact the target is %s", u.String())
	}
	if _, ok := d.RemoteSeq(); ok {
		t.Error("a UAC knows the peer's CSeq before its first request")
	}
	for _, step := range []struct {
		cseq string
		want error
	}{{"100 INFO", nil}, {"101 BYE", nil}, {"100 INFO", ErrOutOfOrder}, {"5 ACK", nil}, {"5 CANCEL", nil}, {"200 INFO", nil}, {"199 INFO", ErrOutOfOrder}} {
		method := step.cseq[strings.IndexByte(step.cseq, ' ')+1:]
		req := message(t, method+" sip:a@192.0.2.1 SIP/2.0", "From: "+bob, "To: <sip:a@x>;tag=a1", "Call-ID: c1", "CSeq: "+step.cseq).(*sip.Request)
		if err := d.Receive(req); !errors.Is(err, step.want) {
			t.Errorf("CSeq %s: %v, want %v", step.cseq, err, step.want)
		}
	}
	if err := d.Receive(sip.NewRequest(sip.INFO, sip.Uri{})); !errors.Is(err, ErrOutOfOrder) {
		t.Errorf("no CSeq: %v", err)
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	if _, err := NewUAS(sip.NewRequest(sip.INVITE, sip.Uri{}), "x"); !errors.Is(err, ErrMalformed) {
		t.Errorf("empty INVITE: %v", err)
	}
	for _, contact := range []string{"", "Contact: *", "Contact: <tel:+15551234>"} {
		lines := []string{}
		if contact != "" {
			lines = append(lines, contact)
		}
		if _, err := NewUAS(invite(t, lines...), "x"); !errors.Is(err, ErrMalformed) {
			t.Errorf("INVITE with %q: %v", contact, err)
		}
	}
	if _, err := NewUAC(invite(t), sip.NewResponse(200, "OK")); !errors.Is(err, ErrMalformed) {
		t.Errorf("empty 200: %v", err)
	}
	if _, err := NewUAC(invite(t), response(t, "180 Ringing", "<sip:bob@x>", "7 INVITE")); !errors.Is(err, ErrMalformed) {
		t.Errorf("180 without a To-tag: %v", err)
	}
	// RFC 3261 §12.1.2: an old peer's 200 has no tag; nor do our requests then.
	d, err := NewUAC(invite(t), response(t, "200 OK", "<sip:bob@x>", "7 INVITE"))
	if err != nil {
		t.Fatal(err)
	}
	if to := d.Request(sip.BYE).To().Value(); to != "<sip:bob@x>" {
		t.Errorf("To %s", to)
	}
}

func TestIDsOfMessages(t *testing.T) {
	t.Parallel()
	req := message(t, "BYE sip:a@192.0.2.1 SIP/2.0", "f: <sip:bob@x> ; TAG = b1", "t: <sip:a@x>;tag=a1", "i: c1", "CSeq: 8 BYE").(*sip.Request)
	want := ID{"c1", "a1", "b1"}
	if got := RequestID(req); got != want {
		t.Errorf("RequestID %v, want %v", got, want)
	}
	if got := ResponseID(response(t, "200 OK", bob, "7 INVITE")); got != want {
		t.Errorf("ResponseID %v, want %v", got, want)
	}
	if got := RequestID(sip.NewRequest(sip.BYE, sip.Uri{})); got != (ID{}) {
		t.Errorf("empty request has ID %v", got)
	}
	if got := ResponseID(sip.NewResponse(200, "OK")); got != (ID{}) {
		t.Errorf("empty response has ID %v", got)
	}
}

func TestNewNamesAreUnlike(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func() string{"tag": NewTag, "call-id": NewCallID, "branch": NewBranch} {
		if a, b := f(), f(); a == b || len(a) < 16 {
			t.Errorf("%s: %q and %q", name, a, b)
		}
	}
	if !strings.HasPrefix(NewBranch(), "z9hG4bK") {
		t.Error("branch without the magic cookie")
	}
}
