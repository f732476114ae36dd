package dialog

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tandem/clock"
)

// RFC 3261 §13.3.1.4 with the default T1 and T2.
func TestResendUntilGivingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var sent []time.Duration
		var gaveUp time.Duration
		NewResend(clock.System(), 500*time.Millisecond, 4*time.Second,
			func() { sent = append(sent, time.Since(start)) },
			func() { gaveUp = time.Since(start) })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		var want []time.Duration
		for _, ms := range []int{500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500} {
			want = append(want, time.Duration(ms)*time.Millisecond)
		}
		if !slices.Equal(sent, want) {
			t.Errorf("sent at %v, want %v", sent, want)
		}
		if gaveUp != 32*time.Second {
			t.Errorf("gave up at %v, want 32s", gaveUp)
		}
	})
}

func TestResendStopsAtTheAck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		r := NewResend(clock.System(), 500*time.Millisecond, 4*time.Second,
			func() { sent++ }, func() { t.Error("gave up after the ACK") })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.Stop()
		r.Stop()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if sent != 2 {
			t.Errorf("sent %d times in 2 s, want 2", sent)
		}
	})
}

func TestResendMayBeStoppedFromWithin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		self := make(chan *Resend, 1)
		self <- NewResend(clock.System(), time.Second, 4*time.Second,
			func() { sent++; (<-self).Stop() }, func() { t.Error("gave up after Stop") })
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if sent != 1 {
			t.Errorf("sent %d times, want 1", sent)
		}
	})
}
