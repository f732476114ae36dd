package b2bua

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestCallsFollowThePath: a phone that registered through a proxy is called through it.
func TestCallsFollowThePath(t *testing.T) {
	bridging := func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"user:1001"}, DialOptions{})
		return err
	}
	inWorld(t, bridging, func(w *world) {
		edge := w.wire("udp", 2)
		register := "REGISTER sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.2:5060;branch=z9hG4bKreg\r\nFrom: <sip:1001@10.0.0.1>;tag=r\r\n" +
			"To: <sip:1001@10.0.0.1>\r\nCall-ID: path\r\nCSeq: 1 REGISTER\r\nContact: <sip:1001@192.168.1.9>\r\n" +
			"Path: <sip:edge2.example;lr>, <sip:10.0.1.9;lr>\r\nSupported: path\r\nContent-Length: 0\r\n\r\n"
		edge.send(register)
		edge.send(login(t, register, edge.final(), "1001"))
		if r := edge.final(); r.code != 200 || r.header("Path") != "<sip:edge2.example;lr>, <sip:10.0.1.9;lr>" {
			t.Fatalf("registered with\n%s", r.text)
		}
		a := w.peer(1)
		a.calls("700")
		invite, ok := edge.next(time.Second)
		if !ok || !strings.HasPrefix(invite.text, "INVITE sip:1001@192.168.1.9 SIP/2.0\r\n") {
			t.Fatalf("the edge got\n%s", invite.text)
		}
		if i, j := strings.Index(invite.text, "Route: <sip:edge2.example;lr>"), strings.Index(invite.text, "Route: <sip:10.0.1.9;lr>"); i < 0 || j < i {
			t.Errorf("no route, or in the wrong order:\n%s", invite.text)
		}
		edge.send(invite.answer(486))
		a.response(486)
		a.send("ACK", "700", "")
	}, func(o *Options) { o.Directory = everyone{} })
}
