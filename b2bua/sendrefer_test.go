package b2bua

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// referring answers, sends a REFER and tells how it went.
func referring(outcome chan<- error) handlerFunc {
	return func(ctx context.Context, c *Call) error {
		if err := c.Answer(ctx, nil); err != nil {
			return nil
		}
		outcome <- c.Refer(ctx, "sip:carol@example.com;transport=tcp")
		return nil
	}
}

// tells sends a NOTIFY about a REFER.
func (p *peer) tells(code int, headers ...string) {
	p.w.t.Helper()
	body := "SIP/2.0 " + strconv.Itoa(code) + " Whatever\r\n"
	p.cseq++
	p.write(strings.Join(append([]string{"NOTIFY " + p.target + " SIP/2.0",
		"Via: SIP/2.0/UDP " + p.addr.String() + ";branch=z9hG4bKn" + strconv.Itoa(p.cseq),
		"From: " + p.local, "To: " + p.remote, "Call-ID: " + p.callID, "CSeq: " + strconv.Itoa(p.cseq) + " NOTIFY",
		"Contact: <sip:alice@" + p.addr.String() + ">", "Max-Forwards: 70", "Content-Type: message/sipfrag;version=2.0"},
		append(headers, "Content-Length: "+strconv.Itoa(len(body)), "", body)...), "\r\n"))
}

const active, terminated = "Subscription-State: active;expires=60", "Subscription-State: terminated;reason=noresource"

func TestReferTheCaller(t *testing.T) {
	outcome := make(chan error, 1)
	inWorld(t, referring(outcome), func(w *world) {
		a := w.peer(1)
		a.talks("700")
		refer := a.request(sip.REFER)
		to, _ := headerOf(refer, "Refer-To")
		by, _ := headerOf(refer, "Referred-By")
		if to != "<sip:carol@example.com;transport=tcp>" || !strings.Contains(by, "sip:700@") || refer.Contact() == nil {
			t.Errorf("REFER:\n%s", refer)
		}
		a.tells(100, "Event: refer", active) // before the 202, as it may be
		a.response(200)
		a.answer(refer, 202, "", "")
		a.tells(180, "Event: refer;id="+strconv.Itoa(int(refer.CSeq().SeqNo)), active)
		a.response(200)
		a.tells(486, "Event: refer;id=4711", terminated)
		a.response(481) // of another REFER
		a.tells(200, "Event: message-summary", active)
		a.response(489)
		a.tells(200, "Event: refer", terminated)
		a.response(200)
		if err := <-outcome; err != nil {
			t.Errorf("outcome: %v", err)
		}
		a.hungUp()
	})
}

func TestReferTheCallerFails(t *testing.T) {
	cases := []struct {
		name  string
		do    func(a *peer, refer *sip.Request)
		code  int
		after time.Duration
	}{
		{"refused", func(a *peer, refer *sip.Request) { a.answer(refer, 603, "", "") }, 603, 0},
		{"busy", func(a *peer, refer *sip.Request) {
			a.answer(refer, 202, "", "")
			a.tells(486, "Event: refer", terminated)
			a.response(200)
		}, 486, 0},
		{"given up without a word", func(a *peer, refer *sip.Request) {
			a.answer(refer, 202, "", "")
			a.tells(100, "Event: refer", "Subscription-State: terminated;reason=timeout")
			a.response(200)
		}, 480, 0},
		{"no word", func(a *peer, refer *sip.Request) { a.answer(refer, 202, "", "") }, 408, referPatience},
		{"no word after the first", func(a *peer, refer *sip.Request) {
			a.answer(refer, 202, "", "")
			time.Sleep(time.Minute)
			a.tells(100, "Event: refer", active)
			a.response(200)
		}, 408, referPatience + time.Minute},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			outcome := make(chan error, 1)
			inWorld(t, referring(outcome), func(w *world) {
				a := w.peer(1)
				a.talks("700")
				refer := a.request(sip.REFER)
				since := time.Now()
				tc.do(a, refer)
				m, _ := a.within(time.Hour)
				bye, ok := m.(*sip.Request)
				if !ok || bye.Method != sip.BYE {
					t.Fatalf("got %v, want BYE", m)
				}
				a.answer(bye, 200, "", "")
				if d := time.Since(since); d != tc.after {
					t.Errorf("after %v", d)
				}
				var f *Failure
				if err := <-outcome; !errors.As(err, &f) || f.Code != tc.code {
					t.Errorf("outcome: %v", err)
				}
			})
		})
	}
}

func TestReferIsNotAnswered(t *testing.T) {
	outcome := make(chan error, 1)
	inWorld(t, referring(outcome), func(w *world) {
		a := w.peer(1)
		a.talks("700")
		for {
			m := a.recv().(*sip.Request)
			if m.Method == sip.BYE {
				a.answer(m, 200, "", "")
				break
			}
		}
		var f *Failure
		if err := <-outcome; !errors.As(err, &f) || f.Code != 408 {
			t.Errorf("outcome: %v", err)
		}
	})
}

func TestReferToAPhoneThatReportsNothing(t *testing.T) {
	outcome := make(chan error, 1)
	inWorld(t, referring(outcome), func(w *world) {
		a := w.peer(1)
		a.talks("700")
		a.answer(a.request(sip.REFER), 202, "", "", "Refer-Sub: false") // RFC 4488
		if err := <-outcome; err != nil {
			t.Errorf("outcome: %v", err)
		}
		a.hungUp()
	})
}

func TestReferAndHangup(t *testing.T) {
	outcome := make(chan error, 1)
	inWorld(t, referring(outcome), func(w *world) {
		a := w.peer(1)
		a.talks("700")
		a.answer(a.request(sip.REFER), 202, "", "")
		a.hangsUp()
		if err := <-outcome; !errors.Is(err, ErrHangup) {
			t.Errorf("outcome: %v", err)
		}
	})
}

func TestReferBeforeTheAnswer(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		if err := c.Refer(ctx, "sip:carol@example.com"); err != ErrState {
			t.Errorf("refer: %v", err)
		}
		for _, bad := range []string{"", "carol", "http://example.com", "sip:", "sip:x@y>\r\nX: y", "sip:a@b, sip:c@d"} {
			if err := c.Refer(ctx, bad); err == nil || err == ErrState {
				t.Errorf("%q was taken: %v", bad, err)
			}
		}
		return c.Reject(ctx, 486, "", nil)
	}, func(w *world) {
		a := w.peer(1)
		a.calls("700")
		a.response(486)
		a.refused()
	})
}

func TestNotifyThatNobodyAskedFor(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		a := w.peer(1)
		a.talks("700")
		a.tells(200, "Event: refer", terminated)
		a.response(481)
		a.tells(200, "Event: presence", terminated)
		if res := a.response(489); res.GetHeader("Allow-Events") == nil {
			t.Errorf("no Allow-Events:\n%s", res)
		}
		a.tells(200, terminated)
		a.response(489)
		a.hangsUp()
	})
}
