package b2bua

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/store"
)

// consultation is a call of p and t1, and one of q and t2, where t1 and t2 are the two
// lines of one phone that is going to bring p and q together.
type consultation struct{ p, t1, q, t2 *peer }

// consult sets both calls up; where a flag is set the phone has made that call.
func (w *world) consult(calledFirst, calledSecond bool) consultation {
	w.t.Helper()
	s := consultation{w.peer(1), w.peer(2), w.peer(3), w.peer(4)}
	join := func(caller, callee *peer, turned bool) {
		if turned {
			caller, callee = callee, caller
		}
		w.connects(caller, callee)
		time.Sleep(time.Second)
	}
	join(s.p, s.t1, calledFirst)
	join(s.q, s.t2, calledSecond)
	return s
}

func TestAttendedTransfer(t *testing.T) {
	cases := []struct {
		name          string
		first, second bool   // the phone has made that call
		bridged       string // whose script's bridge goes on
		records       int
	}{
		{"it was called, then called", false, true, "2", 2},
		{"it called, then was called", true, false, "4", 2},
		{"it was called twice", false, false, "2", 2},
		{"it called twice", true, true, "", 3}, // the two go on in a call of their own
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			h := &toPeer{}
			inWorld(t, h.ServeCall, func(w *world) {
				s := w.consult(tc.first, tc.second)
				s.t1.refers(withReplaces("sip:10.0.0.1", s.t2))
				s.t1.notified(100)
				s.t1.notified(200)
				s.t2.hungUp()
				s.t1.hangsUp()
				if tc.bridged != "" {
					h.busy(t, tc.bridged)
				}
				synctest.Wait()
				if calls := w.server.Calls(w.t.Context()); len(calls) != 1 {
					t.Errorf("%d calls, want 1: %+v", len(calls), calls)
				}
				time.Sleep(10 * time.Second)
				talking(s.q, s.p)
				all := w.all(tc.records)
				for _, r := range all {
					if r.Call.LinkedID != all[0].Call.LinkedID {
						t.Errorf("not linked: %+v", r.Call)
					}
					if r.Call.State != store.StateAnswered || r.Call.Q850Cause != 16 {
						t.Errorf("record: %+v", r.Call)
					}
				}
				last := all[len(all)-1] // of those who talk at the end
				legs := last.Legs
				if by := last.Call.ReleasedBy; by != map[bool]string{true: store.ByCaller, false: store.ByCallee}[legs[0].Remote == "10.0.1.3:5060"] {
					t.Errorf("released by %s", by)
				}
				if l := legs[len(legs)-1]; l.EndMS != last.Call.EndMS || l.Reason != "OK" || l.Role != store.RoleB {
					t.Errorf("last leg: %+v", l)
				}
				if first := all[0]; first.Call.EndMS >= last.Call.EndMS || !noted(first, "transfer", "goes on in call") && !noted(first, "transfer", "go on in call") {
					t.Errorf("first record: %+v", first)
				}
			})
		})
	}
}

// The phone hangs one of its lines up before anybody has told it to.
func TestAttendedTransferOfAnImpatientPhone(t *testing.T) {
	for _, first := range []bool{false, true} {
		for _, second := range []bool{false, true} {
			t.Run("", func(t *testing.T) {
				h := &toPeer{}
				inWorld(t, h.ServeCall, func(w *world) {
					s := w.consult(first, second)
					s.t1.send("REFER", "", "", "Refer-To: "+withReplaces("sip:10.0.0.1", s.t2))
					s.t1.send("BYE", "", "")
					synctest.Wait()
					for range 4 { // 202, NOTIFYs, and the answer to its BYE, in an order that is nobody's business
						if m, ok := s.t1.within(time.Second); ok {
							if req, is := m.(*sip.Request); is {
								s.t1.answer(req, 200, "", "")
							}
						}
					}
					s.t2.hungUp()
					talking(s.p, s.q)
				})
			})
		}
	}
}

// One end of the consultation hangs up in the moment of the transfer, before or after the
// two calls have become one: nobody is left with a dead line, and nothing is left at all.
func TestAttendedTransferMeetsHangup(t *testing.T) {
	for _, who := range []string{"p", "q", "t2"} {
		for _, before := range []bool{true, false} {
			for i := range 4 {
				first, second := i&1 > 0, i&2 > 0
				t.Run(who, func(t *testing.T) {
					h := &toPeer{}
					inWorld(t, h.ServeCall, func(w *world) {
						s := w.consult(first, second)
						leaver := map[string]*peer{"p": s.p, "q": s.q, "t2": s.t2}[who]
						refer := func() { s.t1.send("REFER", "", "", "Refer-To: "+withReplaces("sip:10.0.0.1", s.t2)) }
						if !before {
							refer()
						}
						leaver.send("BYE", "", "")
						if before {
							refer()
						}
						for range 3 { // whatever is asked of them, they agree to
							for _, p := range []*peer{s.p, s.q, s.t1, s.t2} {
								for {
									m, ok := p.within(3 * time.Second)
									if !ok {
										break
									}
									if req, is := m.(*sip.Request); is && req.Method != sip.ACK {
										p.answer(req, 200, "", "")
									}
								}
							}
						}
						for _, c := range w.server.Calls(w.t.Context()) {
							alive := 0
							for _, l := range c.Legs {
								if l.State == "answered" {
									alive++
								}
							}
							if alive != 2 {
								t.Errorf("%d legs alive in %+v", alive, c)
							}
						}
						w.hangUpAll(s.p, s.q, s.t1, s.t2)
					})
				})
			}
		}
	}
}

// hangUpAll ends every call from our side.
func (w *world) hangUpAll(peers ...*peer) {
	for _, c := range w.server.Calls(w.t.Context()) {
		w.server.HangupCall(c.ID)
	}
	for _, p := range peers {
		for {
			m, ok := p.within(time.Second)
			if !ok {
				break
			}
			if req, is := m.(*sip.Request); is && req.Method != sip.ACK {
				p.answer(req, 200, "", "")
			}
		}
	}
}

func TestAttendedTransferToADialogThatIsGone(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		s := w.consult(false, true)
		s.q.hangsUp()
		s.t2.hungUp()
		time.Sleep(time.Minute)
		s.t1.refers(withReplaces("sip:10.0.0.1", s.t2))
		s.t1.notified(100)
		s.t1.notified(481)
		talking(s.p, s.t1)
	})
}

func TestAttendedTransferOfWhatIsOnHold(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		s := w.consult(false, true)
		for _, line := range []struct{ t, far *peer }{{s.t1, s.p}, {s.t2, s.q}} {
			line.t.send("INVITE", "", line.t.body+"a=sendonly\r\n")
			line.t.response(200)
			line.t.send("ACK", "", "")
			hold := line.far.request(sip.INVITE)
			line.far.answer(hold, 200, "", line.far.body+"a=recvonly\r\n")
			line.far.request(sip.ACK)
		}
		s.t1.refers(withReplaces("sip:10.0.0.1", s.t2))
		s.t1.notified(100)
		s.t1.notified(200)
		for _, far := range []*peer{s.p, s.q} {
			back := far.request(sip.INVITE)
			if body := string(back.Body()); strings.Contains(body, "a=sendonly") || strings.Contains(body, "a=inactive") {
				t.Errorf("the hold goes on:\n%s", body)
			}
			far.answer(back, 200, "", far.body)
			far.request(sip.ACK)
		}
		s.t2.hungUp()
		s.t1.hangsUp()
		talking(s.p, s.q)
	})
}

// Replaces of a dialog that is not ours goes out in the INVITE.
func TestReplacesElsewhere(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		a, b, c := w.peer(1), w.peer(2), w.peer(3)
		w.connects(a, b)
		b.refers("<sip:carol@10.0.1.3?Replaces=elsewhere%40x%3Bto-tag%3D1%3Bfrom-tag%3D2%3Bearly-only&X-Evil=1>")
		b.notified(100)
		invite := c.answers()
		r, _ := headerOf(invite, "Replaces")
		if r != "elsewhere@x;to-tag=1;from-tag=2;early-only" || !offers(invite, "Require", "replaces") {
			t.Errorf("Replaces %q in:\n%s", r, invite)
		}
		if strings.Contains(invite.String(), "Evil") || len(invite.Recipient.Headers) > 0 {
			t.Errorf("headers of the URI are honoured:\n%s", invite)
		}
		b.notified(200)
		b.hangsUp()
		talking(a, c)
	})
}

// Semi-attended: the phone lets go while its consultation still rings. The number is rung
// anew for the one it has had on hold.
func TestTransferWhileTheConsultationRings(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		p, t1, q, t2 := w.peer(1), w.peer(2), w.peer(3), w.peer(4)
		w.connects(p, t1)
		t2.calls("3")
		first := q.request(sip.INVITE)
		q.answer(first, 180, "q1", "")
		t2.response(180)
		t1.refers(withReplaces("sip:3@10.0.0.1", t2))
		t1.notified(100)
		again := q.request(sip.INVITE)
		if again.CallID().Value() == first.CallID().Value() {
			t.Error("the same call once more")
		}
		q.answer(again, 200, "q2", q.body)
		q.request(sip.ACK)
		t1.notified(200)
		t1.hangsUp()
		// The phone gives its own attempt up.
		t2.remote, t2.target = "<sip:3@"+w.addr.String()+">", ""
		t2.send("CANCEL", "3", "")
		cancel := q.request(sip.CANCEL)
		q.answer(cancel, 200, "", "")
		q.answer(first, 487, "q1", "")
		for range 2 {
			t2.recv()
		}
		t2.send("ACK", "3", "")
		q.request(sip.ACK)
		q.local, q.cseq, q.callID = again.To().Value()+";tag=q2", 200, again.CallID().Value()
		q.remote, q.target = again.From().Value(), again.Contact().Address.String()
		talking(q, p)
	})
}

// A fault in the other call ends that call; the one that asked it gets its answer.
func TestAttendedTransferMeetsAPanic(t *testing.T) {
	h := &toPeer{}
	inWorld(t, h.ServeCall, func(w *world) {
		s := w.consult(false, true)
		for _, snap := range w.server.Calls(w.t.Context()) {
			if c, _ := w.server.Call(snap.ID); snap.Number == "3" {
				c.box.post(do(func(c *Call) { c.joined.op = nil }))
			}
		}
		s.t1.refers(withReplaces("sip:10.0.0.1", s.t2))
		s.t1.notified(100)
		s.t1.notified(500)
		s.t2.hungUp()
		s.q.hungUp()
		if n := w.server.Panics(); n != 1 {
			t.Errorf("%d panics", n)
		}
		talking(s.p, s.t1)
	})
}
