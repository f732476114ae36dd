package transaction_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
)

func TestTryingAfter200ms(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		time.Sleep(time.Second)
		r.want("sent", r.peer.times(), "100@200ms")
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.want("resent", r.peer.names(), "100")
		r.respond(180)
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.want("resent", r.peer.names(), "180 180")
		r.want("user", r.user.seen(), "INVITE")
	})
}

func TestNoTryingWhenTheUserIsQuick(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.user.request = func(s *transaction.Server) {
			_ = s.Respond(transaction.NewResponse(s.Request(), 180, "Ringing", "we"))
		}
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		time.Sleep(time.Minute)
		r.want("sent", r.peer.names(), "180")
	})
}

func TestTimersGAndHWithoutAck(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.respond(486)
		time.Sleep(40 * time.Second)
		r.want("sent", r.peer.times(), "486@0s 486@500ms 486@1.5s 486@3.5s 486@7.5s 486@11.5s 486@15.5s 486@19.5s 486@23.5s 486@27.5s 486@31.5s")
		r.want("user", r.user.seen(), "INVITE | end transaction timed out")
		r.wantEmpty()
	})
}

func TestTimerIAbsorbsAcks(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.respond(486)
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.want("sent", r.peer.names(), "486 486")
		ack := theirsTo("ACK", "z9hG4bK1", "<sip:alice@127.0.0.1>;tag=we")
		r.peer.send(ack)
		time.Sleep(4 * time.Second)
		r.peer.send(ack)
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.want("after the ACK", r.peer.names(), "")
		r.want("user", r.user.seen(), "INVITE")
		time.Sleep(2 * time.Second)
		r.want("user", r.user.seen(), "INVITE | end <nil>")
		r.wantEmpty()
	})
}

func TestLostAckIsAskedForAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.respond(404)
		time.Sleep(2 * time.Second)
		r.peer.send(theirsTo("ACK", "z9hG4bK1", "<sip:alice@127.0.0.1>;tag=we"))
		time.Sleep(time.Minute)
		r.want("sent", r.peer.times(), "404@0s 404@500ms 404@1.5s")
		r.want("user", r.user.seen(), "INVITE | end <nil>")
	})
}

func TestTimerLKeepsResentInviteFromASecondCall(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.respond(200)
		r.respond(200) // the user resends until the ACK
		r.want("sent", r.peer.names(), "200 200")
		r.peer.send(theirsTo("ACK", "z9hG4bK2", "<sip:alice@127.0.0.1>;tag=we"))
		r.peer.send(theirsTo("BYE", "z9hG4bK3", "<sip:alice@127.0.0.1>;tag=we"))
		r.respond(200)
		r.want("sent", r.peer.names(), "200")
		time.Sleep(31 * time.Second)
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.peer.send(theirs("INVITE", "z9hG4bK9")) // the same by another way
		r.want("sent", r.peer.names(), "482")
		r.want("user", r.user.seen(), "INVITE | ack their-call | BYE")
		time.Sleep(2 * time.Second)
		r.want("user", r.user.seen(), "INVITE | ack their-call | BYE | end <nil> | end <nil>")
		time.Sleep(time.Minute)
		r.wantEmpty()
	})
}

func TestAckOf2xxWithTheInvitesBranch(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.respond(200)
		r.peer.send(theirsTo("ACK", "z9hG4bK1", "<sip:alice@127.0.0.1>;tag=we"))
		r.want("user", r.user.seen(), "INVITE | ack their-call")
	})
}

func TestTimerJResendsTheAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("OPTIONS", "z9hG4bK1"))
		r.peer.send(theirs("OPTIONS", "z9hG4bK1"))
		r.want("before the answer", r.peer.names(), "")
		r.respond(200)
		time.Sleep(31 * time.Second)
		r.peer.send(theirs("OPTIONS", "z9hG4bK1"))
		r.want("sent", r.peer.names(), "200 200")
		r.want("user", r.user.seen(), "OPTIONS")
		time.Sleep(2 * time.Second)
		r.want("user", r.user.seen(), "OPTIONS | end <nil>")
		r.wantEmpty()
	})
}

func TestUnansweredNonInviteEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INFO", "z9hG4bK1"))
		time.Sleep(33 * time.Second)
		r.want("user", r.user.seen(), "INFO | end transaction timed out")
		r.want("sent", r.peer.names(), "")
		r.wantEmpty()
	})
}

func TestOneFinalResponse(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.respond(486)
		s := r.user.last()
		for _, code := range []int{180, 200, 487} {
			if err := s.Respond(transaction.NewResponse(s.Request(), code, "Reason", "we")); !errors.Is(err, transaction.ErrEnded) {
				t.Errorf("%d after 486: %v", code, err)
			}
		}
		r.peer.send(theirs("INVITE", "z9hG4bK2")) // refused, so tried anew
		r.respond(200)
		s = r.user.last()
		if err := s.Respond(transaction.NewResponse(s.Request(), 487, "Reason", "we")); !errors.Is(err, transaction.ErrEnded) {
			t.Errorf("487 after 200: %v", err)
		}
		r.want("sent", r.peer.names(), "486 200")
	})
}

func TestCancelReachesTheInvite(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.respond(180)
		r.peer.send(theirs("CANCEL", "z9hG4bK1"))
		r.peer.send(theirs("CANCEL", "z9hG4bK1"))
		got := r.peer.take()
		if len(got) != 3 || what(got[1].msg) != "200" || what(got[2].msg) != "200" {
			t.Fatalf("got %v", got)
		}
		// RFC 3261 §9.2: the To tag of the CANCEL's answer is that of the INVITE's.
		if !strings.Contains(got[1].msg.To().Value(), "tag=we") {
			t.Errorf("To of the 200: %s", got[1].msg.To().Value())
		}
		r.want("user", r.user.seen(), "INVITE | cancelled")
		r.respond(487)
		r.peer.send(theirsTo("ACK", "z9hG4bK1", "<sip:alice@127.0.0.1>;tag=we"))
		time.Sleep(time.Minute)
		r.want("sent", r.peer.names(), "487")
		r.wantEmpty()
	})
}

func TestCancelThatCrossesOurFinal(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.respond(200)
		r.peer.send(theirs("CANCEL", "z9hG4bK1"))
		r.want("sent", r.peer.names(), "200 200")
		r.want("user", r.user.seen(), "INVITE")
	})
}

func TestCancelOfNothingGets481(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("CANCEL", "z9hG4bK1"))
		r.want("sent", r.peer.names(), "481")
		r.want("user", r.user.seen(), "")
	})
}

func TestMergedRequestGets482(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.respond(180)
		r.peer.send(theirs("INVITE", "z9hG4bK2"))
		r.peer.send(theirsTo("ACK", "z9hG4bK2", "<sip:alice@127.0.0.1>"))
		r.want("sent", r.peer.names(), "180 482")
		if n := r.tx.Merged(); n != 1 {
			t.Errorf("%d merged requests counted", n)
		}
		r.want("user", r.user.seen(), "INVITE")
	})
}

func TestRFC2543Matching(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		old := func(s string) string { return strings.Replace(s, ";branch=none", "", 1) }
		r.peer.send(old(theirs("INVITE", "none")))
		r.peer.send(old(theirs("INVITE", "none")))
		r.respond(180)
		r.peer.send(old(theirs("CANCEL", "none")))
		r.respond(487)
		r.peer.send(old(theirsTo("ACK", "none", "<sip:alice@127.0.0.1>;tag=other"))) // not ours
		time.Sleep(600 * time.Millisecond)
		r.peer.send(old(theirsTo("ACK", "none", "<sip:alice@127.0.0.1>;tag=we")))
		time.Sleep(time.Minute)
		r.want("sent", r.peer.names(), "180 200 487 487")
		r.want("user", r.user.seen(), "INVITE | cancelled | end <nil>")
		r.wantEmpty()
	})
}

func TestPanicOfTheUserIsAnswered500(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.user.request = func(*transaction.Server) { panic("injected") }
		r.peer.send(theirs("OPTIONS", "z9hG4bK1"))
		r.want("sent", r.peer.names(), "500")
		if n := r.tl.Counts().Panics; n != 1 {
			t.Errorf("%d panics counted", n)
		}
		r.user.request = nil
		r.peer.send(theirs("INVITE", "z9hG4bK2"))
		r.respond(200)
		r.want("goes on", r.peer.names(), "200")
	})
}

func TestPanicInATimersCallbackIsCounted(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.user.last().OnEnd(func(error) { panic("injected") })
		r.respond(486)
		time.Sleep(33 * time.Second)
		synctest.Wait()
		if n := r.tl.Counts().Panics; n != 1 {
			t.Errorf("%d panics counted", n)
		}
		r.wantEmpty()
	})
}

func TestMaxServersAnswers503(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, transaction.Options{MaxServers: 2}, func(r *rig) {
		r.peer.send(theirs("INVITE", "z9hG4bK1"))
		r.peer.send(theirs("OPTIONS", "z9hG4bK2"))
		r.peer.send(theirs("INFO", "z9hG4bK3"))
		r.peer.send(theirs("ACK", "z9hG4bK4"))
		r.want("sent", r.peer.names(), "503")
		r.want("user", r.user.seen(), "INVITE | OPTIONS | ack their-call")
	})
}

func TestNewResponse(t *testing.T) {
	t.Parallel()
	text := strings.Replace(theirs("INVITE", "z9hG4bK1"), "From:",
		"Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKb\r\nRecord-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\nTimestamp: 54\r\nFrom:", 1)
	msg, err := sip.ParseMessage([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	req := msg.(*sip.Request)
	for _, c := range []struct {
		code         int
		routes       int
		tag, stamped bool
	}{{100, 0, false, true}, {180, 2, true, false}, {200, 2, true, false}, {486, 0, true, false}} {
		tag := "we"
		if !c.tag {
			tag = ""
		}
		res := transaction.NewResponse(req, c.code, "Reason", tag)
		got := res.String()
		if n := strings.Count(got, "Record-Route:"); n != c.routes {
			t.Errorf("%d has %d Record-Routes", c.code, n)
		}
		if strings.Contains(got, "tag=we") != c.tag || strings.Contains(got, "Timestamp: 54") != c.stamped ||
			strings.Count(got, "Via:") != 2 || !strings.Contains(got, "Content-Length: 0\r\n\r\n") ||
			strings.Index(got, "p2") > strings.Index(got, "p1") {
			t.Errorf("%d:\n%s", c.code, got)
		}
	}
	if strings.Contains(req.String(), "tag=we") {
		t.Error("the request was changed")
	}
	id := transaction.NewResponse(req, 200, "OK", "we").CallID()
	*id = "changed"
	if req.CallID().Value() != "their-call" {
		t.Error("Call-ID is shared")
	}
}
