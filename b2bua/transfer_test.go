package b2bua

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/store"
)

// toPeer bridges a call for number n to the peer with that number, and keeps the results.
type toPeer struct {
	mu      sync.Mutex
	results map[string]BridgeResult
	users   map[string]string
}

func (h *toPeer) ServeCall(ctx context.Context, c *Call) error {
	h.mu.Lock()
	if h.results == nil {
		h.results, h.users = map[string]BridgeResult{}, map[string]string{}
	}
	h.users[c.Number()] = c.User()
	h.mu.Unlock()
	res, err := c.BridgeTo(ctx, []string{"sip:p@10.0.1." + c.Number()}, DialOptions{})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.results[c.Number()] = res
	return err
}

func (h *toPeer) result(t *testing.T, number string) BridgeResult {
	t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.results[number]
	if !ok {
		t.Fatalf("the script for %s is still in its bridge", number)
	}
	return r
}

func (h *toPeer) busy(t *testing.T, number string) {
	t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if r, ok := h.results[number]; ok {
		t.Errorf("the bridge of the script for %s has ended: %+v", number, r)
	}
}

// connects lets a call b through the server; both are answered when it returns.
func (w *world) connects(a, b *peer) {
	w.t.Helper()
	number := fmt.Sprint(b.addr.Addr().As4()[3])
	a.send("INVITE", number, a.body)
	a.response(100)
	invite := b.request(sip.INVITE)
	b.answer(invite, 200, "t"+number, b.body)
	b.request(sip.ACK)
	a.response(200)
	a.send("ACK", number, "")
	synctest.Wait()
}

// refers sends a REFER that is accepted.
func (p *peer) refers(to string, headers ...string) {
	p.w.t.Helper()
	p.send("REFER", "", "", append([]string{"Refer-To: " + to}, headers...)...)
	p.response(202)
}

// notified takes the next NOTIFY, which must report code.
func (p *peer) notified(code int) *sip.Request {
	p.w.t.Helper()
	n := p.request(sip.NOTIFY)
	state, _ := headerOf(n, "Subscription-State")
	ct, _ := headerOf(n, "Content-Type")
	event, _ := headerOf(n, "Event")
	want := "active;expires="
	if code >= 200 {
		want = "terminated;reason=noresource"
	}
	if !strings.HasPrefix(string(n.Body()), fmt.Sprintf("SIP/2.0 %d ", code)) || !strings.HasPrefix(state, want) ||
		!strings.HasPrefix(ct, "message/sipfrag") || !strings.HasPrefix(event, "refer") {
		p.w.t.Fatalf("%s: want a NOTIFY of %d, got:\n%s", p.addr, code, n)
	}
	p.answer(n, 200, "", "")
	return n
}

// answers takes an INVITE and its ACK.
func (p *peer) answers() *sip.Request {
	p.w.t.Helper()
	invite := p.request(sip.INVITE)
	p.answer(invite, 200, "t"+fmt.Sprint(p.addr.Addr().As4()[3]), p.body)
	p.request(sip.ACK)
	return invite
}

// all are the finished records, once there are n of them.
func (w *world) all(n int) []store.Record {
	w.t.Helper()
	for range 700 {
		synctest.Wait()
		w.records.mu.Lock()
		got := slices.Clone(w.records.finished)
		w.records.mu.Unlock()
		if len(got) == n {
			return got
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("there are not %d records", n)
	return nil
}

func noted(r store.Record, kind, text string) bool {
	return slices.ContainsFunc(r.Events, func(e store.Event) bool { return e.Kind == kind && strings.Contains(e.Text, text) })
}

// talking checks that two peers are connected: when one hangs up, so is the other.
func talking(a, b *peer) {
	a.w.t.Helper()
	a.hangsUp()
	b.hungUp()
}

func TestBlindTransferByTheCallee(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		w.connects(a, b)
		time.Sleep(5 * time.Second)
		b.refers("<sip:carol@10.0.1.3>", "Referred-By: \"Bob\" <sip:bob@example.com;x=y>;cid=\"a@b\"")
		b.notified(100)
		invite := c.request(sip.INVITE)
		if from := invite.From().Value(); !strings.Contains(from, "sip:alice@") {
			t.Errorf("From of the new call: %s", from)
		}
		if by, _ := headerOf(invite, "Referred-By"); by != "<sip:bob@example.com;x=y>" {
			t.Errorf("Referred-By %q", by)
		}
		c.answer(invite, 180, "c", "")
		b.notified(180)
		c.answer(invite, 200, "c", c.body)
		c.request(sip.ACK)
		b.notified(200)
		b.hangsUp()
		h.busy(t, "2")
		a.silent(time.Second) // its media stay where they are
		time.Sleep(10 * time.Second)
		talking(c, a)
		if res := h.result(t, "2"); res.State != StateAnswered || res.By != ByCallee || res.Seconds < 15.9 {
			t.Errorf("result: %+v", res)
		}
		r := w.all(1)[0]
		if r.Call.ReleasedBy != store.ByCallee || len(r.Legs) != 3 || r.Legs[1].EndMS == 0 || r.Legs[1].EndMS >= r.Legs[2].EndMS ||
			!noted(r, "transfer", "REFER to sip:carol@10.0.1.3") || !noted(r, "transfer", "is connected with sip:carol@10.0.1.3") {
			t.Errorf("record: %+v", r)
		}
	})
}

func TestBlindTransferByTheCaller(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		w.connects(a, b)
		time.Sleep(5 * time.Second)
		a.refers("<sip:carol@10.0.1.3>")
		a.notified(100)
		invite := c.answers()
		if from := invite.From().Value(); !strings.Contains(from, "sip:p@") {
			t.Errorf("From of the new call: %s", from)
		}
		a.notified(200)
		since := time.Now()
		a.hungUp() // it does not say BYE: we do
		if d := time.Since(since); d != farewellTime {
			t.Errorf("BYE after %v", d)
		}
		if res := h.result(t, "2"); res.By != ByCaller || res.State != StateAnswered {
			t.Errorf("result: %+v", res)
		}
		if calls := w.server.Calls(w.t.Context()); len(calls) != 1 || calls[0].State != StateAnswered || len(calls[0].Legs) != 2 ||
			calls[0].LinkedID == calls[0].ID || calls[0].Number != "carol" || calls[0].From.User != "p" {
			t.Errorf("calls: %+v", calls)
		}
		time.Sleep(10 * time.Second)
		talking(b, c)
		all := w.all(2)
		first, second := all[0], all[1]
		if first.Call.ReleasedBy != store.ByCaller || first.Call.State != store.StateAnswered || first.Call.BillableMS != 5000 || len(first.Legs) != 3 ||
			first.Legs[1].Reason != "moved" {
			t.Errorf("first record: %+v", first)
		}
		if second.Call.LinkedID != first.Call.ID || second.Call.ReleasedBy != store.ByCaller || second.Call.BillableMS != 12000 ||
			second.Call.FromUser != "p" || second.Call.ToUser != "carol" || len(second.Legs) != 2 || second.Legs[0].Role != store.RoleA {
			t.Errorf("second record: %+v", second)
		}
	})
}

func TestBlindTransferFails(t *testing.T) {
	for _, by := range []string{"callee", "caller"} {
		t.Run("by the "+by, func(t *testing.T) {
			h := &toPeer{}
			inWorld(t, h.ServeCall, func(w *world) {
				a, b, c := w.peer(1), w.peer(2), w.peer(3)
				w.connects(a, b)
				who, other := b, a
				if by == "caller" {
					who, other = a, b
				}
				who.refers("<sip:carol@10.0.1.3>")
				who.notified(100)
				c.answer(c.request(sip.INVITE), 486, "c", "")
				c.request(sip.ACK)
				who.notified(486)
				h.busy(t, "2")
				who.silent(5 * time.Second)
				// It may try again: RFC 3515 §2.4.6.
				who.refers("<sip:carol@10.0.1.3>")
				if n := who.notified(100); !strings.Contains(n.GetHeader("Event").Value(), fmt.Sprintf("id=%d", who.cseq)) {
					t.Errorf("the second subscription has no id: %s", n.GetHeader("Event"))
				}
				c.answer(c.request(sip.INVITE), 603, "c2", "")
				c.request(sip.ACK)
				who.notified(603)
				talking(other, who)
				if r := w.all(1)[0]; !noted(r, "transfer", "failed: 486") {
					t.Errorf("record: %+v", r.Events)
				}
			})
		})
	}
}

// The one who asked hangs up at once; the new party rings on.
func TestReferrerLeavesEarly(t *testing.T) {
	for _, by := range []string{"callee", "caller"} {
		for _, answered := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, answered %t", by, answered), func(t *testing.T) {
				h := &toPeer{}
				inWorld(t, h.ServeCall, func(w *world) {
					a, b, c := w.peer(1), w.peer(2), w.peer(3)
					w.connects(a, b)
					who, other := b, a
					if by == "caller" {
						who, other = a, b
					}
					who.refers("<sip:carol@10.0.1.3>")
					who.notified(100)
					invite := c.request(sip.INVITE)
					c.answer(invite, 180, "c", "")
					who.notified(180)
					who.hangsUp()
					if by == "callee" {
						h.busy(t, "2")
					} else if res := h.result(t, "2"); res.By != ByCaller {
						t.Errorf("result: %+v", res)
					}
					other.silent(3 * time.Second)
					if answered {
						c.answer(invite, 200, "c", c.body)
						c.request(sip.ACK)
						synctest.Wait()
						talking(c, other)
						return
					}
					c.answer(invite, 480, "c", "")
					c.request(sip.ACK)
					other.hungUp()
					if r := w.all(1)[0]; r.Call.State != store.StateAnswered {
						t.Errorf("record: %+v", r.Call)
					}
				})
			})
		}
	}
}

func TestMovedPartyLeavesWhileItRings(t *testing.T) {
	for _, by := range []string{"callee", "caller"} {
		t.Run("by the "+by, func(t *testing.T) {
			h := &toPeer{}
			inWorld(t, h.ServeCall, func(w *world) {
				a, b, c := w.peer(1), w.peer(2), w.peer(3)
				w.connects(a, b)
				who, other := b, a
				if by == "caller" {
					who, other = a, b
				}
				who.refers("<sip:carol@10.0.1.3>")
				who.notified(100)
				invite := c.request(sip.INVITE)
				c.answer(invite, 180, "c", "")
				who.notified(180)
				other.hangsUp()
				cancel := c.request(sip.CANCEL)
				c.answer(cancel, 200, "", "")
				c.answer(invite, 487, "c", "")
				c.request(sip.ACK)
				who.notified(487)
				who.hungUp()
			})
		})
	}
}

func TestBlindTransferToOurNumber(t *testing.T) {
	h := &toPeer{}
	for _, to := range []string{"<sip:3@10.0.0.1>", "sip:3@10.0.0.1:5060", "<tel:3>", "<sip:3@pbx.example>"} {
		t.Run(to, func(t *testing.T) {
			inWorld(t, h.ServeCall, func(w *world) {
				a, b, c := w.peer(1), w.peer(2), w.peer(3)
				w.connects(a, b)
				b.refers(to, "Referred-By: <sip:bob@example.com>")
				b.notified(100)
				c.answers()
				b.notified(200)
				b.hangsUp()
				if n := len(w.server.Calls(w.t.Context())); n != 2 {
					t.Errorf("%d calls, want 2: a number of ours is a call of its own", n)
				}
				time.Sleep(time.Second)
				talking(c, a)
				all := w.all(2)
				if all[0].Call.LinkedID != all[1].Call.LinkedID {
					t.Errorf("records not linked: %+v, %+v", all[0].Call, all[1].Call)
				}
			}, func(o *Options) { o.Domain = "pbx.example" })
		})
	}
}

func TestTransferWithoutSubscription(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		w.connects(a, b)
		b.send("REFER", "", "", "Refer-To: <sip:carol@10.0.1.3>", "Refer-Sub: false", "Require: norefersub")
		if sub, _ := headerOf(b.response(202), "Refer-Sub"); sub != "false" {
			t.Errorf("Refer-Sub %q", sub) // RFC 4488 §4
		}
		c.answers()
		since := time.Now()
		b.hungUp()
		if d := time.Since(since); d > farewellTime {
			t.Errorf("BYE after %v", d)
		}
		talking(a, c)
	})
}

func TestTwoRefersAtOnce(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		w.connects(a, b)
		b.refers("<sip:carol@10.0.1.3>")
		b.notified(100)
		invite := c.request(sip.INVITE)
		for _, p := range []*peer{b, a} {
			p.send("REFER", "", "", "Refer-To: <sip:dave@10.0.1.9>")
			p.response(491)
		}
		c.answer(invite, 200, "c", c.body)
		c.request(sip.ACK)
		b.notified(200)
		b.hangsUp()
		talking(a, c)
	})
}

func TestRefersThatAreRefused(t *testing.T) {
	cases := []struct {
		name    string
		headers []string
		code    int
	}{
		{"none", nil, 400},
		{"two", []string{"Refer-To: <sip:c@10.0.1.3>", "Refer-To: <sip:d@10.0.1.3>"}, 400},
		{"two in one", []string{"Refer-To: <sip:c@10.0.1.3>, <sip:d@10.0.1.3>"}, 400},
		{"empty", []string{"Refer-To: <>"}, 400},
		{"no host", []string{"Refer-To: <sip:>"}, 400},
		{"not closed", []string{"Refer-To: <sip:c@10.0.1.3"}, 400},
		{"headers without brackets", []string{"Refer-To: sip:c@10.0.1.3?Replaces=x"}, 400},
		{"a web page", []string{"Refer-To: <http://10.0.1.3/>"}, 416},
		{"mail", []string{"Refer-To: <mailto:c@example.com>"}, 416},
		{"another method", []string{"Refer-To: <sip:c@10.0.1.3;method=BYE>"}, 400},
		{"bad Replaces", []string{"Refer-To: <sip:c@10.0.1.3?Replaces=abc>"}, 400},
		{"a line break", []string{"Refer-To: <sip:c@10.0.1.3?Replaces=a%0d%0aX%3Bto-tag%3D1%3Bfrom-tag%3D2>"}, 400},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			h := &toPeer{}
			inWorld(t, h.ServeCall, func(w *world) {
				a, b := w.peer(1), w.peer(2)
				w.connects(a, b)
				b.send("REFER", "", "", tc.headers...)
				b.response(tc.code)
				talking(a, b)
			})
		})
	}
}

func TestReferOfALegThatTalksToNobody(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		a := w.peer(1)
		a.talks("700")
		a.send("REFER", "", "", "Refer-To: <sip:3@10.0.0.1>")
		a.response(403)
		a.hangsUp()
	})
}

func TestReferOutsideADialog(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		a := w.peer(1)
		a.send("REFER", "700", "", "Refer-To: <sip:3@10.0.0.1>")
		a.response(403)
	})
}

// Whoever may not call us may not have us call: not even a number of ours.
func TestStrangersTransferNothing(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, stranger := w.peer(1), w.peer(2)
		w.connects(a, stranger)
		for _, to := range []string{"<sip:carol@10.0.1.3>", "<sip:3@10.0.0.1>"} {
			stranger.send("REFER", "", "", "Refer-To: "+to)
			stranger.response(603)
		}
		talking(a, stranger)
	}, func(o *Options) { o.ACL = aclOf("10.0.1.1/32") })
}

// The chain sees who asked for the transfer, not who is moved by it: what it may dial is
// that one's to dial.
func TestTransferActsForTheOneWhoAsked(t *testing.T) {
	for by, user := range map[string]string{"callee": "", "caller": "1001"} {
		t.Run("by the "+by, func(t *testing.T) {
			h := &toPeer{}
			inWorld(t, h.ServeCall, func(w *world) {
				a, b, c := w.peer(1), w.peer(2), w.peer(3)
				a.asUser("1001", "2")
				b.answers()
				a.response(200)
				a.send("ACK", "2", "")
				who, other := b, a
				if by == "caller" {
					who, other = a, b
				}
				who.refers("<sip:3@10.0.0.1>")
				who.notified(100)
				c.answers()
				who.notified(200)
				who.hangsUp()
				h.mu.Lock()
				got, ok := h.users["3"]
				h.mu.Unlock()
				if !ok || got != user {
					t.Errorf("the chain ran as %q, want %q", got, user)
				}
				talking(other, c)
			}, func(o *Options) { o.ACL, o.Directory = aclOf("10.0.1.2/32"), users{"1001"} })
		})
	}
}

func TestTransferEndsHold(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		w.connects(a, b)
		b.send("INVITE", "", b.body+"a=sendonly\r\n")
		b.response(200)
		b.send("ACK", "", "")
		hold := a.request(sip.INVITE)
		a.answer(hold, 200, "", a.body+"a=recvonly\r\n")
		a.request(sip.ACK)

		b.refers("<sip:carol@10.0.1.3>")
		b.notified(100)
		invite := c.request(sip.INVITE)
		back := a.request(sip.INVITE)
		if sdp := string(back.Body()); strings.Contains(sdp, "a=sendonly") || strings.Contains(sdp, "a=inactive") {
			t.Errorf("the hold goes on:\n%s", sdp)
		}
		a.answer(back, 200, "", a.body)
		a.request(sip.ACK)

		c.answer(invite, 486, "c", "") // back to the one who still holds
		c.request(sip.ACK)
		b.notified(486)
		again := a.request(sip.INVITE)
		if !strings.Contains(string(again.Body()), "a=sendonly") {
			t.Errorf("the hold is forgotten:\n%s", again.Body())
		}
		a.answer(again, 200, "", a.body+"a=recvonly\r\n")
		a.request(sip.ACK)
		talking(a, b)
	})
}

func aclOf(prefix string) *auth.ACL {
	return auth.NewACL([]auth.Rule{{Allow: []netip.Prefix{netip.MustParsePrefix(prefix)}}})
}

func TestTransferByAnOperator(t *testing.T) {
	for _, leg := range []string{"a", "b"} {
		t.Run("leg "+leg, func(t *testing.T) {
			h := &toPeer{}
			inWorld(t, h.ServeCall, func(w *world) {
				a, b, c := w.peer(1), w.peer(2), w.peer(3)
				w.connects(a, b)
				call, _ := w.server.Call(w.server.Calls(w.t.Context())[0].ID)
				done := make(chan error, 1)
				transfer := func() { done <- call.Transfer(context.Background(), "sip:carol@10.0.1.3", leg) }

				go transfer()
				c.answer(c.request(sip.INVITE), 486, "c", "")
				c.request(sip.ACK)
				if err, ok := (<-done).(*Failure); !ok || err.Code != 486 {
					t.Fatalf("a busy target: %v", err)
				}
				h.busy(t, "2")

				go transfer()
				c.answers()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				moved, left := a, b
				if leg == "b" {
					moved, left = b, a
				}
				left.hungUp()
				talking(moved, c)
			})
		})
	}
}

func TestOperatorTransfersACallInAPrompt(t *testing.T) {
	ended := make(chan error, 2)
	inWorld(t, func(ctx context.Context, c *Call) error {
		_ = c.Answer(ctx, nil)
		ended <- c.Leg().Sleep(ctx, time.Hour)
		ended <- c.Hangup(ctx, 0)
		return nil
	}, func(w *world) {
		a, c := w.peer(1), w.peer(3)
		a.talks("700")
		call, _ := w.server.Call(w.server.Calls(w.t.Context())[0].ID)
		for _, bad := range []string{"carol", "", "trunk", "sip:"} {
			if err := call.Transfer(w.t.Context(), bad, "a"); err == nil {
				t.Errorf("transferred to %q", bad)
			}
		}
		if err := call.Transfer(w.t.Context(), "sip:carol@10.0.1.3", "b"); err != ErrState {
			t.Errorf("leg b, which is not there: %v", err)
		}
		go c.answers()
		if err := call.Transfer(w.t.Context(), "sip:carol@10.0.1.3", "a"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := <-ended; err != ErrMoved {
				t.Errorf("the script's wait ended with %v", err)
			}
		}
		synctest.Wait()
		talking(a, c)
		if all := w.all(2); all[0].Call.LinkedID != all[1].Call.LinkedID || all[0].Call.ReleasedBy != store.BySystem {
			t.Errorf("records: %+v", all)
		}
	})
}

// replacesOf is how a peer names its dialog to somebody else (RFC 3891 §6.1).
func replacesOf(p *peer) string {
	tag := func(s string) string { _, t, _ := strings.Cut(s, "tag="); return t }
	return p.callID + ";to-tag=" + tag(p.remote) + ";from-tag=" + tag(p.local)
}

// withReplaces is a Refer-To that points into the dialog of p.
func withReplaces(uri string, p *peer) string {
	return "<" + uri + "?Replaces=" + url.QueryEscape(replacesOf(p)) + ">"
}

// Media that went straight between the phones come back to us.
func TestTransferOfDirectMedia(t *testing.T) {
	inWorld(t, bobDirectly, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		w.joins(a, b)
		b.refers("<sip:carol@10.0.1.3>")
		b.notified(100)
		back := a.request(sip.INVITE)
		ours := "c=IN IP4 " + w.addr.Addr().String()
		if !strings.Contains(string(back.Body()), ours) {
			t.Errorf("media are not ours:\n%s", back)
		}
		a.answer(back, 200, "", a.body)
		a.request(sip.ACK)
		if invite := c.answers(); !strings.Contains(string(invite.Body()), ours) {
			t.Errorf("media are not ours:\n%s", invite)
		}
		b.notified(200)
		b.hangsUp()
		talking(a, c)
	})
}
