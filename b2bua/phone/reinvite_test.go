package phone

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/media/sdp"
)

func TestHoldAndResume(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.phone(t, Options{}), w.phone(t, Options{})
		ca, cb := connected(t, a, b, DialOptions{})
		for i, holder := range []*Call{ca, cb, ca} {
			held := cb
			if holder == cb {
				held = ca
			}
			if err := holder.Hold(t.Context()); err != nil {
				t.Fatalf("hold %d: %v", i, err)
			}
			if !held.Session().Held() || holder.Session().Held() {
				t.Errorf("hold %d: held %v and %v", i, held.Session().Held(), holder.Session().Held())
			}
			if err := holder.Resume(t.Context()); err != nil {
				t.Fatalf("resume %d: %v", i, err)
			}
			if held.Session().Held() {
				t.Errorf("resume %d: still held", i)
			}
		}
		if err := ca.Update(t.Context(), sdp.SendOnly); err != nil || !cb.Session().Held() {
			t.Errorf("UPDATE: %v, held %v", err, cb.Session().Held())
		}
	})
}

// RFC 3261 §14.1: of two re-INVITEs that cross both come through in the end.
func TestGlare(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.phone(t, Options{}), w.phone(t, Options{})
		ca, cb := connected(t, a, b, DialOptions{})
		if err := cb.wait(t.Context(), func() bool { return !cb.unacked }); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var both sync.WaitGroup
		for _, c := range []*Call{ca, cb} {
			both.Go(func() {
				if err := c.Hold(t.Context()); err != nil {
					t.Errorf("hold: %v", err)
				}
			})
		}
		both.Wait()
		t.Logf("both done after %v", time.Since(start))
	})
}

func TestRefusedReinviteChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, far := w.phone(t, Options{}), w.peer(t)
		c, err := a.Invite(t.Context(), far.uri(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		req, f := far.request(sip.INVITE)
		far.answer(req, f, 200, "one", []byte(sdpOffer))
		far.request(sip.ACK)
		if err := c.Answered(t.Context()); err != nil {
			t.Fatal(err)
		}
		held := make(chan error, 1)
		go func() { held <- c.Hold(t.Context()) }()
		req, _ = far.request(sip.INVITE)
		if s, err := sdp.Parse(req.Body()); err != nil || s.Media[0].Direction != sdp.SendOnly || dialog.ToTag(req) != "one" {
			t.Errorf("re-INVITE is %s", req)
		}
		far.answer(req, f, 488, "one", nil)
		far.request(sip.ACK)
		if no, ok := errors.AsType[*Rejected](<-held); !ok || no.Code != 488 {
			t.Errorf("hold: %v", no)
		}
		if s, err := sdp.Parse(c.Session().Offer()); err != nil || s.Media[0].Direction != sdp.SendRecv {
			t.Errorf("the next offer is %s", c.Session().Offer())
		}
		// The 2xx to a re-INVITE, and resent: an ACK each.
		go func() { held <- c.Hold(t.Context()) }()
		req, _ = far.request(sip.INVITE)
		for range 3 {
			far.answer(req, f, 200, "one", []byte(sdpOffer))
			if ack, _ := far.request(sip.ACK); ack.CSeq().SeqNo != req.CSeq().SeqNo {
				t.Errorf("ACK is %s", ack)
			}
		}
		if err := <-held; err != nil {
			t.Errorf("hold: %v", err)
		}
		time.Sleep(40 * time.Second)
		far.answer(req, f, 200, "one", []byte(sdpOffer))
		if ack, _ := far.request(sip.ACK); ack.CSeq().SeqNo != req.CSeq().SeqNo {
			t.Errorf("late ACK is %s", ack)
		}
	})
}

func TestRequestsInTheCall(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		seen := map[string]string{}
		a := w.phone(t, Options{})
		b := w.phone(t, Options{OnRequest: func(c *Call, req *sip.Request) int {
			mu.Lock()
			defer mu.Unlock()
			seen[string(req.Method)] = string(req.Body())
			if c == nil {
				t.Errorf("%s came without its call", req.Method)
			}
			if req.Method == sip.REFER {
				return 202
			}
			return 0
		}})
		ca, cb := connected(t, a, b, DialOptions{})
		if err := ca.Info(t.Context(), "application/dtmf-relay", []byte("Signal=5\r\n")); err != nil {
			t.Errorf("INFO: %v", err)
		}
		for method, want := range map[sip.RequestMethod]int{sip.OPTIONS: 200, sip.MESSAGE: 200, sip.REFER: 202, sip.NOTIFY: 200, sip.PUBLISH: 405} {
			res, err := ca.Request(t.Context(), method, "", nil)
			no, refused := errors.AsType[*Rejected](err)
			if refused && no.Code != want || !refused && (err != nil || res.StatusCode != want) {
				t.Errorf("%s: %v, %v", method, res, err)
			}
		}
		mu.Lock()
		if seen["INFO"] != "Signal=5\r\n" || len(seen) != 5 {
			t.Errorf("seen %v", seen)
		}
		mu.Unlock()
		// Requests sent at once keep the order of their CSeq: none is refused with 500.
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := ca.Info(t.Context(), "text/plain", []byte("x")); err != nil {
					t.Errorf("INFO: %v", err)
				}
			})
		}
		all.Wait()
		if err := cb.Hangup(t.Context()); err != nil {
			t.Error(err)
		}
		ended(t, ca)
		if err := ca.Info(t.Context(), "text/plain", []byte("x")); err == nil {
			t.Error("INFO went out after the call")
		}
		if err := ca.Hold(t.Context()); err == nil {
			t.Error("held after the call")
		}
	})
}

// Two BYEs that cross are both answered 200.
func TestCrossingByes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.phone(t, Options{}), w.phone(t, Options{})
		ca, cb := connected(t, a, b, DialOptions{})
		if err := cb.wait(t.Context(), func() bool { return !cb.unacked }); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		for _, c := range []*Call{ca, cb} {
			both.Go(func() {
				if err := c.Hangup(context.Background()); err != nil {
					t.Errorf("hang up: %v", err)
				}
			})
		}
		both.Wait()
		ended(t, ca)
		ended(t, cb)
	})
}
