package transaction

import (
	"time"

	"tandem/clock"
)

// Timers are the base values of RFC 3261 §17 (its table 4); the others follow from them:
// B, F, H, J, L and M are 64*T1, I and K are T4.
type Timers struct {
	T1     time.Duration // round trip estimate
	T2     time.Duration // longest pause between two resendings
	T4     time.Duration // how long a message may live in the network
	D      time.Duration // how long a client INVITE absorbs resent final responses on UDP
	Trying time.Duration // silence of the user after which an INVITE gets 100 (§17.2.1)
}

// DefaultTimers are those of RFC 3261.
func DefaultTimers() Timers {
	return Timers{
		T1:     500 * time.Millisecond,
		T2:     4 * time.Second,
		T4:     5 * time.Second,
		D:      32 * time.Second,
		Trying: 200 * time.Millisecond,
	}
}

// WithDefaults has the value of RFC 3261 in the place of each that is 0.
func (t Timers) WithDefaults() Timers {
	d := DefaultTimers()
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{{&t.T1, d.T1}, {&t.T2, d.T2}, {&t.T4, d.T4}, {&t.D, d.D}, {&t.Trying, d.Trying}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return t
}

// long is 64*T1, the time after which a transaction gives up.
func (t *Timers) long() time.Duration { return 64 * t.T1 }

// alarm is one of a transaction's timers; the transaction's lock guards it. A callback that was
// already on its way when the alarm was moved or stopped finds that it is not due.
type alarm struct {
	timer clock.Timer
	at    time.Time
}

func (a *alarm) set(c clock.Clock, d time.Duration, f func()) {
	a.at = c.Now().Add(d)
	if a.timer == nil {
		a.timer = c.AfterFunc(d, f)
		return
	}
	a.timer.Reset(d)
}

func (a *alarm) stop() {
	a.at = time.Time{}
	if a.timer != nil {
		a.timer.Stop()
	}
}

// due tells a real callback from a stale one, and uses it up.
func (a *alarm) due(c clock.Clock) bool {
	if a.at.IsZero() || c.Now().Before(a.at) {
		return false
	}
	a.at = time.Time{}
	return true
}
