package b2bua

import (
	"context"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
)

// TestAddressOfOursIsARoute: a sip: URI whose host and port are ours means our own chain,
// dialled as well as sent by a 3xx; no name server is asked for it, and there is none.
func TestAddressOfOursIsARoute(t *testing.T) {
	for name, uri := range map[string]string{"address": "sip:700@10.0.0.1", "port": "sip:700@10.0.0.1:5060;transport=tcp",
		"domain": "sip:700@Example.com", "domain and port": "sip:700@example.com:5060", "sips": "sips:700@example.com"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(ctx context.Context, c *Call) error {
				if c.Number() == "700" {
					return answering(ctx, c)
				}
				target := uri
				if c.Number() == "300" {
					target = "sip:bob@10.0.1.2"
				}
				_, err := c.BridgeTo(ctx, []string{target}, DialOptions{})
				return err
			}, func(w *world) {
				a, b := w.peer(1), w.peer(2)
				a.talks("200")
				a.hangsUp()
				a.fresh().calls("300")
				b.redirects(302, uri)
				b.request(sip.ACK)
				a.response(181)
				a.response(200)
				a.send("ACK", "300", "")
				a.hangsUp()
				numbers := map[string]int{}
				for _, r := range w.all(4) {
					numbers[r.Call.ToUser]++
				}
				if numbers["700"] != 2 {
					t.Errorf("calls: %v", numbers)
				}
			}, func(o *Options) { o.Domain = "example.com" })
		})
	}
	t.Run("another port", func(t *testing.T) {
		inWorld(t, func(ctx context.Context, c *Call) error {
			_, err := c.BridgeTo(ctx, []string{"sip:700@10.0.0.1:5099"}, DialOptions{Timeout: time.Second})
			return err
		}, func(w *world) {
			a := w.peer(1)
			a.calls("200")
			a.response(480) // nobody there
			a.refused()
			if n := w.all(1); len(n) != 1 {
				t.Errorf("%d calls", len(n))
			}
		})
	})
}

// TestTimersOfAServer: each server has its own; those that it does not name are RFC 3261's.
func TestTimersOfAServer(t *testing.T) {
	const t1 = 100 * time.Millisecond
	for _, tc := range []struct {
		name   string
		timers transaction.Timers
		gaps   []time.Duration // between repetitions of a 200 that nobody acknowledges
		ends   time.Duration
	}{
		{"the usual", transaction.Timers{}, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second}, 32 * time.Second},
		{"another T1", transaction.Timers{T1: t1}, []time.Duration{t1, 2 * t1, 4 * t1, 8 * t1, 16 * t1}, 64 * t1},
		{"another T2", transaction.Timers{T2: time.Second}, []time.Duration{500 * time.Millisecond, time.Second, time.Second, time.Second}, 32 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, answering, func(w *world) {
				a := w.peer(1)
				a.calls("700")
				a.response(200)
				began := time.Now()
				last := began
				for i, want := range tc.gaps {
					a.response(200)
					if gap := time.Since(last); gap != want {
						t.Errorf("repetition %d after %v, want %v", i, gap, want)
					}
					last = time.Now()
				}
				for {
					if bye, ok := a.recv().(*sip.Request); ok {
						if d := time.Since(began); bye.Method != sip.BYE || d != tc.ends {
							t.Errorf("%s after %v, want BYE after %v", bye.Method, d, tc.ends)
						}
						a.answer(bye, 200, "", "")
						return
					}
				}
			}, func(o *Options) { o.Timers = tc.timers })
		})
	}
}
