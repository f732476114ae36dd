package b2bua

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/store"
)

// toBob bridges every call to a peer.
func toBob(ctx context.Context, c *Call) error {
	_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{})
	return err
}

// joins lets a call b through the server and returns when both are answered.
func (w *world) joins(a, b *peer, headers ...string) {
	w.t.Helper()
	a.send("INVITE", "200", a.body, headers...)
	a.response(100)
	invite := b.request(sip.INVITE)
	b.answer(invite, 200, "b", b.body)
	b.request(sip.ACK)
	a.response(200)
	a.send("ACK", "200", "")
	synctest.Wait()
}

func TestHoldIsCarriedOver(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		w.joins(a, b)
		for _, step := range []struct{ offered, answered, carried string }{
			{"a=sendonly", "a=recvonly", "a=sendonly"},
			{"a=inactive", "a=inactive", "a=inactive"},
			{"a=sendrecv", "", ""},
		} {
			a.send("INVITE", "", a.body+step.offered+"\r\n")
			res := a.response(200)
			if got := string(res.Body()); !strings.Contains(got, step.answered) {
				t.Fatalf("%s answered with:\n%s", step.offered, got)
			}
			a.send("ACK", "", "")
			if step.offered == "a=inactive" {
				continue // still on hold: nothing new for the other side
			}
			re := b.request(sip.INVITE)
			if got := string(re.Body()); !strings.Contains(got, step.carried) || step.carried == "" && strings.Contains(got, "only") {
				t.Fatalf("%s carried over as:\n%s", step.offered, got)
			}
			b.answer(re, 200, "", b.body+strings.Replace(step.answered, "inactive", "recvonly", 1)+"\r\n")
			b.request(sip.ACK)
		}
		a.hangsUp()
		b.hungUp()
	})
}

func TestOldStyleHold(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		w.joins(a, b)
		b.send("INVITE", "", strings.ReplaceAll(b.body, "c=IN IP4 10.0.1.2", "c=IN IP4 0.0.0.0"))
		b.response(200)
		b.send("ACK", "", "")
		re := a.request(sip.INVITE)
		if got := string(re.Body()); !strings.Contains(got, "a=sendonly") && !strings.Contains(got, "a=inactive") {
			t.Errorf("the hold does not reach the caller:\n%s", got)
		}
		a.answer(re, 200, "", a.body+"a=recvonly\r\n")
		a.request(sip.ACK)
		a.hangsUp()
		b.hungUp()
	})
}

func TestGlare(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		w.joins(a, b)
		a.send("INVITE", "", a.body+"a=sendonly\r\n")
		a.response(200)
		a.send("ACK", "", "")
		ours := b.request(sip.INVITE)
		b.send("INVITE", "", b.body) // crosses ours
		if got := b.recv().(*sip.Response); got.StatusCode != 491 {
			t.Fatalf("theirs answered with %d, want 491", got.StatusCode)
		}
		b.refused()
		b.answer(ours, 491, "", "")
		b.request(sip.ACK)
		since := time.Now()
		again := b.request(sip.INVITE)
		// RFC 3261 §14.1: we made that Call-ID, so we wait 2.1 to 4 s.
		if d := time.Since(since); d < 2100*time.Millisecond || d > 4*time.Second {
			t.Errorf("sent again after %v", d)
		}
		if again.CSeq().SeqNo <= ours.CSeq().SeqNo {
			t.Error("CSeq has not grown")
		}
		b.answer(again, 200, "", b.body+"a=recvonly\r\n")
		b.request(sip.ACK)
		a.hangsUp()
		b.hungUp()
	})
}

func TestReinviteMovesTheTarget(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		a, moved := w.peer(1), w.peer(7)
		a.talks("700")
		a.send("INVITE", "", a.body, fmt.Sprintf("X-Note: moved\r\nContact: <sip:alice@%s>", moved.addr))
		a.response(200)
		a.send("ACK", "", "")
		synctest.Wait()
		w.server.HangupCall(w.server.Calls(w.t.Context())[0].ID)
		moved.hungUp()
	})
}

func TestUpdate(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		invite := b.request(sip.INVITE)
		b.answer(invite, 180, "b", "")
		a.response(180)
		a.send("UPDATE", "", a.body) // the INVITE's offer has no answer yet
		if got := a.recv().(*sip.Response); got.StatusCode != 500 {
			t.Errorf("early UPDATE answered with %d, want 500", got.StatusCode)
		}
		b.answer(invite, 200, "b", b.body)
		b.request(sip.ACK)
		a.response(200)
		a.send("ACK", "200", "")
		a.send("UPDATE", "", a.body)
		if res := a.response(200); !strings.Contains(string(res.Body()), "m=audio") {
			t.Errorf("no answer in:\n%s", res)
		}
		a.send("UPDATE", "", "")
		if res := a.response(200); len(res.Body()) > 0 {
			t.Errorf("an answer to no offer:\n%s", res)
		}
		a.hangsUp()
		b.hungUp()
	})
}

func TestPrackOfTheCaller(t *testing.T) {
	h := func(ctx context.Context, c *Call) error {
		_ = c.Progress(ctx, nil)
		return answering(ctx, c)
	}
	inWorld(t, h, func(w *world) {
		a := w.peer(1)
		a.send("INVITE", "700", a.body, "Supported: 100rel")
		a.response(100)
		start := time.Now()
		first := a.response(183)
		rseq, ok := headerOf(first, "RSeq")
		if require, _ := headerOf(first, "Require"); !ok || require != "100rel" {
			t.Fatalf("not reliable:\n%s", first)
		}
		for _, at := range []time.Duration{500, 1500, 3500} { // T1, doubling
			again := a.response(183)
			if r, _ := headerOf(again, "RSeq"); r != rseq || time.Since(start) != at*time.Millisecond {
				t.Errorf("resent with RSeq %s at %v", r, time.Since(start))
			}
		}
		invite := a.cseq
		a.send("PRACK", "", "", fmt.Sprintf("RAck: %s %d INVITE", "1", invite))
		if got := a.recv().(*sip.Response); got.StatusCode != 481 {
			t.Errorf("PRACK of another response: %d, want 481", got.StatusCode)
		}
		a.send("PRACK", "", "", fmt.Sprintf("RAck: %s %d INVITE", rseq, invite))
		// RFC 3262 §3: the 200 waited for the PRACK.
		got := map[string]int{}
		for range 2 {
			res := a.recv().(*sip.Response)
			got[string(res.CSeq().MethodName)] = res.StatusCode
		}
		if got["PRACK"] != 200 || got["INVITE"] != 200 {
			t.Errorf("answers: %v", got)
		}
		prack := a.cseq
		a.cseq = invite
		a.send("ACK", "", "")
		a.cseq = prack
		a.hangsUp()
	})
}

func TestNoPrackRefusesTheCall(t *testing.T) {
	h := func(ctx context.Context, c *Call) error { return c.Progress(ctx, nil) }
	inWorld(t, func(ctx context.Context, c *Call) error {
		_ = h(ctx, c)
		<-c.Done()
		return nil
	}, func(w *world) {
		a := w.peer(1)
		a.send("INVITE", "700", a.body, "Require: 100rel")
		a.response(100)
		start := time.Now()
		for {
			res := a.recv().(*sip.Response)
			if res.StatusCode == 183 {
				continue
			}
			if res.StatusCode != 504 || time.Since(start) < 31*time.Second {
				t.Errorf("%d after %v", res.StatusCode, time.Since(start))
			}
			break
		}
		a.target = ""
		a.send("ACK", "700", "")
	})
}

func TestPrackOfTheCallee(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		invite := b.request(sip.INVITE)
		if !offers(invite, "Supported", "100rel") {
			t.Errorf("100rel not offered:\n%s", invite)
		}
		b.answer(invite, 183, "b", b.body, "Require: 100rel", "RSeq: 5")
		prack := b.request(sip.PRACK)
		if rack, _ := headerOf(prack, "RAck"); rack != fmt.Sprintf("5 %d INVITE", invite.CSeq().SeqNo) {
			t.Errorf("RAck: %q", rack)
		}
		b.answer(prack, 200, "", "")
		if res := a.response(183); len(res.Body()) == 0 {
			t.Error("early media does not reach the caller")
		}
		b.answer(invite, 183, "b", b.body, "Require: 100rel", "RSeq: 5") // repeated
		b.answer(invite, 183, "b", b.body, "Require: 100rel", "RSeq: 7") // 6 is missing
		b.silent(time.Second)
		b.answer(invite, 200, "b", "") // the answer came in the 183
		b.request(sip.ACK)
		a.response(200)
		a.send("ACK", "200", "")
		a.hangsUp()
		b.hungUp()
	})
}

func withTimers(o *Options) { o.SessionExpires = 30 * time.Minute }

func TestSessionTimerAsRefreshee(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		a := w.peer(1)
		a.send("INVITE", "700", a.body, "Supported: timer", "Session-Expires: 90;refresher=uac")
		a.response(100)
		res := a.response(200)
		if se, _ := headerOf(res, "Session-Expires"); se != "90;refresher=uac" || !offers(res, "Require", "timer") {
			t.Fatalf("Session-Expires: %q", se)
		}
		a.send("ACK", "", "")
		time.Sleep(45 * time.Second)
		a.send("UPDATE", "", "", "Supported: timer", "Session-Expires: 90;refresher=uac")
		a.response(200)
		last := time.Now()
		for { // RFC 4028 §10: BYE a third before the end
			if m, ok := a.within(2 * time.Minute); ok {
				a.answer(m.(*sip.Request), 200, "", "")
				break
			}
		}
		if d := time.Since(last); d != 60*time.Second {
			t.Errorf("BYE %v after the last sign of life, want 60s", d)
		}
	}, withTimers)
}

func TestSessionTimerAsRefresher(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.send("INVITE", "200", a.body, "Supported: timer", "Session-Expires: 7200;refresher=uac", "Min-SE: 7200")
		a.response(100)
		invite := b.request(sip.INVITE)
		b.answer(invite, 422, "b", "", "Min-SE: 3600")
		b.request(sip.ACK)
		again := b.request(sip.INVITE)
		if se, _, _ := sessionExpires(again); se != time.Hour || again.CSeq().SeqNo != 2 || again.CallID().Value() != invite.CallID().Value() {
			t.Fatalf("INVITE after 422:\n%s", again)
		}
		b.answer(again, 200, "b2", b.body, "Session-Expires: 3600;refresher=uac", "Allow: INVITE, UPDATE")
		b.request(sip.ACK)
		a.response(200)
		a.send("ACK", "", "")
		since := time.Now()
		update, ok := b.within(time.Hour)
		if req, is := update.(*sip.Request); !ok || !is || req.Method != sip.UPDATE || time.Since(since) != 30*time.Minute {
			t.Fatalf("after %v: %v", time.Since(since), update)
		}
		b.answer(update.(*sip.Request), 481, "", "") // it has forgotten the call
		b.hungUp()
		a.within(time.Minute)
	}, withTimers)
}

func TestSessionIntervalTooSmall(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		a := w.peer(1)
		a.send("INVITE", "700", a.body, "Supported: timer", "Session-Expires: 30")
		res := a.recv().(*sip.Response)
		if min, _ := headerOf(res, "Min-SE"); res.StatusCode != 422 || min != "90" {
			t.Fatalf("got:\n%s", res)
		}
		a.send("ACK", "700", "")
	}, withTimers)
}

func TestGatherTakesWaitingDigitsFirst(t *testing.T) {
	got := make(chan Gathered, 1)
	h := func(ctx context.Context, c *Call) error {
		if err := c.Answer(ctx, nil); err != nil {
			return nil
		}
		l := c.Leg()
		c.box.post(do(func(*Call) { l.heard('4'); l.heard('2'); l.heard('#') }))
		g, err := l.Gather(ctx, GatherOptions{Max: 5, Finish: "#", Tries: 2})
		got <- g
		return err
	}
	inWorld(t, h, func(w *world) {
		a := w.peer(1)
		a.talks("700")
		a.hungUp()
		if g := <-got; g.Digits != "42" || g.Why != "finish" || !g.OK {
			t.Errorf("gathered %+v", g)
		}
	})
}

func TestGatherTimers(t *testing.T) {
	type outcome struct {
		g    Gathered
		took time.Duration
	}
	cases := []struct {
		name   string
		digits map[time.Duration]byte
		opts   GatherOptions
		want   outcome
	}{
		{"nothing", nil, GatherOptions{}, outcome{Gathered{Why: "timeout"}, 5 * time.Second}},
		{"nothing, twice", nil, GatherOptions{Tries: 2}, outcome{Gathered{Why: "timeout"}, 10 * time.Second}},
		{"one digit", map[time.Duration]byte{time.Second: '7'}, GatherOptions{}, outcome{Gathered{"7", "max", true}, time.Second}},
		{"a pause ends it", map[time.Duration]byte{time.Second: '7', 2 * time.Second: '8'}, GatherOptions{Max: 4},
			outcome{Gathered{"78", "timeout", true}, 4 * time.Second}},
		{"too few", map[time.Duration]byte{time.Second: '7'}, GatherOptions{Min: 2, Max: 4}, outcome{Gathered{Why: "invalid"}, 3 * time.Second}},
		{"the finish key alone", map[time.Duration]byte{time.Second: '#'}, GatherOptions{Finish: "#"}, outcome{Gathered{Why: "invalid"}, time.Second}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var got outcome
			h := func(ctx context.Context, c *Call) error {
				if err := c.Answer(ctx, nil); err != nil {
					return nil
				}
				start := c.clock.Now()
				for at, d := range tc.digits {
					c.clock.AfterFunc(at, func() { c.box.post(do(func(c *Call) { c.caller.heard(d) })) })
				}
				g, err := c.Leg().Gather(ctx, tc.opts)
				got = outcome{g, c.clock.Now().Sub(start)}
				return err
			}
			inWorld(t, h, func(w *world) {
				a := w.peer(1)
				a.talks("700")
				a.hungUp()
				if got != tc.want {
					t.Errorf("got %+v, want %+v", got, tc.want)
				}
				if r := w.last(); r.Call.State != store.StateAnswered {
					t.Errorf("record: %+v", r.Call)
				}
			})
		})
	}
}

func TestMediaTimeoutEndsTheCall(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		a := w.peer(1)
		a.talks("700")
		since := time.Now()
		bye := a.request(sip.BYE)
		a.answer(bye, 200, "", "")
		if d := time.Since(since); d < 20*time.Second || d > 21*time.Second {
			t.Errorf("BYE after %v, want 20s", d)
		}
		if r := w.last(); !strings.Contains(r.Call.Flags, store.FlagMediaTimeout) || !strings.Contains(r.Call.Flags, store.FlagSilent) {
			t.Errorf("flags: %q", r.Call.Flags)
		}
	}, func(o *Options) { o.MediaTimeout = 20 * time.Second })
}

func TestNoMediaTimeoutOnHold(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		a := w.peer(1)
		a.talks("700")
		a.send("INVITE", "", a.body+"a=inactive\r\n")
		a.response(200)
		a.send("ACK", "", "")
		a.silent(2 * time.Minute)
		a.hangsUp()
	}, func(o *Options) { o.MediaTimeout = 20 * time.Second })
}
