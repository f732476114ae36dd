//go:build interop

package interop

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestScenarioFork: a proxy behind us has let two phones answer. Both get an
// ACK, the second a BYE (RFC 3261 §13.2.2.4), and the call stands with the
// first. SIPp has one tag a call, so this peer is ours.
func TestScenarioFork(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": toPort}})
	far := listenWire(t)
	caller := sipp(t, "uac_wait.xml", srv.udp, "-s", portOf(far.addr()))
	invite := far.takes(t, "INVITE")
	first, second := newID(), newID()
	far.replies(t, invite, "200 OK", first, offer("0"))
	if ack := far.takes(t, "ACK"); tag(ack.header("To")) != first {
		t.Errorf("the first answer is acknowledged with\n%s", ack.text)
	}
	far.replies(t, invite, "200 OK", second, offer("0"))
	if ack := far.takes(t, "ACK"); tag(ack.header("To")) != second {
		t.Errorf("the second answer is acknowledged with\n%s", ack.text)
	}
	bye := far.takes(t, "BYE")
	if tag(bye.header("To")) != second {
		t.Errorf("who lost is not the one that gets the BYE\n%s", bye.text)
	}
	far.replies(t, bye, "200 OK", "", "")
	srv.hangsUp(t)
	bye = far.takes(t, "BYE")
	if tag(bye.header("To")) != first {
		t.Errorf("who won is not the one that the call was with\n%s", bye.text)
	}
	far.replies(t, bye, "200 OK", "", "")
	caller.succeeds(t)
	expect(t, srv.finished(t, 1)[0], "state", "answered")
}

// callee is a UDP socket that waits for calls.
type callee struct {
	conn *net.UDPConn
	peer netip.AddrPort // where the last request came from
	seen map[string]bool
}

func listenWire(t *testing.T) *callee {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &callee{conn: conn, seen: map[string]bool{}}
}

func (c *callee) addr() netip.AddrPort { return c.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// takes returns the next request that is no repetition; it must be of this method.
func (c *callee) takes(t *testing.T, method string) message {
	t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(soon))
	b := make([]byte, 65536)
	for {
		n, from, err := c.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatalf("no %s: %v", method, err)
		}
		m := message{text: string(b[:n])}
		if key := m.header("Via") + m.header("CSeq"); !c.seen[key] {
			c.seen[key], c.peer = true, from
			if !strings.HasPrefix(m.text, method+" ") {
				t.Fatalf("want %s, got\n%s", method, m.text)
			}
			return m
		}
	}
}

// replies answers a request, with a tag and a body if there are any.
func (c *callee) replies(t *testing.T, req message, status, tag, body string) {
	t.Helper()
	to := req.header("To")
	if tag != "" {
		to += ";tag=" + tag
	}
	text := fmt.Sprintf("SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:far@%s>\r\n",
		status, req.header("Via"), req.header("From"), to, req.header("Call-ID"), req.header("CSeq"), c.addr())
	if body != "" {
		text += "Content-Type: application/sdp\r\n"
	}
	text += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := c.conn.WriteToUDPAddrPort([]byte(text), c.peer); err != nil {
		t.Fatal(err)
	}
}
