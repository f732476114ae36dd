package b2bua

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/phone"
	"tandem/media"
)

func loud(t *testing.T) []media.Source {
	t.Helper()
	tone, err := media.ParseTone("tone:500/60000")
	if err != nil {
		t.Fatal(err)
	}
	return []media.Source{tone}
}

// presses sends a digit by INFO.
func (p *peer) presses(digit string) {
	p.w.t.Helper()
	p.parted = "Content-Type: application/dtmf-relay"
	p.send("INFO", "", "Signal="+digit+"\r\nDuration=160\r\n")
	p.parted = ""
	p.response(200)
}

// TestScriptGoesOnWithWhoReplaces: whatever a script waits for of its caller, it goes on with
// the one that takes the caller's place.
func TestScriptGoesOnWithWhoReplaces(t *testing.T) {
	cases := []struct {
		name string
		wait func(ctx context.Context, c *Call, srcs []media.Source) (string, error)
		want string
	}{
		{"play", func(ctx context.Context, c *Call, srcs []media.Source) (string, error) {
			return c.Leg().Play(ctx, srcs, PlayOptions{Stop: "any"})
		}, "5"},
		{"gather, in its prompt", func(ctx context.Context, c *Call, srcs []media.Source) (string, error) {
			g, err := c.Leg().Gather(ctx, GatherOptions{Prompt: srcs, Max: 2})
			return g.Digits + g.Why, err
		}, "56max"},
		{"gather, in its last try", func(ctx context.Context, c *Call, _ []media.Source) (string, error) {
			g, err := c.Leg().Gather(ctx, GatherOptions{Max: 2, Timeout: 15 * time.Second})
			return g.Digits + g.Why, err
		}, "56max"},
		{"sleep", func(ctx context.Context, c *Call, _ []media.Source) (string, error) {
			return "slept", c.Leg().Sleep(ctx, 15*time.Second)
		}, "slept"},
		{"digits for the one before", func(ctx context.Context, c *Call, _ []media.Source) (string, error) {
			return "sent", c.Leg().SendDTMF(ctx, "1,,,,,,,,,,,,,,,,,,,,2")
		}, "sent"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := make(chan string, 2)
			inWorld(t, func(ctx context.Context, c *Call) error {
				if err := c.Answer(ctx, nil); err != nil {
					return err
				}
				v, err := tc.wait(ctx, c, loud(t))
				got <- fmt.Sprint(v, err)
				v, err = c.Leg().Play(ctx, loud(t), PlayOptions{Stop: "#"}) // and what it asks next
				got <- fmt.Sprint(v, err)
				return nil
			}, func(w *world) {
				a, n := w.peer(1), w.peer(7)
				a.talks("700")
				time.Sleep(5 * time.Second)
				if tc.want == "56max" {
					a.presses("9") // the beginning of something that nobody ends
				}
				n.send("INVITE", "700", n.body, "Replaces: "+replacesOf(a), "Require: replaces")
				n.response(100)
				n.response(200)
				n.send("ACK", "700", "")
				a.hungUp()
				for _, d := range []string{"5", "6"} {
					n.presses(d)
				}
				time.Sleep(10 * time.Second)
				if v := <-got; v != tc.want+"<nil>" {
					t.Errorf("the script got %q, want %q", v, tc.want)
				}
				n.presses("#")
				if v := <-got; v != "#<nil>" {
					t.Errorf("then the script got %q", v)
				}
				n.hungUp()
				all := w.all(2)
				if all[0].Call.LinkedID != all[1].Call.LinkedID {
					t.Error("the records are not linked")
				}
				for _, r := range all {
					if r.Call.ToUser == "700" && len(r.Legs) == 2 && (r.Legs[0].EndMS >= r.Legs[1].EndMS || r.Legs[1].Remote != "10.0.1.7:5060") {
						t.Errorf("legs: %+v", r.Legs)
					}
				}
			})
		})
	}
}

// The one who takes the place can be bridged, transferred and replaced as any caller.
func TestHeirOfACallerIsTheCaller(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		if _, err := c.Leg().Play(ctx, loud(t), PlayOptions{Stop: "any"}); err != nil {
			return err
		}
		return toBob(ctx, c)
	}, func(w *world) {
		a, b, n, m := w.peer(1), w.peer(2), w.peer(7), w.peer(8)
		a.talks("700")
		for _, step := range []struct{ old, new *peer }{{a, n}, {n, m}} {
			step.new.send("INVITE", "700", step.new.body, "Replaces: "+replacesOf(step.old))
			step.new.response(100)
			step.new.response(200)
			step.new.send("ACK", "700", "")
			step.old.hungUp()
		}
		m.presses("1")
		b.answers()
		synctest.Wait()
		b.refers("<sip:carol@10.0.1.3>")
		c := w.peer(3)
		b.notified(100)
		c.answers()
		b.notified(200)
		b.hangsUp()
		talking(m, c)
	})
}

// A leg that the script has dialled and not joined is its to talk to, and has an heir, too.
func TestHeirOfALegThatWasDialled(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		l, err := c.Dial(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{})
		if err != nil {
			return err
		}
		if _, err := l.Play(ctx, loud(t), PlayOptions{Stop: "any"}); err != nil {
			return err
		}
		_, err = c.Bridge(ctx, l, DialOptions{})
		return err
	}, func(w *world) {
		a, b, n := w.peer(1), w.peer(2), w.peer(7)
		a.calls("700")
		b.answers()
		synctest.Wait()
		n.send("INVITE", "700", n.body, "Replaces: "+replacesOf(b))
		n.response(100)
		n.response(200)
		n.send("ACK", "700", "")
		b.hungUp()
		n.presses("1")
		a.response(200)
		a.send("ACK", "700", "")
		talking(n, a)
	})
}

// One end leaves in the moment of the replacement: nobody is left with a dead line.
func TestReplacingInAScriptMeetsHangup(t *testing.T) {
	for _, who := range []string{"the replaced", "the new one"} {
		t.Run(who, func(t *testing.T) {
			inWorld(t, func(ctx context.Context, c *Call) error {
				_, err := c.Leg().Play(ctx, loud(t), PlayOptions{})
				return err
			}, func(w *world) {
				a, n := w.peer(1), w.peer(7)
				a.talks("700")
				n.send("INVITE", "700", n.body, "Replaces: "+replacesOf(a))
				if who == "the replaced" {
					a.send("BYE", "", "")
				} else {
					n.send("CANCEL", "700", "")
				}
				for range 3 {
					for _, p := range []*peer{a, n} {
						for m, ok := p.within(3 * time.Second); ok; m, ok = p.within(3 * time.Second) {
							switch m := m.(type) {
							case *sip.Request:
								if m.Method != sip.ACK {
									p.answer(m, 200, "", "")
								}
							case *sip.Response:
								if p == n && m.CSeq().MethodName == sip.INVITE && m.StatusCode >= 200 {
									p.remote = m.To().Value()
									if m.StatusCode < 300 {
										p.target = m.Contact().Address.String()
									}
									p.refusing = m.StatusCode >= 300
									p.send("ACK", "700", "")
									p.refusing = false
								}
							}
						}
					}
				}
				w.hangUpAll(a, n)
			})
		})
	}
}

// TestTransferredIntoAScript: a phone consults a script and hands its caller over to it. The
// caller hears what the script plays, is echoed and recorded.
func TestTransferredIntoAScript(t *testing.T) {
	t.Parallel()
	const played = 1000
	cases := []struct {
		name  string
		serve func(ctx context.Context, c *Call, done chan<- RecordResult) error
		hz    int // that the transferred hear; 0: nothing
	}{
		{"that plays", func(ctx context.Context, c *Call, _ chan<- RecordResult) error {
			tone, err := media.ParseTone(fmt.Sprint("tone:", played))
			if err != nil {
				return err
			}
			_, err = c.Leg().Play(ctx, []media.Source{tone}, PlayOptions{Loop: -1})
			return err
		}, played},
		{"that echoes", func(ctx context.Context, c *Call, _ chan<- RecordResult) error {
			return c.Leg().Echo(ctx)
		}, 440},
		{"that records", func(ctx context.Context, c *Call, done chan<- RecordResult) error {
			r, err := c.Leg().Record(ctx, RecordOptions{File: "message.wav", Silence: -1, Finish: "#", Beep: true})
			done <- r
			return err
		}, 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			defer cancel()
			done := make(chan RecordResult, 1)
			o := newOffice(t, map[string]int{"alice": 440, "bob": 620}, map[string]handler{
				"700": func(ctx context.Context, c *Call) error { return tc.serve(ctx, c, done) }})
			a, b := o.calls(ctx, "alice", "bob")
			if err := b.Hold(ctx); err != nil {
				t.Fatal(err)
			}
			consultation, err := o.phones["bob"].Dial(ctx, fmt.Sprintf("sip:700@%s", o.addr), phone.DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			o.sing(consultation, "bob")
			time.Sleep(500 * time.Millisecond) // of Bob's voice, which is not to stay on the tape
			o.joins(ctx, b, consultation)
			o.told("bob")
			<-consultation.Done()
			<-b.Done()
			if tc.hz > 0 {
				o.hearsTone(a, tc.hz)
			} else {
				time.Sleep(2 * time.Second) // of Alice's
				_ = a.Press(ctx, "#")       // the call ends before the key is up
				r := <-done
				if r.Why != "finish" || r.Seconds < 1 {
					t.Errorf("recorded: %+v", r)
				}
				o.sounds(filepath.Join(o.server.o.Recordings, "message.wav"), 440)
			}
			_ = a.Hangup(ctx)
		})
	}
}
