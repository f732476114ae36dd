package phone

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/media/sdp"
)

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
}

func TestRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.phone(t, Options{}), w.phone(t, Options{})
		for _, code := range []int{302, 404, 486, 603} {
			go func() {
				c, err := b.Accept(t.Context())
				if err != nil || c.Ring() != nil || c.Reject(code) != nil {
					t.Errorf("%d: not rejected: %v", code, err)
				}
			}()
			_, err := a.Dial(t.Context(), b.URI(), DialOptions{})
			no, ok := errors.AsType[*Rejected](err)
			if !ok || no.Code != code || no.Reason != reasons[code] {
				t.Errorf("%d: %v", code, err)
			}
		}
	})
}

func TestOffersNobodyCanAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b, far := w.phone(t, Options{}), w.peer(t)
		for _, body := range []string{"garbage", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 18\r\n"} {
			req, f := far.invite(b, []byte(body))
			if err := f.Send(req); err != nil {
				t.Fatal(err)
			}
			c, err := b.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Answer(); err == nil {
				t.Errorf("%.20q: answered", body)
			}
			if res := far.response(); res.StatusCode != 488 {
				t.Errorf("%.20q: %d", body, res.StatusCode)
			}
			if e := ended(t, c); e.Code != 488 {
				t.Errorf("%.20q: %+v", body, e)
			}
		}
	})
}

func TestCancelWhenTheContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.phone(t, Options{}), w.phone(t, Options{})
		got := make(chan *Call, 1)
		go func() {
			c, err := b.Accept(t.Context())
			if err != nil || c.Ring() != nil {
				t.Errorf("accept: %v", err)
			}
			got <- c
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := a.Dial(ctx, b.URI(), DialOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial: %v", err)
		}
		c := <-got
		if e := ended(t, c); e.By != "remote" || e.Code != 487 {
			t.Errorf("the callee's call ended by %+v", e)
		}
		if err := c.Answer(); err == nil {
			t.Error("a withdrawn call was answered")
		}
		time.Sleep(time.Minute)
		if s, cl := a.tx.Counts(); s+cl != 0 || len(a.calls) != 0 {
			t.Errorf("left: %d, %d transactions, %d calls", s, cl, len(a.calls))
		}
	})
}

// RFC 3261 §9.1: a CANCEL waits for a provisional response; none comes here before the end.
func TestNobodyThere(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, far := w.phone(t, Options{}), w.peer(t)
		start := time.Now()
		_, err := a.Dial(t.Context(), far.uri(), DialOptions{})
		if took := time.Since(start); err == nil || took != 32*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// A 200 that crosses our CANCEL is acknowledged and hung up: RFC 3261 §15, §9.1.
func TestCancelCrossing200(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, far := w.phone(t, Options{}), w.peer(t)
		c, err := a.Invite(t.Context(), far.uri(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		req, f := far.request(sip.INVITE)
		far.answer(req, f, 180, "tag1", nil)
		if err := c.Progressed(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Cancel()
		cancel, _ := far.request(sip.CANCEL)
		if cancel.CSeq().SeqNo != 1 || dialog.ToTag(cancel) != "" {
			t.Errorf("CANCEL is %s", cancel)
		}
		far.answer(req, f, 200, "tag1", []byte(sdpOffer))
		far.answer(cancel, f, 200, "tag1", nil)
		far.request(sip.ACK)
		bye, _ := far.request(sip.BYE)
		if dialog.ToTag(bye) != "tag1" || bye.CSeq().SeqNo != 2 {
			t.Errorf("BYE is %s", bye)
		}
		far.answer(bye, f, 200, "", nil)
		if e := ended(t, c); e.By != "local" {
			t.Errorf("ended by %+v", e)
		}
	})
}

// Each 2xx gets its ACK, resent ones too, long after the transaction; a second fork gets a BYE.
func TestResentAndForked200(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, far := w.phone(t, Options{}), w.peer(t)
		c, err := a.Invite(t.Context(), far.uri(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		req, f := far.request(sip.INVITE)
		for i, tag := range []string{"one", "one", "two", "one", "two"} {
			far.answer(req, f, 200, tag, []byte(sdpOffer))
			ack, _ := far.request(sip.ACK)
			if dialog.ToTag(ack) != tag || ack.CSeq().Value() != "1 ACK" {
				t.Errorf("ACK %d is %s", i, ack)
			}
			if i == 2 {
				bye, _ := far.request(sip.BYE)
				if dialog.ToTag(bye) != "two" {
					t.Errorf("BYE is %s", bye)
				}
				far.answer(bye, f, 200, "", nil)
			}
		}
		if err := c.Answered(t.Context()); err != nil || c.RemoteTag() != "one" {
			t.Errorf("answered by %q, %v", c.RemoteTag(), err)
		}
		time.Sleep(40 * time.Second) // the transaction has gone
		far.answer(req, f, 200, "one", []byte(sdpOffer))
		far.request(sip.ACK)
		far.quiet(time.Second)
	})
}

// Several early dialogs, each with early media; the answer comes from the second.
func TestEarlyDialogs(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, far := w.phone(t, Options{}), w.peer(t)
		var codes []int
		c, err := a.Invite(t.Context(), far.uri(), DialOptions{OnProgress: func(res *sip.Response) { codes = append(codes, res.StatusCode) }})
		if err != nil {
			t.Fatal(err)
		}
		req, f := far.request(sip.INVITE)
		far.answer(req, f, 183, "one", []byte(sdpOffer))
		far.answer(req, f, 180, "two", nil)
		synctest.Wait()
		if !c.Session().Negotiated() || c.State() != Ringing {
			t.Errorf("no early media; %v", c.State())
		}
		far.answer(req, f, 200, "two", []byte(sdpOffer))
		ack, _ := far.request(sip.ACK)
		if dialog.ToTag(ack) != "two" {
			t.Errorf("ACK to %q", dialog.ToTag(ack))
		}
		if err := c.Answered(t.Context()); err != nil || len(c.Provisionals()) != 2 || !slices.Equal(codes, []int{183, 180}) {
			t.Errorf("%v; saw %v", err, codes)
		}
	})
}

func TestUselessSDPInTheAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, far := w.phone(t, Options{}), w.peer(t)
		c, err := a.Invite(t.Context(), far.uri(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		req, f := far.request(sip.INVITE)
		far.answer(req, f, 200, "one", []byte("garbage"))
		far.request(sip.ACK)
		bye, _ := far.request(sip.BYE)
		far.answer(bye, f, 200, "", nil)
		if err := c.Answered(t.Context()); !errors.Is(err, sdp.ErrMalformed) {
			t.Errorf("answered: %v", err)
		}
	})
}

func TestLateOffer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.phone(t, Options{}), w.phone(t, Options{})
		ca, cb := connected(t, a, b, DialOptions{LateOffer: true, Headers: []sip.Header{sip.NewHeader("X-Test", "1")}})
		if len(cb.Invite().Body()) != 0 || cb.Invite().GetHeader("X-Test") == nil {
			t.Errorf("INVITE is %s", cb.Invite())
		}
		if err := cb.wait(within(t, time.Minute), func() bool { return !cb.unacked }); err != nil {
			t.Fatal(err)
		}
		if !ca.Session().Negotiated() || !cb.Session().Negotiated() {
			t.Error("no media was agreed on")
		}
		if err := ca.Press(t.Context(), "5"); err != nil {
			t.Errorf("press: %v", err)
		}
		if got, err := cb.WaitDigits(within(t, time.Minute), 1); got != "5" {
			t.Errorf("heard %q, %v", got, err)
		}
	})
}
