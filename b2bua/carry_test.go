package b2bua

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestReasonOfAByeReachesTheCaller(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		w.joins(a, b)
		b.send("BYE", "", "", "Reason: Q.850;cause=31;text=\"fibre cut\"")
		b.response(200)
		if got, _ := headerOf(a.hungUp(), "Reason"); !strings.Contains(got, "cause=31") {
			t.Errorf("BYE to the caller: Reason %q", got)
		}
		if r := w.last(); r.Call.Q850Cause != 31 {
			t.Errorf("q850_cause %d", r.Call.Q850Cause)
		}
	})
}

func TestReasonOfAFailureReachesTheCaller(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		b.answer(b.request(sip.INVITE), 480, "b", "", "Reason: Q.850;cause=20")
		b.request(sip.ACK)
		if got, _ := headerOf(a.response(480), "Reason"); !strings.Contains(got, "cause=20") {
			t.Errorf("failure to the caller: Reason %q", got)
		}
		a.refused()
	})
}

func TestReasonOfACancelReachesTheCallee(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		invite := b.request(sip.INVITE)
		b.answer(invite, 180, "b", "")
		a.response(180)
		a.remote, a.target = "<sip:200@"+w.addr.String()+">", ""
		a.send("CANCEL", "200", "", "Reason: SIP;cause=200;text=\"Call completed elsewhere\"")
		cancel := b.request(sip.CANCEL)
		if got, _ := headerOf(cancel, "Reason"); !strings.Contains(got, "completed elsewhere") {
			t.Errorf("CANCEL to the callee: Reason %q", got)
		}
		b.answer(cancel, 200, "", "")
		b.answer(invite, 487, "b", "")
		a.recv()
		a.recv()
		a.send("ACK", "200", "")
	})
}

func TestRedirectIsFollowed(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		a.calls("200")
		invite := b.request(sip.INVITE)
		b.answer(invite, 302, "b", "", "Contact: <sip:none@10.9.9.9:1>;q=0.1, <sip:carol@10.0.1.3>;q=0.9")
		a.response(181)
		b.request(sip.ACK)
		again := c.request(sip.INVITE)
		if d, _ := headerOf(again, "Diversion"); !strings.Contains(d, "sip:bob@10.0.1.2") || !strings.Contains(d, "reason=unconditional") {
			t.Errorf("Diversion: %q", d)
		}
		c.answer(again, 200, "c", c.body)
		c.request(sip.ACK)
		a.response(200)
		a.send("ACK", "200", "")
		a.hangsUp()
		c.hungUp()
	})
}

func TestRedirectLoopEnds(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		for range maxRedirects + 1 {
			b.answer(b.request(sip.INVITE), 302, "b", "", "Contact: <sip:bob@10.0.1.2>")
			b.request(sip.ACK)
		}
		for {
			if res := a.recv().(*sip.Response); res.StatusCode == 302 {
				break
			} else if res.StatusCode != 181 {
				t.Fatalf("got %d", res.StatusCode)
			}
		}
		a.refused()
	})
}

func TestRedirectCanBeHandedToTheScript(t *testing.T) {
	results := make(chan error, 1)
	h := func(ctx context.Context, c *Call) error {
		_, err := c.Dial(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{NoRedirects: true})
		results <- err
		return nil
	}
	inWorld(t, h, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		b.answer(b.request(sip.INVITE), 302, "b", "", "Contact: <sip:carol@10.0.1.3>")
		b.request(sip.ACK)
		a.response(302)
		a.refused()
		f, ok := (<-results).(*Failure)
		if !ok || f.Code != 302 || len(f.Contacts) != 1 || f.Contacts[0] != "sip:carol@10.0.1.3" {
			t.Errorf("failure: %+v", f)
		}
	})
}

func TestInfoAndMessageArePassedOn(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		w.joins(a, b)
		a.write(strings.Join([]string{"INFO " + a.target + " SIP/2.0", "Via: SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bKinfo",
			"From: " + a.local, "To: " + a.remote, "Call-ID: " + a.callID, "CSeq: 50 INFO", "Max-Forwards: 70", "Info-Package: camera",
			"Content-Type: text/plain", "Content-Length: 4", "", "zoom"}, "\r\n"))
		info := b.request(sip.INFO)
		if pkg, _ := headerOf(info, "Info-Package"); pkg != "camera" || string(info.Body()) != "zoom" {
			t.Errorf("passed on as:\n%s", info)
		}
		b.answer(info, 488, "", "")
		if res := a.recv().(*sip.Response); res.StatusCode != 488 {
			t.Errorf("answered with %d", res.StatusCode)
		}
		a.cseq = 50
		a.hangsUp()
		b.hungUp()
	})
}

func TestAnonymousCaller(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.send("INVITE", "200", a.body, "Privacy: id")
		a.response(100)
		invite := b.request(sip.INVITE)
		if from := invite.From().Value(); !strings.Contains(from, "sip:anonymous@anonymous.invalid") || strings.Contains(from, "alice") {
			t.Errorf("From: %s", from)
		}
		if strings.Contains(invite.String(), "10.0.1.1") {
			t.Errorf("the caller's address reaches the callee:\n%s", invite)
		}
		b.answer(invite, 486, "b", "")
		b.request(sip.ACK)
		a.response(486)
		a.refused()
	})
}

func TestTopologyIsHidden(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.send("INVITE", "200", a.body, "User-Agent: secret-phone/1", "X-Internal: yes", "Record-Route: <sip:10.0.1.1;lr>")
		a.response(100)
		invite := b.request(sip.INVITE)
		for _, hidden := range []string{"10.0.1.1", "secret-phone", "X-Internal", a.callID, "tag=a1"} {
			if strings.Contains(invite.String(), hidden) {
				t.Errorf("%q of the caller reaches the callee:\n%s", hidden, invite)
			}
		}
		if mf := invite.MaxForwards().Val(); mf != 69 {
			t.Errorf("Max-Forwards %d, want the caller's less one", mf)
		}
		b.answer(invite, 486, "b", "", "Server: secret-server", "X-Internal: yes")
		b.request(sip.ACK)
		if res := a.response(486).String(); strings.Contains(res, "secret-server") || strings.Contains(res, "X-Internal") || strings.Contains(res, "10.0.1.2") {
			t.Errorf("the callee shows in:\n%s", res)
		}
		a.refused()
	})
}

func TestOwnRequestComesBack(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		invite := b.request(sip.INVITE)
		// A proxy sends it back to us.
		back := invite.Clone()
		back.Via().Params.Add("branch", "z9hG4bKproxy")
		back.Via().Host, back.Via().Port = b.addr.Addr().String(), int(b.addr.Port())
		b.write(back.String())
		if res := b.recv().(*sip.Response); res.StatusCode != 482 {
			t.Errorf("answered with %d, want 482", res.StatusCode)
		}
		b.answer(invite, 486, "b", "")
		for { // the 482 is sent until its ACK
			if req, ok := b.recv().(*sip.Request); ok && req.Method == sip.ACK {
				break
			}
		}
		a.response(486)
		a.refused()
	})
}

func TestOneTargetHasLessTime(t *testing.T) {
	h := func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2", "sip:carol@10.0.1.3"}, DialOptions{
			Each: map[string]TargetOptions{"sip:bob@10.0.1.2": {Timeout: 5 * time.Second, Headers: Headers{{"X-For", "bob"}}}}})
		return err
	}
	inWorld(t, h, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		a.calls("200")
		toB, toC := b.request(sip.INVITE), c.request(sip.INVITE)
		if x, _ := headerOf(toB, "X-For"); x != "bob" {
			t.Error("bob's own header is missing")
		}
		if _, ok := headerOf(toC, "X-For"); ok {
			t.Error("carol got bob's header")
		}
		since := time.Now()
		b.answer(toB, 180, "b", "")
		c.answer(toC, 180, "c", "")
		cancel := b.request(sip.CANCEL)
		if d := time.Since(since).Round(time.Second); d != 5*time.Second {
			t.Errorf("cancelled after %v", d)
		}
		b.answer(cancel, 200, "", "")
		b.answer(toB, 487, "b", "")
		b.request(sip.ACK)
		c.answer(toC, 200, "c", c.body)
		c.request(sip.ACK)
		for {
			if a.recv().(*sip.Response).StatusCode == 200 {
				break
			}
		}
		w.server.HangupCall(w.server.Calls(w.t.Context())[0].ID)
		a.within(time.Second)
		c.hungUp()
	})
}

func TestSerialHunting(t *testing.T) {
	h := func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2", "sip:carol@10.0.1.3"}, DialOptions{Serial: true, Timeout: 8 * time.Second})
		return err
	}
	inWorld(t, h, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		a.calls("200")
		toB := b.request(sip.INVITE)
		c.silent(300 * time.Millisecond)
		b.answer(toB, 486, "b", "")
		b.request(sip.ACK)
		toC := c.request(sip.INVITE)
		c.answer(toC, 404, "c", "")
		c.request(sip.ACK)
		a.response(486) // RFC 3261 §16.7: of the same class, the first
		a.refused()
	})
}

func TestSecureDialogHasASecureContact(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		a := w.peer(1)
		a.target = "sips:700@" + w.addr.String()
		a.calls("700")
		if c := a.response(200).Contact(); c.Address.Scheme != "sips" || c.Address.UriParams.Has("transport") {
			t.Errorf("Contact: %s", c)
		}
		a.send("ACK", "700", "")
		a.hangsUp()
	})
}
