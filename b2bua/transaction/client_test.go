package transaction_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestTimerAResendsAndTimerBEndsInvite(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.sendRequest(sip.INVITE)
		time.Sleep(40 * time.Second)
		r.want("sent", r.peer.times(), "INVITE@0s INVITE@500ms INVITE@1.5s INVITE@3.5s INVITE@7.5s INVITE@15.5s INVITE@31.5s")
		r.want("user", r.user.seen(), "end transaction timed out")
		r.wantEmpty()
	})
}

func TestProvisionalStopsTimersAAndB(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.sendRequest(sip.INVITE)
		req := r.peer.take()[0].msg
		r.peer.send(answer(req, 100, ""))
		time.Sleep(time.Hour)
		r.want("sent", r.peer.times(), "")
		r.peer.send(answer(req, 180, "a"))
		r.peer.send(answer(req, 183, "b"))
		r.want("user", r.user.seen(), "100 | 180 | 183")
	})
}

func TestTimerDAbsorbsResentFinals(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.sendRequest(sip.INVITE)
		req := r.peer.take()[0].msg
		r.peer.send(answer(req, 486, "a"))
		r.peer.send(answer(req, 486, "a"))
		time.Sleep(31 * time.Second)
		r.peer.send(answer(req, 486, "a"))
		got := r.peer.take()
		if len(got) != 3 {
			t.Fatalf("got %d ACKs", len(got))
		}
		ack := got[0].msg.(*sip.Request)
		// RFC 3261 §17.1.1.3.
		if ack.Method != sip.ACK || ack.Via().Value() != req.Via().Value() || ack.CSeq().SeqNo != 7 ||
			ack.CSeq().MethodName != sip.ACK || ack.Route() == nil || ack.Recipient.String() != req.(*sip.Request).Recipient.String() ||
			ack.From().Value() != req.From().Value() || !strings.Contains(ack.To().Value(), "tag=a") {
			t.Errorf("ACK:\n%s", got[0].raw)
		}
		r.want("user", r.user.seen(), "486 | end <nil>")
		time.Sleep(2 * time.Second)
		r.wantEmpty()
		r.peer.send(answer(req, 486, "a"))
		r.want("after timer D", r.peer.names(), "")
	})
}

func TestTimersEAndFOfNonInvite(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.sendRequest(sip.OPTIONS)
		time.Sleep(40 * time.Second)
		r.want("sent", r.peer.times(), "OPTIONS@0s OPTIONS@500ms OPTIONS@1.5s OPTIONS@3.5s OPTIONS@7.5s OPTIONS@11.5s "+
			"OPTIONS@15.5s OPTIONS@19.5s OPTIONS@23.5s OPTIONS@27.5s OPTIONS@31.5s")
		r.want("user", r.user.seen(), "end transaction timed out")
		r.wantEmpty()
	})
}

func TestTimerEInProceedingIsT2(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.sendRequest(sip.BYE)
		r.peer.send(answer(r.peer.take()[0].msg, 100, ""))
		time.Sleep(10 * time.Second)
		r.want("sent", r.peer.times(), "BYE@500ms BYE@4.5s BYE@8.5s")
		time.Sleep(25 * time.Second)
		r.want("user", r.user.seen(), "100 | end transaction timed out")
		r.wantEmpty()
	})
}

func TestTimerKAbsorbsResentResponses(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.sendRequest(sip.OPTIONS)
		req := r.peer.take()[0].msg
		r.peer.send(answer(req, 200, "a"))
		r.peer.send(answer(req, 200, "a"))
		r.want("user", r.user.seen(), "200 | end <nil>")
		time.Sleep(4900 * time.Millisecond)
		if _, c := r.tx.Counts(); c != 1 {
			t.Errorf("%d clients before timer K", c)
		}
		time.Sleep(200 * time.Millisecond)
		r.wantEmpty()
	})
}

func TestTimerMPassesEach2xx(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.sendRequest(sip.INVITE)
		req := r.peer.take()[0].msg
		r.peer.send(answer(req, 180, "a"))
		r.peer.send(answer(req, 200, "a"))
		r.peer.send(answer(req, 200, "b")) // another fork
		r.peer.send(answer(req, 486, "c")) // too late to mean anything
		time.Sleep(31 * time.Second)
		r.peer.send(answer(req, 200, "a")) // resent: our ACK was lost
		time.Sleep(2 * time.Second)
		r.want("user", r.user.seen(), "180 | 200 | 200 | 200 | end <nil>")
		r.wantEmpty()
		r.peer.send(answer(req, 200, "a"))
		r.want("user", r.user.seen(), "180 | 200 | 200 | 200 | end <nil> | stray 200")
		r.want("ACKs are the user's", r.peer.names(), "")
	})
}

func TestForked2xxAfterFailureIsStray(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.sendRequest(sip.INVITE)
		req := r.peer.take()[0].msg
		r.peer.send(answer(req, 486, "a"))
		r.peer.send(answer(req, 200, "b"))
		r.want("user", r.user.seen(), "486 | end <nil> | stray 200")
	})
}

func TestCancelWaitsForProvisional(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		c := r.sendRequest(sip.INVITE)
		if err := c.Cancel(sip.NewHeader("Reason", "SIP;cause=200")); err != nil {
			t.Fatal(err)
		}
		got := r.peer.take()
		req := got[0].msg
		if len(got) != 1 {
			t.Fatalf("sent %d messages before a provisional response", len(got))
		}
		r.peer.send(answer(req, 180, "a"))
		got = r.peer.take()
		if len(got) != 1 {
			t.Fatalf("%d messages", len(got))
		}
		cancel := got[0].msg.(*sip.Request)
		// RFC 3261 §9.1.
		if cancel.Method != sip.CANCEL || cancel.Via().Value() != req.Via().Value() || len(cancel.GetHeaders("via")) != 1 ||
			cancel.CSeq().SeqNo != 7 || cancel.CSeq().MethodName != sip.CANCEL || cancel.To().Value() != req.To().Value() ||
			cancel.Route() == nil || cancel.GetHeader("reason") == nil {
			t.Errorf("CANCEL:\n%s", got[0].raw)
		}
		_ = c.Cancel()
		r.peer.send(answer(cancel, 200, "a"))
		r.peer.send(answer(req, 487, "a"))
		r.want("sent", r.peer.names(), "ACK")
		r.want("user", r.user.seen(), "180 | 487 | end <nil>")
		time.Sleep(time.Minute)
		r.wantEmpty()
	})
}

func TestCancelCrossing200(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		c := r.sendRequest(sip.INVITE)
		req := r.peer.take()[0].msg
		r.peer.send(answer(req, 180, "a"))
		_ = c.Cancel()
		r.peer.send(answer(req, 200, "a"))
		r.peer.send(answer(r.peer.take()[0].msg, 481, "x"))
		r.want("user", r.user.seen(), "180 | 200")
		time.Sleep(time.Minute)
		r.want("user", r.user.seen(), "180 | 200 | end <nil>")
		r.wantEmpty()
	})
}

func TestCancelWithoutFinalGivesUp(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		c := r.sendRequest(sip.INVITE)
		req := r.peer.take()[0].msg
		r.peer.send(answer(req, 180, "a"))
		time.Sleep(20 * time.Second)
		_ = c.Cancel()
		r.peer.send(answer(r.peer.take()[0].msg, 200, "a"))
		time.Sleep(31 * time.Second)
		r.want("user", r.user.seen(), "180")
		time.Sleep(2 * time.Second)
		r.want("user", r.user.seen(), "180 | end transaction timed out")
		r.wantEmpty()
	})
}

func TestCancelAfterFinalDoesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		c := r.sendRequest(sip.INVITE)
		r.peer.send(answer(r.peer.take()[0].msg, 200, "a"))
		if err := c.Cancel(); err != nil {
			t.Error(err)
		}
		r.want("sent", r.peer.names(), "")
	})
}

func TestResponsesNotOursAreDropped(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.sendRequest(sip.INVITE)
		res := answer(r.peer.take()[0].msg, 200, "a")
		via := "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKother\r\n"
		r.peer.send(strings.Replace(res, "Via: ", via+"Via: ", 1))
		r.peer.send(strings.Replace(res, "branch=z9hG4bK", "branch=z9hG4bKx", 1))
		r.peer.send(strings.Replace(res, "7 INVITE", "7 OPTIONS", 1))
		r.want("user", r.user.seen(), "stray 200") // the second, which an ACK and BYE would end
	})
}

func TestManyResponsesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.sendRequest(sip.INVITE)
		req := r.peer.take()[0].msg
		var want []string
		for i := range 200 {
			code := 180 + i%4
			want = append(want, what(&sip.Response{StatusCode: code}))
			if _, err := r.peer.pc.WriteTo([]byte(answer(req, code, "a")), r.peer.to); err != nil {
				t.Fatal(err)
			}
		}
		r.peer.send(answer(req, 200, "a"))
		synctest.Wait()
		r.want("user", r.user.seen(), strings.Join(append(want, "200"), " | "))
	})
}
