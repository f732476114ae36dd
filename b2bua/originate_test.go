package b2bua

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/store"
)

// nobody is the handler of worlds in which nobody calls.
func nobody(context.Context, *Call) error { return nil }

// originate calls a peer, which sees the INVITE.
func (w *world) originate(o Origination, p *peer) (*Call, *sip.Request) {
	w.t.Helper()
	if o.Targets == nil {
		o.Targets = []string{"sip:bob@" + p.addr.String()}
	}
	if o.Handler == nil {
		o.Handler = handlerFunc(nobody)
	}
	c, err := w.server.Originate(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return c, p.request(sip.INVITE)
}

// A call that nobody has made is answered, its handler hears keys, and the far end hangs up.
func TestOriginateAnswered(t *testing.T) {
	digits := make(chan string, 1)
	inWorld(t, nobody, func(w *world) {
		bob := w.peer(2)
		serve := handlerFunc(func(ctx context.Context, c *Call) error {
			if h, _ := c.Header("X-Phone"); h != "desk" {
				t.Errorf("X-Phone of the answer is %q", h)
			}
			got, err := c.Leg().Gather(ctx, GatherOptions{Min: 1, Max: 2, Timeout: time.Minute})
			if !errors.Is(err, ErrHangup) {
				t.Errorf("gather: %v, %v; want a hangup", got, err)
			}
			digits <- got.Digits
			return nil
		})
		c, invite := w.originate(Origination{Dial: DialOptions{From: "700", Display: "Tandem", Headers: Headers{{"X-Job", "7"}}}, By: "api", Handler: serve}, bob)
		if v := invite.From(); v.Address.User != "700" || v.DisplayName != "Tandem" {
			t.Errorf("From %s", v.Value())
		}
		if v, _ := headerOf(invite, "X-Job"); v != "7" {
			t.Errorf("X-Job %q", v)
		}
		if c.State() != StateNew {
			t.Errorf("state %s before it rings", c.State())
		}
		bob.answer(invite, 180, "b", "")
		time.Sleep(time.Second)
		if c.State() != StateRinging {
			t.Errorf("state %s while it rings", c.State())
		}
		bob.answer(invite, 200, "b", bob.body, "X-Phone: desk")
		bob.request(sip.ACK)
		time.Sleep(2 * time.Second)
		if c.State() != StateAnswered {
			t.Errorf("state %s once it is answered", c.State())
		}
		bob.hangsUp()
		<-digits
		r := w.last()
		if r.Call.State != store.StateAnswered || r.Call.FromUser != "700" || r.Call.FromDisplay != "Tandem" || r.Call.ToUser != "bob" || r.Call.Source != "api" ||
			r.Call.ReleasedBy != "caller" || r.Call.BillableMS < 1900 || r.Call.RingMS == 0 || r.Call.PDDMS == 0 || r.Call.Direction != store.Internal {
			t.Errorf("record %+v", r.Call)
		}
		if len(r.Legs) != 1 || r.Legs[0].Role != "a" || r.Legs[0].Codec != "PCMU" || r.Legs[0].SIPCode != 200 {
			t.Errorf("legs %+v", r.Legs)
		}
	})
}

// Nobody answers: the record says why, and the handler never runs.
func TestOriginateInVain(t *testing.T) {
	for _, test := range []struct {
		name, state, by string
		code            int64
		far             func(w *world, c *Call, bob *peer, invite *sip.Request)
	}{
		{"busy", store.StateBusy, "callee", 486, func(w *world, c *Call, bob *peer, invite *sip.Request) {
			bob.answer(invite, 486, "b", "")
			bob.request(sip.ACK)
		}},
		{"failed", store.StateFailed, "callee", 603, func(w *world, c *Call, bob *peer, invite *sip.Request) {
			bob.answer(invite, 603, "b", "")
			bob.request(sip.ACK)
		}},
		{"noanswer", store.StateNoAnswer, "system", 480, func(w *world, c *Call, bob *peer, invite *sip.Request) {
			bob.answer(invite, 180, "b", "")
			bob.cancelled(invite)
		}},
		{"withdrawn", store.StateCancelled, "system", 487, func(w *world, c *Call, bob *peer, invite *sip.Request) {
			bob.answer(invite, 180, "b", "")
			time.Sleep(time.Second)
			if !w.server.HangupCall(c.ID()) {
				t.Error("not listed")
			}
			bob.cancelled(invite)
		}},
		{"by its method", store.StateCancelled, "script", 487, func(w *world, c *Call, bob *peer, invite *sip.Request) {
			bob.answer(invite, 180, "b", "")
			time.Sleep(time.Second)
			if err := c.Hangup(context.Background(), 0); err != nil {
				t.Error(err)
			}
			bob.cancelled(invite)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, nobody, func(w *world) {
				bob := w.peer(2)
				serve := handlerFunc(func(context.Context, *Call) error {
					t.Error("served though nobody has answered")
					return nil
				})
				c, invite := w.originate(Origination{Dial: DialOptions{Timeout: 10 * time.Second}, Handler: serve}, bob)
				test.far(w, c, bob, invite)
				r := w.last()
				if r.Call.State != test.state || r.Call.SIPCode != test.code || r.Call.ReleasedBy != test.by || r.Call.AnswerMS != 0 || r.Call.ToUser != "bob" {
					t.Errorf("record %+v; want %s, %d, by %s", r.Call, test.state, test.code, test.by)
				}
				<-c.Done()
			})
		})
	}
}

// cancelled waits for the CANCEL of an INVITE and ends it.
func (p *peer) cancelled(invite *sip.Request) {
	p.w.t.Helper()
	p.answer(p.request(sip.CANCEL), 200, "", "")
	p.answer(invite, 487, "b", "")
	p.request(sip.ACK)
}

// Who is not registered is a failure, and no leg was made for it.
func TestOriginateUnregistered(t *testing.T) {
	inWorld(t, nobody, func(w *world) {
		if _, err := w.server.Originate(Origination{Targets: []string{"user:1001"}, Handler: handlerFunc(nobody)}); err != nil {
			t.Fatal(err)
		}
		if r := w.last(); r.Call.State != store.StateFailed || r.Call.SIPCode != 480 || r.Call.AuthUser != "1001" || len(r.Legs) != 0 {
			t.Errorf("record %+v", r)
		}
	})
}

// What cannot be is said at once, and so is that there is no room.
func TestOriginateRefused(t *testing.T) {
	inWorld(t, nobody, func(w *world) {
		for _, target := range [][]string{nil, {""}, {"1001"}, {"sip:"}, {"trunk:carrier"}} {
			if _, err := w.server.Originate(Origination{Targets: target, Handler: handlerFunc(nobody)}); !errors.Is(err, ErrTarget) {
				t.Errorf("%q: %v", target, err)
			}
		}
		bad := DialOptions{Headers: Headers{{"Via", "x"}}}
		if _, err := w.server.Originate(Origination{Targets: []string{"user:1001"}, Dial: bad, Handler: handlerFunc(nobody)}); !errors.Is(err, ErrTarget) {
			t.Errorf("a header of ours: %v", err)
		}
		bob := w.peer(2)
		c, invite := w.originate(Origination{}, bob)
		if _, err := w.server.Originate(Origination{Targets: []string{"sip:bob@" + bob.addr.String()}, Handler: handlerFunc(nobody)}); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond the limit: %v", err)
		}
		bob.answer(invite, 180, "b", "")
		time.Sleep(time.Second)
		w.server.HangupCall(c.ID())
		bob.cancelled(invite)
		w.last()
	}, func(o *Options) { o.MaxCalls = 1 })
}

// The answered party is bridged with somebody else, who sees it as the caller, and an operator
// transfers it; its time is up at last.
func TestOriginateBridged(t *testing.T) {
	inWorld(t, nobody, func(w *world) {
		bob, carol, dave := w.peer(2), w.peer(3), w.peer(4)
		to := "sip:carol@" + carol.addr.String()
		serve := handlerFunc(func(ctx context.Context, c *Call) error {
			_, err := c.BridgeTo(ctx, []string{to}, DialOptions{})
			return err
		})
		c, invite := w.originate(Origination{Seen: "carol", Dial: DialOptions{Max: 30 * time.Second}, Handler: serve}, bob)
		if u := invite.From().Address.User; u != "carol" {
			t.Errorf("bob sees %s", u)
		}
		bob.answer(invite, 200, "b", bob.body)
		bob.request(sip.ACK)
		invite = carol.request(sip.INVITE)
		if u := invite.From().Address.User; u != "bob" {
			t.Errorf("carol sees %s", u)
		}
		carol.answer(invite, 200, "c", carol.body)
		carol.request(sip.ACK)
		transferred := make(chan error, 1)
		go func() { transferred <- c.Transfer(context.Background(), "sip:dave@"+dave.addr.String(), "a") }()
		invite = dave.request(sip.INVITE)
		dave.answer(invite, 200, "d", dave.body)
		dave.request(sip.ACK)
		carol.hungUp()
		if err := <-transferred; err != nil {
			t.Error(err)
		}
		began := time.Now()
		bob.hungUp()
		dave.hungUp()
		if d := time.Since(began); d > 30*time.Second {
			t.Errorf("ended after %v", d)
		}
		r := w.last()
		if r.Call.State != store.StateAnswered || r.Call.ReleasedBy != "system" || r.Call.FromUser != "carol" || r.Call.ToUser != "bob" || len(r.Legs) != 3 {
			t.Errorf("record %+v", r)
		}
	})
}

// An origination within an origination, and so on, comes to an end.
func TestOriginateTooDeep(t *testing.T) {
	var failed error
	done := make(chan struct{})
	var again handlerFunc
	again = func(ctx context.Context, c *Call) error {
		_ = c.Answer(ctx, nil)
		next, err := c.server.Originate(Origination{Targets: []string{"route:1"}, Parent: c, Handler: handlerFunc(nobody)})
		if err != nil {
			if failed == nil {
				failed = err
				close(done)
			}
			return nil
		}
		<-next.Done()
		return nil
	}
	inWorld(t, again, func(w *world) {
		alice := w.peer(1)
		alice.talks("1")
		<-done
		if !errors.Is(failed, ErrTooDeep) {
			t.Error(failed)
		}
		alice.hungUp()
		w.last()
	})
}
