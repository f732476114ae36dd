package store

import (
	"strings"
	"testing"
)

func TestSIPMessage(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]SIPMessage{
		"sent INVITE sip:1002@192.0.2.7, CSeq 1 INVITE, to udp:192.0.2.7:5060, SDP 203.0.113.7:10000": {Sent: true, Method: "INVITE",
			URI: "sip:1002@192.0.2.7", CSeq: 1, Peer: "udp:192.0.2.7:5060", SDP: "203.0.113.7:10000"},
		"received 200 OK, CSeq 1 INVITE, SDP 192.0.2.7:4000 sendonly": {Method: "INVITE", Code: 200, Phrase: "OK", CSeq: 1, SDP: "192.0.2.7:4000 sendonly"},
		"sent BYE sip:a@b, CSeq 2 BYE, again":                         {Sent: true, Method: "BYE", URI: "sip:a@b", CSeq: 2, Again: true},
		"received INVITE, CSeq 1 INVITE, again":                       {Method: "INVITE", CSeq: 1, Again: true},
		"received BYE sip:a@b, CSeq 7 BYE, Reason Q.850;cause=16":     {Method: "BYE", URI: "sip:a@b", CSeq: 7, Why: "Q.850;cause=16"},
		"received ACK sip:a@b, CSeq 4294967295 ACK\nACK sip:a@b SIP/2.0\r\nTo: x\r\n\r\n": {Method: "ACK", URI: "sip:a@b", CSeq: 1<<32 - 1,
			Full: "ACK sip:a@b SIP/2.0\r\nTo: x\r\n\r\n"},
	} {
		if got := m.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got, ok := ParseSIPMessage(want); !ok || got != m {
			t.Errorf("%q is read as %+v %v", want, got, ok)
		}
	}
	for _, text := range []string{"", "no ACK", "not reached: 480 no answer", "offer carried to the other side", "sent", "received 200 OK",
		"sent BYE sip:a@b, CSeq x BYE", "sent BYE sip:a@b, CSeq 2 INVITE"} {
		if m, ok := ParseSIPMessage(text); ok {
			t.Errorf("%q is read as %+v", text, m)
		}
	}
}

// A reason phrase, URI or Reason header of a stranger cannot pretend to be another message.
func FuzzSIPMessage(f *testing.F) {
	f.Add("sip:a, CSeq 9 BYE, again@b", "OK, CSeq 1 BYE, again\n", ", SDP 1.2.3.4:5", 200)
	f.Add("", "", "", 0)
	f.Fuzz(func(t *testing.T, uri, phrase, why string, code int) {
		if code < 100 || code > 999 {
			code = 0
		}
		m := SIPMessage{Method: "INVITE", URI: uri, Code: code, Phrase: phrase, CSeq: 1, Peer: "udp:1.2.3.4:5", Why: why}
		text := m.String()
		got, ok := ParseSIPMessage(text)
		if !ok || got.Code != code || got.CSeq != 1 || got.Method != "INVITE" || got.Again || got.SDP != "" || got.Peer != m.Peer || got.Full != "" {
			t.Errorf("%q is read as %+v %v", text, got, ok)
		}
		if len(text) > 3*maxURI+200 || strings.Contains(text, "\n") {
			t.Errorf("%d bytes: %q", len(text), text)
		}
	})
}
