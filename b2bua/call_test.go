package b2bua

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/store"
)

// answering answers and waits until the caller leaves.
func answering(ctx context.Context, c *Call) error {
	if err := c.Answer(ctx, nil); err != nil {
		return nil
	}
	<-c.Done()
	return nil
}

func TestAnsweredCallIsRecorded(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.talks("700")
		time.Sleep(3 * time.Second)
		p.hangsUp()
		r := w.last()
		if r.Call.State != store.StateAnswered || r.Call.SIPCode != 200 || r.Call.ReleasedBy != store.ByCaller ||
			r.Call.BillableMS != 3000 || r.Call.ToUser != "700" || len(r.Legs) != 1 || r.Legs[0].SIPCode != 200 {
			t.Errorf("record: %+v", r)
		}
	})
}

func TestMissingAckEndsInBye(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.calls("700")
		start := time.Now()
		var at []time.Duration
		for {
			m := p.recv()
			if req, ok := m.(*sip.Request); ok {
				if req.Method != sip.BYE {
					t.Fatalf("got %s", req.Method)
				}
				p.answer(req, 200, "", "")
				break
			}
			at = append(at, time.Since(start).Round(time.Millisecond))
		}
		// RFC 3261 §13.3.1.4: T1, doubling up to T2, until 64*T1.
		want := []time.Duration{0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500}
		for i := range want {
			want[i] *= time.Millisecond
		}
		if len(at) != len(want) {
			t.Fatalf("200 sent at %v, want %v", at, want)
		}
		for i := range at {
			if at[i] != want[i] {
				t.Fatalf("200 sent at %v, want %v", at, want)
			}
		}
		if end := time.Since(start); end != 32*time.Second {
			t.Errorf("BYE after %v, want 32s", end)
		}
		r := w.last()
		if !strings.Contains(r.Call.Flags, store.FlagNoAck) || r.Call.ReleasedBy != store.BySystem {
			t.Errorf("record: %+v", r.Call)
		}
	})
}

func TestByeWaitsForAck(t *testing.T) {
	hangup := func(ctx context.Context, c *Call) error {
		_ = c.Answer(ctx, nil)
		return c.Hangup(ctx, 0)
	}
	inWorld(t, hangup, func(w *world) {
		p := w.peer(1)
		p.calls("700")
		p.response(200)
		p.silent(300 * time.Millisecond)
		p.send("ACK", "700", "")
		p.hungUp()
		if r := w.last(); r.Call.ReleasedBy != store.ByScript {
			t.Errorf("record: %+v", r.Call)
		}
	})
}

func TestLateOffer(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.send("INVITE", "700", "")
		p.response(100)
		res := p.response(200)
		if !strings.Contains(string(res.Body()), "m=audio") {
			t.Fatalf("the 200 has no offer:\n%s", res)
		}
		p.send("ACK", "700", p.body)
		time.Sleep(time.Second)
		snap := w.server.Calls(w.t.Context())
		if len(snap) != 1 || snap[0].Legs[0].Codec != "PCMU" {
			t.Errorf("calls: %+v", snap)
		}
		p.hangsUp()
	})
}

func TestCancelBeforeAnswer(t *testing.T) {
	ended := make(chan error, 1)
	ringing := func(ctx context.Context, c *Call) error {
		_ = c.Ring(ctx)
		ended <- c.Leg().Sleep(ctx, time.Minute)
		return nil
	}
	inWorld(t, ringing, func(w *world) {
		p := w.peer(1)
		p.calls("700")
		p.response(180)
		time.Sleep(2 * time.Second)
		p.remote = "<sip:700@" + w.addr.String() + ">"
		p.target = ""
		p.send("CANCEL", "700", "")
		got := map[string]int{}
		for range 2 {
			res := p.recv().(*sip.Response)
			got[string(res.CSeq().MethodName)] = res.StatusCode
		}
		if got["CANCEL"] != 200 || got["INVITE"] != 487 {
			t.Errorf("answers: %v", got)
		}
		p.send("ACK", "700", "")
		if err := <-ended; !errors.Is(err, ErrHangup) {
			t.Errorf("the script's wait ended with %v", err)
		}
		r := w.last()
		if r.Call.State != store.StateCancelled || r.Call.SIPCode != 487 || r.Call.ReleasedBy != store.ByCaller {
			t.Errorf("record: %+v", r.Call)
		}
	})
}

func TestWhatHandlersLeaveOpen(t *testing.T) {
	cases := []struct {
		name string
		h    handlerFunc
		code int
	}{
		{"nobody takes it", func(context.Context, *Call) error { return nil }, 404},
		{"an error", func(context.Context, *Call) error { return errors.New("no") }, 500},
		{"a panic", func(context.Context, *Call) error { panic("on purpose") }, 500},
		{"a panic in the call's goroutine", func(ctx context.Context, c *Call) error {
			c.box.post(do(func(*Call) { panic("on purpose") }))
			<-c.Done()
			return nil
		}, 500},
		{"rejected", func(ctx context.Context, c *Call) error { return c.Reject(ctx, 486, "", nil) }, 486},
		{"redirected", func(ctx context.Context, c *Call) error { return c.Redirect(ctx, []string{"sip:x@10.9.9.9"}) }, 302},
		{"dialled a user who is not there", func(ctx context.Context, c *Call) error {
			_, err := c.Dial(ctx, []string{"user:1001"}, DialOptions{})
			var f *Failure
			if !errors.As(err, &f) || f.State != StateFailed || f.Code != 480 || f.Reason != "not registered" {
				return err
			}
			return nil
		}, 480},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, tc.h, func(w *world) {
				p := w.peer(1)
				p.calls("700")
				res := p.response(tc.code)
				if tag, ok := res.To().Params.Get("tag"); !ok || tag == "" {
					t.Error("no To-tag")
				}
				if tc.code == 302 && res.Contact().Address.Host != "10.9.9.9" {
					t.Errorf("Contact: %v", res.Contact())
				}
				p.target = ""
				p.send("ACK", "700", "")
				if r := w.last(); int(r.Call.SIPCode) != tc.code {
					t.Errorf("record: %+v", r.Call)
				}
			})
		})
	}
}

func TestBridge(t *testing.T) {
	results := make(chan BridgeResult, 1)
	bridging := func(ctx context.Context, c *Call) error {
		res, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{})
		results <- res
		return err
	}
	inWorld(t, bridging, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		invite := b.request(sip.INVITE)
		b.answer(invite, 180, "b", "")
		a.response(180)
		b.answer(invite, 200, "b", b.body)
		ack := b.request(sip.ACK)
		if ack.CSeq().SeqNo != 1 {
			t.Errorf("ACK: %s", ack)
		}
		a.response(200)
		a.send("ACK", "200", "")
		time.Sleep(10 * time.Second)
		b.send("BYE", "", "")
		b.response(200)
		a.hungUp()
		if res := <-results; res.State != StateAnswered || res.By != ByCallee || res.Seconds < 9.9 || res.Seconds > 10.1 {
			t.Errorf("result: %+v", res)
		}
		if r := w.last(); len(r.Legs) != 2 || r.Legs[1].Role != store.RoleB || r.Legs[1].AnswerMS == 0 || r.Call.RingMS == 0 {
			t.Errorf("record: %+v", r)
		}
	})
}

func TestBridgeFailuresReachTheCaller(t *testing.T) {
	results := make(chan BridgeResult, 1)
	bridging := func(ctx context.Context, c *Call) error {
		res, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{Timeout: 10 * time.Second})
		results <- res
		return err
	}
	for code, state := range map[int]State{486: StateBusy, 603: StateFailed, 480: StateNoAnswer, 404: StateFailed} {
		t.Run(Phrase(code), func(t *testing.T) {
			results := make(chan BridgeResult, 1)
			inWorld(t, func(ctx context.Context, c *Call) error {
				res, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{})
				results <- res
				return err
			}, func(w *world) {
				a, b := w.peer(1), w.peer(2)
				a.calls("200")
				b.answer(b.request(sip.INVITE), code, "b", "")
				b.request(sip.ACK)
				a.response(code)
				a.target = ""
				a.send("ACK", "200", "")
				if res := <-results; res.State != state || res.Code != code {
					t.Errorf("result: %+v", res)
				}
			})
		})
	}
	t.Run("no answer", func(t *testing.T) {
		inWorld(t, bridging, func(w *world) {
			a, b := w.peer(1), w.peer(2)
			a.calls("200")
			invite := b.request(sip.INVITE)
			b.answer(invite, 180, "b", "")
			a.response(180)
			cancel := b.request(sip.CANCEL)
			b.answer(cancel, 200, "", "")
			b.answer(invite, 487, "b", "")
			b.request(sip.ACK)
			a.response(480)
			a.target = ""
			a.send("ACK", "200", "")
			if res := <-results; res.State != StateNoAnswer || res.Code != 480 {
				t.Errorf("result: %+v", res)
			}
		})
	})
}

func TestCallerGivesUpWhileItRings(t *testing.T) {
	bridging := func(ctx context.Context, c *Call) error {
		res, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{})
		if res.By != ByCaller || res.State != StateCancelled {
			t.Errorf("result: %+v", res)
		}
		return err
	}
	inWorld(t, bridging, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		invite := b.request(sip.INVITE)
		b.answer(invite, 180, "b", "")
		a.response(180)
		a.remote, a.target = "<sip:200@"+w.addr.String()+">", ""
		a.send("CANCEL", "200", "")
		cancel := b.request(sip.CANCEL)
		b.answer(cancel, 200, "", "")
		// The 200 crosses the CANCEL: RFC 3261 §13.2.2.4 wants ACK, and then it is ended.
		b.answer(invite, 200, "b", b.body)
		b.request(sip.ACK)
		b.hungUp()
		a.recv()
		a.recv()
		a.send("ACK", "200", "")
		if r := w.last(); r.Call.State != store.StateCancelled {
			t.Errorf("record: %+v", r.Call)
		}
	})
}

func TestForkedAnswersAreAcknowledgedAndEnded(t *testing.T) {
	bridging := func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{})
		return err
	}
	inWorld(t, bridging, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		invite := b.request(sip.INVITE)
		b.answer(invite, 200, "b1", b.body)
		b.request(sip.ACK)
		a.response(200)
		a.send("ACK", "200", "")
		b.answer(invite, 200, "b2", b.body) // a proxy before it forked
		ack, bye := b.request(sip.ACK), b.request(sip.BYE)
		for _, m := range []sip.Message{ack, bye} {
			if tag, _ := m.To().Params.Get("tag"); tag != "b2" {
				t.Errorf("not for the fork that lost:\n%s", m)
			}
		}
		b.answer(bye, 200, "", "")
		b.answer(invite, 200, "b1", b.body) // our ACK was lost
		if tag, _ := b.request(sip.ACK).To().Params.Get("tag"); tag != "b1" {
			t.Errorf("resent 200 acknowledged for %s", tag)
		}
		a.hangsUp()
		b.hungUp()
	})
}

func TestParallelLosersAreToldWhy(t *testing.T) {
	bridging := func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2", "sip:carol@10.0.1.3"}, DialOptions{})
		return err
	}
	inWorld(t, bridging, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		a.calls("200")
		toB, toC := b.request(sip.INVITE), c.request(sip.INVITE)
		c.answer(toC, 180, "c", "")
		a.response(180)
		b.answer(toB, 200, "b", b.body)
		b.request(sip.ACK)
		cancel := c.request(sip.CANCEL)
		if why, _ := headerOf(cancel, "Reason"); !strings.Contains(why, "Call completed elsewhere") {
			t.Errorf("Reason: %q", why)
		}
		c.answer(cancel, 200, "", "")
		c.answer(toC, 487, "c", "")
		c.request(sip.ACK)
		a.response(200)
		a.send("ACK", "200", "")
		a.hangsUp()
		b.hungUp()
	})
}

func TestScreening(t *testing.T) {
	var asked []string
	bridging := func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2", "sip:carol@10.0.1.3"}, DialOptions{
			OnAnswer: func(l *Leg) bool {
				asked = append(asked, l.Target())
				_ = l.Sleep(ctx, time.Second)
				return strings.Contains(l.Target(), "carol")
			}})
		return err
	}
	inWorld(t, bridging, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		a.calls("200")
		toB, toC := b.request(sip.INVITE), c.request(sip.INVITE)
		b.answer(toB, 200, "b", b.body)
		b.request(sip.ACK)
		synctest.Wait()
		c.answer(toC, 200, "c", c.body)
		c.request(sip.ACK)
		b.hungUp() // declined after a second; carol waited her turn
		a.response(200)
		a.send("ACK", "200", "")
		a.hangsUp()
		c.hungUp()
		if len(asked) != 2 || !strings.Contains(asked[0], "bob") {
			t.Errorf("asked: %v", asked)
		}
	})
}

func TestCallToOurselves(t *testing.T) {
	h := func(ctx context.Context, c *Call) error {
		if c.Number() == "700" {
			return answering(ctx, c)
		}
		res, err := c.BridgeTo(ctx, []string{"route:700"}, DialOptions{})
		if res.State != StateAnswered {
			t.Errorf("result: %+v", res)
		}
		return err
	}
	inWorld(t, h, func(w *world) {
		a := w.peer(1)
		a.talks("200")
		if n := len(w.server.Calls(w.t.Context())); n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
		time.Sleep(time.Second)
		a.hangsUp()
		if f := w.all(2); f[0].Call.LinkedID != f[1].Call.LinkedID {
			t.Errorf("records: %+v", f)
		}
	})
}

func TestRequestsThatAreRefused(t *testing.T) {
	base := func(method string, change ...string) string {
		text := strings.Join([]string{method + " sip:700@10.0.0.1 SIP/2.0", "Via: SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bKx",
			"From: <sip:a@10.0.1.1>;tag=1", "To: <sip:700@10.0.0.1>", "Call-ID: refused", "CSeq: 1 " + method,
			"Contact: <sip:a@10.0.1.1>", "Max-Forwards: 70", "Content-Length: 0", "", ""}, "\r\n")
		return strings.NewReplacer(change...).Replace(text)
	}
	cases := []struct {
		name, text string
		code       int
		header     string // that the answer must have
	}{
		{"another version", base("INVITE", "SIP/2.0\r\nVia", "SIP/3.0\r\nVia"), 505, ""},
		{"unknown extension", base("INVITE", "Max-Forwards", "Require: teleport\r\nMax-Forwards"), 420, "Unsupported"},
		{"no hops left", base("INVITE", "Max-Forwards: 70", "Max-Forwards: 0"), 483, ""},
		{"BYE without a dialog", base("BYE"), 481, ""},
		{"BYE of a dialog that is not there", base("BYE", "To: <sip:700@10.0.0.1>", "To: <sip:700@10.0.0.1>;tag=z"), 481, ""},
		{"unknown method", base("PUBLISH"), 405, "Allow"},
		{"another scheme", base("INVITE", "INVITE sip:700@10.0.0.1", "INVITE http://10.0.0.1/"), 416, ""},
		{"no From", base("INVITE", "From: <sip:a@10.0.1.1>;tag=1\r\n", ""), 400, ""},
		{"unheard-of method", base("INVENT"), 501, "Allow"},
		{"methods are case-sensitive", base("invite"), 501, "Allow"},
		{"no Call-ID", base("INVITE", "Call-ID: refused\r\n", ""), 400, ""},
		{"CSeq of another method", base("INVITE", "CSeq: 1 INVITE", "CSeq: 1 BYE"), 400, ""},
		{"no Contact", base("INVITE", "Contact: <sip:a@10.0.1.1>\r\n", ""), 400, ""},
		{"a body we cannot read", base("INVITE", "Content-Length: 0\r\n\r\n", "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"), 415, "Accept"},
		{"an SDP that is none", base("INVITE", "Content-Length: 0\r\n\r\n", "Content-Type: application/sdp\r\nContent-Length: 2\r\n\r\nhi"), 400, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, answering, func(w *world) {
				p := w.peer(1)
				p.write(tc.text)
				res, ok := p.recv().(*sip.Response)
				if !ok || res.StatusCode != tc.code {
					t.Fatalf("got %v, want %d", res, tc.code)
				}
				if _, ok := headerOf(res, tc.header); tc.header != "" && !ok {
					t.Errorf("no %s in:\n%s", tc.header, res)
				}
			})
		})
	}
}

func TestCodecWeDoNotHave(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.body = strings.NewReplacer("RTP/AVP 0 101", "RTP/AVP 98", "a=rtpmap:0 PCMU/8000", "a=rtpmap:98 AMR/8000").Replace(p.body)
		p.calls("700")
		p.response(488)
		p.target = ""
		p.send("ACK", "700", "")
		if r := w.last(); r.Call.SIPCode != 488 || r.Call.State != store.StateFailed {
			t.Errorf("record: %+v", r.Call)
		}
	})
}
