package phone

import (
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
)

// RFC 3261 §13.3.1.4: the 200 is resent; with no ACK at all the call ends by BYE.
func TestNoAck(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b, far := w.phone(t, Options{}), w.peer(t)
		req, f := far.invite(b, []byte(sdpOffer))
		if err := f.Send(req); err != nil {
			t.Fatal(err)
		}
		c, err := b.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Ring(); err != nil {
			t.Error(err)
		}
		ringing := far.response()
		start := time.Now()
		if err := c.Answer(); err != nil {
			t.Error(err)
		}
		oks := 0
		for {
			m := far.next()
			if bye, ok := m.Msg.(*sip.Request); ok {
				if bye.Method != sip.BYE || time.Since(start) != 32*time.Second {
					t.Errorf("%s after %v", bye.Method, time.Since(start))
				}
				far.answer(bye, f, 200, "", nil)
				break
			}
			ok := m.Msg.(*sip.Response)
			if dialog.ToTag(ok) != dialog.ToTag(ringing) {
				t.Errorf("To-tag of the 180 is %q, of the 200 %q", dialog.ToTag(ringing), dialog.ToTag(ok))
			}
			oks++
		}
		if oks != 11 { // at once and at 0.5, 1.5, 3.5, 7.5 … 31.5 s
			t.Errorf("200 was sent %d times", oks)
		}
		if e := ended(t, c); e.Err == nil {
			t.Errorf("ended by %+v", e)
		}
	})
}

// RFC 3261 §15: no BYE before the ACK.
func TestHangupWaitsForTheAck(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b, far := w.phone(t, Options{}), w.peer(t)
		req, f := far.invite(b, []byte(sdpOffer))
		if err := f.Send(req); err != nil {
			t.Fatal(err)
		}
		c, err := b.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Answer(); err != nil {
			t.Error(err)
		}
		res := far.response()
		d, err := dialog.NewUAC(req, res)
		if err != nil {
			t.Fatal(err)
		}
		hung := make(chan error, 1)
		go func() { hung <- c.Hangup(t.Context()) }()
		time.Sleep(300 * time.Millisecond)
		far.quiet(100 * time.Millisecond)
		ack := d.Ack(1)
		ack.PrependHeader(req.Via().Clone())
		if err := f.Send(ack); err != nil {
			t.Fatal(err)
		}
		bye, _ := far.request(sip.BYE)
		far.answer(bye, f, 481, "", nil)
		if err := <-hung; err != nil {
			t.Errorf("hang up: %v", err)
		}
		if e := ended(t, c); e.By != "local" {
			t.Errorf("ended by %+v", e)
		}
	})
}

func TestBusyWhenNobodyAccepts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b, far := w.phone(t, Options{}), w.peer(t)
		for i := range maxWaiting + 1 {
			req, f := far.invite(b, []byte(sdpOffer))
			if err := f.Send(req); err != nil {
				t.Fatal(err)
			}
			if i == maxWaiting {
				if res := far.response(); res.StatusCode != 486 {
					t.Errorf("one too many got %d", res.StatusCode)
				}
			}
		}
	})
}

// Early media from the callee's side, before it answers.
func TestEarlyMedia(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.phone(t, Options{}), w.phone(t, Options{})
		ca, err := a.Invite(t.Context(), b.URI(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		cb, err := b.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := cb.Progress(); err != nil {
			t.Fatal(err)
		}
		if err := cb.Press(t.Context(), "9"); err != nil {
			t.Errorf("press: %v", err)
		}
		if got, err := ca.WaitDigits(within(t, time.Minute), 1); got != "9" || ca.State() != Ringing {
			t.Errorf("heard %q before the answer, %v; %v", got, err, ca.State())
		}
		if err := cb.Answer(); err != nil {
			t.Error(err)
		}
		if err := ca.Answered(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What belongs to no call gets its answer, and nothing else happens.
func TestOutOfTheBlue(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b, far := w.phone(t, Options{}), w.peer(t)
		for _, tt := range []struct {
			method sip.RequestMethod
			toTag  string
			want   int
		}{
			{sip.OPTIONS, "", 200}, {sip.MESSAGE, "", 200}, {sip.NOTIFY, "", 200}, {sip.BYE, "", 405}, {sip.SUBSCRIBE, "", 405},
			{sip.BYE, "nope", 481}, {sip.INVITE, "nope", 481}, {sip.INFO, "nope", 481},
		} {
			req, f := far.invite(b, nil)
			req.Method = tt.method
			req.CSeq().MethodName = tt.method
			if tt.toTag != "" {
				req.To().Params.Add("tag", tt.toTag)
			}
			if err := f.Send(req); err != nil {
				t.Fatal(err)
			}
			if res := far.response(); res.StatusCode != tt.want {
				t.Errorf("%s with To-tag %q: %d, want %d", tt.method, tt.toTag, res.StatusCode, tt.want)
			}
		}
		// An INVITE without a Contact makes no dialog.
		req, f := far.invite(b, []byte(sdpOffer))
		req.RemoveHeader("Contact")
		if err := f.Send(req); err != nil {
			t.Fatal(err)
		}
		if res := far.response(); res.StatusCode != 400 {
			t.Errorf("INVITE without Contact: %d", res.StatusCode)
		}
	})
}
