package b2bua

import (
	"errors"
	"fmt"
	"time"

	"tandem/media"
	"tandem/media/sdp"
)

// ErrHangup is what a method returns when the call, or the leg it was called on, has ended.
var ErrHangup = errors.New("hangup")

// ErrState is returned where the call's state does not allow what was asked.
var ErrState = errors.New("not possible in this state of the call")

// Failure says how an attempt to reach somebody ended.
type Failure struct {
	Code   int    // the SIP status
	Reason string // its phrase, or our own words
	State  State  // busy, noanswer, cancelled or failed

	Contacts []string // of a 3xx that was not followed

	cause      int64         // of Q.850, where it says more than the status
	told       bool          // a response said so, and the timeline has it
	silent     bool          // no response came: a time-out, or a transport error
	retryAfter time.Duration // what the response asks for
}

func (f *Failure) Error() string { return fmt.Sprintf("%d %s", f.Code, f.Reason) }

// by is who is to blame where a call ends with the failure: whoever answered so, else ourselves.
func (f *Failure) by() Side {
	if f.told {
		return ByCallee
	}
	return BySystem
}

// State is how a call stands or ended; the words are those of the records.
type State string

const (
	StateNew       State = "new"
	StateRinging   State = "ringing"
	StateAnswered  State = "answered"
	StateEnded     State = "ended"
	StateBusy      State = "busy"
	StateNoAnswer  State = "noanswer"
	StateCancelled State = "cancelled"
	StateFailed    State = "failed"
)

// stateOf sorts a final SIP status.
func stateOf(code int) State {
	switch code {
	case 486, 600:
		return StateBusy
	case 408, 480:
		return StateNoAnswer
	case 487:
		return StateCancelled
	}
	if code >= 200 && code < 300 {
		return StateAnswered
	}
	return StateFailed
}

// NewFailure is the failure that a SIP status stands for; without a reason it has its phrase.
func NewFailure(code int, reason string) *Failure { return failure(code, reason) }

func failure(code int, reason string) *Failure {
	if reason == "" {
		reason = Phrase(code)
	}
	return &Failure{Code: code, Reason: clip(reason, 128), State: stateOf(code)}
}

// mediaFailure maps an error of the media engine to the answer a caller gets.
func mediaFailure(err error) *Failure {
	switch {
	case errors.Is(err, sdp.ErrMalformed):
		return &Failure{Code: 400, Reason: "Bad Session Description", State: StateFailed}
	case errors.Is(err, media.ErrNotAcceptable):
		return failure(488, "")
	case errors.Is(err, media.ErrNoPorts):
		return failure(503, "")
	}
	return failure(500, "")
}

// better reports whether a is the failure to tell the caller rather than b.
//
// RFC 3261 §16.7 step 6: any 6xx first, else the lowest class, and within 4xx those that
// say what the caller could change.
func better(a, b *Failure) bool {
	if b == nil {
		return true
	}
	if ra, rb := rank(a.Code), rank(b.Code); ra != rb {
		return ra < rb
	}
	return false
}

func rank(code int) int {
	switch {
	case code >= 600:
		return 0
	case code >= 300 && code < 400:
		return 1
	case code == 401 || code == 407 || code == 415 || code == 420 || code == 484:
		return 2
	case code >= 400 && code < 500 && code != 408:
		return 3
	case code == 408:
		return 4
	case code == 503:
		return 6
	}
	return 5
}

// Phrase is the standard reason phrase of a SIP status (RFC 3261 §21).
func Phrase(code int) string {
	if p, ok := phrases()[code]; ok {
		return p
	}
	switch {
	case code < 200:
		return "Progress"
	case code < 300:
		return "OK"
	case code < 400:
		return "Redirected"
	case code < 500:
		return "Request Failure"
	case code < 600:
		return "Server Failure"
	}
	return "Global Failure"
}
