package b2bua

import (
	"context"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// When the one who has answered declines after the time to answer is over, nobody rings on.
func TestDeclinedLate(t *testing.T) {
	failed := make(chan error, 1)
	inWorld(t, func(ctx context.Context, c *Call) error {
		_, err := c.Dial(ctx, []string{"sip:bob@10.0.1.2", "sip:carol@10.0.1.3"}, DialOptions{Timeout: 10 * time.Second, OnAnswer: func(*Leg) bool {
			time.Sleep(15 * time.Second)
			return false
		}})
		failed <- err
		return nil
	}, func(w *world) {
		alice, bob, carol := w.peer(1), w.peer(2), w.peer(3)
		alice.calls("700")
		began := time.Now()
		invite := carol.request(sip.INVITE)
		carol.answer(invite, 180, "c", "")
		answered := bob.request(sip.INVITE)
		bob.answer(answered, 200, "b", bob.body)
		bob.request(sip.ACK)
		bob.hungUp()
		carol.cancelled(invite)
		if err := <-failed; err == nil || time.Since(began) > 20*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		alice.response(480)
		alice.refused()
		w.last()
	})
}
