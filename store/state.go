package store

import "slices"

// States of a call's record; the first five are also those of bridge results and failures.
const (
	StateAnswered  = "answered"
	StateBusy      = "busy"      // 486, 600
	StateNoAnswer  = "noanswer"  // our time-out, 408, 480
	StateCancelled = "cancelled" // the caller gave up
	StateFailed    = "failed"    // all else
	StateOpen      = "open"      // in progress
	StateLost      = "lost"      // the server died with the call up
)

// States lists every state a record can have.
func States() []string {
	return []string{StateOpen, StateAnswered, StateBusy, StateNoAnswer, StateFailed, StateCancelled, StateLost}
}

// Directions of a call.
const (
	Inbound  = "inbound"  // from a trunk
	Outbound = "outbound" // to a trunk
	Internal = "internal"
)

// Who ended a call.
const (
	ByCaller = "caller"
	ByCallee = "callee"
	ByScript = "script"
	BySystem = "system"
)

// Flags: what was wrong with a call.
const (
	FlagSilent       = "silent"  // answered, no RTP either way
	FlagOneWay       = "one_way" // only one side sent
	FlagNoAck        = "no_ack"
	FlagSlowSetup    = "slow_setup"
	FlagMediaTimeout = "media_timeout"
	FlagTranscoded   = "transcoded"
	FlagRetransmits  = "retransmits"
	FlagScriptError  = "script_error"
)

// Flags lists every flag, in the order in which records name them.
func Flags() []string {
	return []string{FlagSilent, FlagOneWay, FlagNoAck, FlagSlowSetup, FlagMediaTimeout,
		FlagTranscoded, FlagRetransmits, FlagScriptError}
}

// JoinFlags writes a set of flags as the flags column has them: comma-separated,
// each once, in the order of Flags.
func JoinFlags(set ...string) string {
	out := ""
	for _, f := range Flags() {
		if !slices.Contains(set, f) {
			continue
		}
		if out != "" {
			out += ","
		}
		out += f
	}
	return out
}

// Kinds of timeline events.
const (
	EventSIP      = "sip"
	EventScript   = "script"
	EventDTMF     = "dtmf"
	EventPrompt   = "prompt"
	EventMedia    = "media"
	EventHTTP     = "http"
	EventTransfer = "transfer"
)

// Roles of a leg.
const (
	RoleA = "a" // the caller's
	RoleB = "b" // one we dialled
)
