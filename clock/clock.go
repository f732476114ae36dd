// Package clock is the time that transactions, calls, media and scripts live by:
// the system's, or one that a simulation moves itself.
package clock

import "time"

// Timer is a pending call of a function; it has the meaning of time.Timer's methods.
type Timer interface {
	// Stop keeps the function from running; false if it ran or was stopped before.
	Stop() bool
	// Reset lets the function run d from now; false if the timer had expired or been stopped.
	Reset(d time.Duration) bool
}

// Clock tells the time and calls back. Its methods are safe for use by many goroutines.
type Clock interface {
	Now() time.Time
	// AfterFunc runs f once, in a goroutine of its own, d from now.
	AfterFunc(d time.Duration, f func()) Timer
}

// System is the machine's clock. Within testing/synctest it is the bubble's.
func System() Clock { return system{} }

type system struct{}

func (system) Now() time.Time { return time.Now() }

func (system) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
