package b2bua

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/store"
)

func TestInviteWithReplaces(t *testing.T) {
	for _, side := range []string{"callee", "caller"} {
		t.Run("of the "+side, func(t *testing.T) {
			h := &toPeer{}
			inWorld(t, h.ServeCall, func(w *world) {
				a, b, n := w.peer(1), w.peer(2), w.peer(7)
				w.connects(a, b)
				replaced, stays := b, a
				if side == "caller" {
					replaced, stays = a, b
				}
				time.Sleep(5 * time.Second)
				n.send("INVITE", "2", n.body, "Replaces: "+replacesOf(replaced), "Require: replaces")
				n.response(100)
				n.response(200)
				n.send("ACK", "2", "")
				replaced.hungUp()
				if side == "callee" {
					h.busy(t, "2")
				} else if res := h.result(t, "2"); res.By != ByCaller {
					t.Errorf("result: %+v", res)
				}
				stays.silent(time.Second)
				time.Sleep(5 * time.Second)
				talking(n, stays)
				all := w.all(2)
				if all[0].Call.LinkedID != all[1].Call.LinkedID || all[0].Call.State != store.StateAnswered || all[1].Call.State != store.StateAnswered {
					t.Errorf("records: %+v, %+v", all[0].Call, all[1].Call)
				}
			})
		})
	}
}

// The 2xx has had no ACK when its leg goes on in the other call: it is resent there.
func TestReplacingCallerLosesOurAnswer(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b, n := w.peer(1), w.peer(2), w.peer(7)
		w.connects(a, b)
		n.send("INVITE", "2", "", "Replaces: "+replacesOf(b)) // a late offer besides
		n.response(100)
		n.response(200)
		n.response(200)
		n.response(200)
		n.send("ACK", "2", n.body)
		n.silent(10 * time.Second)
		b.hungUp()
		talking(a, n)
	})
}

func TestReplacesThatIsRefused(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		w.connects(a, b)
		cases := []struct {
			name    string
			headers []string
			body    string
			code    int
		}{
			{"nonsense", []string{"Replaces: abc"}, "", 400},
			{"no from-tag", []string{"Replaces: abc;to-tag=1"}, "", 400},
			{"two", []string{"Replaces: " + replacesOf(b), "Replaces: " + replacesOf(b)}, "", 400},
			{"with Join", []string{"Replaces: " + replacesOf(b), "Join: " + replacesOf(b)}, "", 400},
			{"unknown", []string{"Replaces: abc;to-tag=1;from-tag=2"}, "", 481},
			{"early only, but answered", []string{"Replaces: " + replacesOf(b) + ";early-only"}, "", 486},
			{"no codec in common", []string{"Replaces: " + replacesOf(b)},
				strings.NewReplacer("RTP/AVP 0 101", "RTP/AVP 98", "a=rtpmap:0 PCMU/8000", "a=rtpmap:98 AMR/8000").Replace(b.body), 488},
		}
		for i, tc := range cases {
			n := w.peer(20 + i)
			if tc.body == "" {
				tc.body = n.body
			}
			n.send("INVITE", "2", tc.body, tc.headers...)
			res := n.recv().(*sip.Response)
			if res.StatusCode == 100 {
				res = n.recv().(*sip.Response)
			}
			if res.StatusCode != tc.code {
				t.Errorf("%s: answered with %d, want %d", tc.name, res.StatusCode, tc.code)
			}
			n.refused()
		}
		h.busy(t, "2")
		talking(a, b) // nothing of it has touched them
	})
}

// RFC 3891 §3: a dialog that has just ended is declined, one that is long gone not known.
func TestReplacesOfWhatHasEnded(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		w.connects(a, b)
		b.refers("<sip:carol@10.0.1.3>")
		c := w.peer(3)
		b.notified(100)
		c.answers()
		b.notified(200)
		// b is told, but has not said BYE: its dialog still stands, its leg has ended.
		n := w.peer(7)
		n.send("INVITE", "2", n.body, "Replaces: "+replacesOf(b))
		n.response(100)
		n.response(603)
		n.refused()
		b.hangsUp()
		time.Sleep(time.Minute)
		m := w.peer(8)
		m.send("INVITE", "2", m.body, "Replaces: "+replacesOf(b))
		m.response(100)
		m.response(481)
		m.refused()
		talking(a, c)
	})
}

// A caller that waits for somebody to answer hears that from us: nobody can take its place yet.
func TestReplacesOfALegThatIsBeingConnected(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		if err := c.Answer(ctx, nil); err != nil {
			return err
		}
		return toBob(ctx, c)
	}, func(w *world) {
		a, b, n := w.peer(1), w.peer(2), w.peer(7)
		a.talks("700")
		invite := b.request(sip.INVITE)
		n.send("INVITE", "700", n.body, "Replaces: "+replacesOf(a))
		n.response(100)
		n.response(480)
		n.refused()
		b.answer(invite, 200, "b", b.body)
		b.request(sip.ACK)
		talking(a, b)
	})
}

// Call pickup: the new caller answers in the place of a phone that rings.
func TestReplacesOfARingingLeg(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b, n := w.peer(1), w.peer(2), w.peer(7)
		a.calls("2")
		invite := b.request(sip.INVITE)
		b.answer(invite, 180, "b", "")
		a.response(180)
		synctest.Wait()
		n.send("INVITE", "2", n.body, "Replaces: "+replacesOf(b)+";early-only")
		n.response(100)
		n.response(200)
		n.send("ACK", "2", "")
		cancel := b.request(sip.CANCEL)
		if why, _ := headerOf(cancel, "Reason"); !strings.Contains(why, "completed elsewhere") {
			t.Errorf("Reason: %q", why)
		}
		b.answer(cancel, 200, "", "")
		b.answer(invite, 487, "b", "")
		b.request(sip.ACK)
		a.response(200)
		a.send("ACK", "2", "")
		h.busy(t, "2")
		talking(a, n)
		if res := h.result(t, "2"); res.State != StateAnswered {
			t.Errorf("result: %+v", res)
		}
	})
}

// A caller's own ringing dialog was not begun by us: nobody can take its place.
func TestReplacesOfARingingCaller(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		_ = c.Ring(ctx)
		<-c.Done()
		return nil
	}, func(w *world) {
		a, n := w.peer(1), w.peer(7)
		a.calls("2")
		a.response(180)
		n.send("INVITE", "2", n.body, "Replaces: "+replacesOf(a))
		n.response(100)
		n.response(481)
		n.refused()
		w.hangUpAll(a)
	})
}

// users are those whose password is their name.
type users []string

func (u users) Credential(name string) (auth.Credential, bool) {
	for _, known := range u {
		if name == known {
			return auth.NewCredential(name, "tandem", name), true
		}
	}
	return auth.Credential{}, false
}

// asUser sends an INVITE that answers the challenge it gets.
func (p *peer) asUser(user, number string, headers ...string) {
	p.w.t.Helper()
	p.send("INVITE", number, p.body, headers...)
	res := p.response(401)
	p.target, p.remote = "", "<sip:"+number+"@"+p.w.addr.String()+">"
	p.send("ACK", number, "")
	var challenges []string
	for _, h := range res.GetHeaders("WWW-Authenticate") {
		challenges = append(challenges, h.Value())
	}
	answer, err := auth.Answer(challenges, "INVITE", "sip:"+number+"@"+p.w.addr.String(), user, user, nil)
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.send("INVITE", number, p.body, append(headers, "Authorization: "+answer)...)
	p.response(100)
}

// Only the user who is replaced may replace, unless the source is trusted.
func TestWhoMayReplace(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.asUser("1001", "2")
		invite := b.request(sip.INVITE)
		b.answer(invite, 200, "b", b.body)
		b.request(sip.ACK)
		a.response(200)
		a.send("ACK", "2", "")

		other := w.peer(7)
		other.asUser("1002", "2", "Replaces: "+replacesOf(a))
		other.response(403)
		other.refused()

		same := w.peer(8)
		same.asUser("1001", "2", "Replaces: "+replacesOf(a))
		same.response(200)
		same.send("ACK", "2", "")
		a.hungUp()
		talking(b, same)
	}, func(o *Options) { o.ACL, o.Directory = aclOf("10.9.9.9/32"), users{"1001", "1002"} })
}

func TestReplacesByAStranger(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b, n := w.peer(1), w.peer(2), w.peer(7)
		w.connects(a, b)
		n.send("INVITE", "2", n.body, "Replaces: "+replacesOf(b))
		n.response(401)
		n.refused()
		talking(a, b)
	}, func(o *Options) { o.ACL = aclOf("10.0.1.0/30") })
}
