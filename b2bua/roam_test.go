package b2bua

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// behindTwo lets a call the first of two.example, which answers as a proxy of that name.
func behindTwo(w *world, a, first *peer) {
	w.t.Helper()
	a.calls("700")
	first.answer(first.request(sip.INVITE), 200, "b", first.body, "Record-Route: <sip:two.example;lr>")
	first.request(sip.ACK)
	a.response(200)
	a.send("ACK", "", "")
	synctest.Wait()
}

// sameBut checks that one request is the other with another branch (RFC 3263 §4.3).
func sameBut(t *testing.T, a, b *sip.Request) {
	t.Helper()
	cut := func(r *sip.Request) string {
		r = r.Clone()
		r.RemoveHeader("Via")
		return r.String()
	}
	if a.Via().Value() == b.Via().Value() || cut(a) != cut(b) {
		t.Errorf("first\n%s\nthen\n%s", a, b)
	}
}

func TestByeIsTakenByTheNextTarget(t *testing.T) {
	for name, refuses := range map[string]bool{"after 503": true, "after a time-out": false} {
		t.Run(name, func(t *testing.T) {
			inNamedWorld(t, dialTwo, func(w *world) {
				a, first, second := w.peer(1), w.peer(2), w.peer(3)
				behindTwo(w, a, first)
				a.hangsUp()
				start := time.Now()
				bye := first.request(sip.BYE)
				if refuses {
					first.answer(bye, 503, "", "")
				}
				again := second.request(sip.BYE)
				sameBut(t, bye, again)
				second.answer(again, 200, "", "")
				if d := time.Since(start); refuses && d > time.Second || !refuses && d != 32*time.Second {
					t.Errorf("the next was tried after %v", d)
				}
			})
		})
	}
}

// TestDialogGoesOnAtTheNextTarget: what follows a re-INVITE that moved goes where it went.
func TestDialogGoesOnAtTheNextTarget(t *testing.T) {
	inNamedWorld(t, dialTwo, func(w *world) {
		a, first, second := w.peer(1), w.peer(2), w.peer(3)
		behindTwo(w, a, first)
		a.send("INVITE", "", a.body+"a=sendonly\r\n")
		a.response(200)
		a.send("ACK", "", "")
		hold := first.request(sip.INVITE)
		first.answer(hold, 503, "", "", "Retry-After: 30")
		first.request(sip.ACK)
		again := second.request(sip.INVITE)
		sameBut(t, hold, again)
		second.answer(again, 200, "", second.body+"a=recvonly\r\n")
		if ack := second.request(sip.ACK); ack.CSeq().SeqNo != again.CSeq().SeqNo {
			t.Errorf("ACK of another request:\n%s", ack)
		}
		a.send("INFO", "", "x", "Info-Package: y")
		info := second.request(sip.INFO)
		second.answer(info, 200, "", "")
		a.response(200)
		a.hangsUp()
		second.hungUp()
		first.silent(time.Second)
	})
}

func TestRequestThatNoTargetTakes(t *testing.T) {
	inNamedWorld(t, dialTwo, func(w *world) {
		a, first, second := w.peer(1), w.peer(2), w.peer(3)
		behindTwo(w, a, first)
		a.send("INFO", "", "x", "Info-Package: y")
		for _, p := range []*peer{first, second} {
			p.answer(p.request(sip.INFO), 503, "", "")
		}
		a.response(503)
		a.send("INFO", "", "x", "Info-Package: y") // a refusal that is the phone's own
		second.answer(second.request(sip.INFO), 480, "", "")
		a.response(480)
		first.silent(time.Second)
		a.hangsUp()
		second.hungUp()
	})
}

// TestLargeRequestToACaller: RFC 3261 §18.1.1 for what we send within a dialog that a peer began.
func TestLargeRequestToACaller(t *testing.T) {
	near, far := netip.MustParseAddrPort("10.0.1.1:5060"), netip.MustParseAddrPort("198.51.100.1:5060")
	cases := []struct {
		name, contact string
		at            netip.AddrPort
		deaf          bool // it takes no TCP
		registered    bool
		comes         string
	}{
		{"where it called from", "sip:alice@10.0.1.1", near, false, false, "tcp"},
		{"that takes no TCP", "sip:alice@10.0.1.1", near, true, false, "udp"},
		{"that asks for UDP", "sip:alice@10.0.1.1;transport=UDP", near, false, false, "udp"},
		{"that registered over UDP", "sip:alice@10.0.1.1", near, false, true, "udp"},
		{"behind a NAT", "sip:alice@192.168.7.7", far, false, false, "udp"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, toBob, func(w *world) {
				a, b := w.peerAt(1, tc.at), w.peer(2)
				came := make(chan string, 10)
				if !tc.deaf {
					ln, err := w.net.Listen(a.addr)
					if err != nil {
						t.Fatal(err)
					}
					defer ln.Close()
					go a.overTCP(ln, came)
				}
				if tc.registered {
					a.registers("1001", "first")
					a.fresh()
				}
				w.joins(a, b, "Contact: <"+tc.contact+">")
				b.send("INFO", "", strings.Repeat("x", 1400), "Info-Package: y")
				if tc.comes == "udp" {
					info := a.request(sip.INFO)
					came <- "udp"
					a.answer(info, 200, "", "")
				}
				if by := <-came; by != tc.comes {
					t.Errorf("came by %s, want %s", by, tc.comes)
				}
				b.response(200)
				b.hangsUp()
				a.hungUp() // small, so by UDP
			}, func(o *Options) {
				o.Directory, o.ACL = passwords{"1001": "first"}, trusting(netip.MustParsePrefix("0.0.0.0/0"))
			})
		})
	}
}

// overTCP answers the requests that come over connections.
func (p *peer) overTCP(ln net.Listener, came chan<- string) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 65536)
		n, err := c.Read(buf)
		m, parsed := sip.ParseMessage(buf[:n])
		req, ok := m.(*sip.Request)
		if err != nil || parsed != nil || !ok {
			p.w.t.Errorf("over TCP: %v, %v, %q", err, parsed, buf[:n])
			return
		}
		came <- "tcp"
		_, _ = fmt.Fprintf(c, "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n",
			req.Via().Value(), req.From().Value(), req.To().Value(), req.CallID().Value(), req.CSeq().Value())
	}
}
