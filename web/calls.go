package web

import "net/http"

// Call is a call in progress. Its keys are those of a record where they mean the same.
type Call struct {
	ID          string `json:"id"`
	LinkedID    string `json:"linked_id"`
	State       string `json:"state"` // new, ringing, answered, ended
	FromUser    string `json:"from_user"`
	FromHost    string `json:"from_host"`
	FromDisplay string `json:"from_display"`
	ToUser      string `json:"to_user"`
	ToHost      string `json:"to_host"`
	Number      string `json:"number"`
	Source      string `json:"source"` // udp:192.0.2.1:5060
	AuthUser    string `json:"auth_user"`
	Trunk       string `json:"trunk"`
	Script      string `json:"script"`
	Generation  int64  `json:"generation"`
	StartMS     int64  `json:"start_ms"`
	AnswerMS    *int64 `json:"answer_ms"`   // null until then
	DurationMS  int64  `json:"duration_ms"` // since the start
	Legs        []Leg  `json:"legs"`

	// Only when one call is asked for.
	ScriptState string    `json:"script_state,omitempty"` // running, waiting
	Waiting     []Waiting `json:"waiting,omitempty"`      // what its script waits for
}

// Waiting is a function of a script that waits, such as for a key or for the end of a bridge.
type Waiting struct {
	In       string  `json:"in"`       // what waits: call:gather
	Script   string  `json:"script"`   // the file that called it
	Line     int     `json:"line"`     // of that file
	Function string  `json:"function"` // of the script
	SinceMS  int64   `json:"since_ms"`
	ForMS    int64   `json:"for_ms"`
	Stack    []Frame `json:"stack"` // the same place, and who called that
}

// Frame is a place in a script.
type Frame struct {
	Script   string `json:"script"`
	Line     int    `json:"line"`
	Function string `json:"function"`
}

// Leg is one side of a call in progress.
type Leg struct {
	Seq       int    `json:"seq"`
	Role      string `json:"role"` // a, b
	SIPCallID string `json:"sip_call_id"`
	Target    string `json:"target"`
	Remote    string `json:"remote"`
	State     string `json:"state"`
	Codec     string `json:"codec"`
	UserAgent string `json:"user_agent"`
	InviteMS  int64  `json:"invite_ms"`
	AnswerMS  *int64 `json:"answer_ms"`

	Quality *Quality `json:"quality"` // null until packets have been reported on
}

// Quality is how well the two ends of a leg have heard each other in the last seconds. What is
// not known is null.
type Quality struct {
	MOS      *float64 `json:"mos"`  // of what came from the far end, 1 to 4.5
	Loss     *float64 `json:"loss"` // of its packets, in per cent
	JitterMS float64  `json:"jitter_ms"`
	RTTMS    *float64 `json:"rtt_ms"` // there and back

	Far *FarQuality `json:"far"` // what the far end says of our packets
}

// FarQuality is what the far end reports of the packets it gets from us.
type FarQuality struct {
	MOS      *float64 `json:"mos"`
	Loss     float64  `json:"loss"` // in per cent
	JitterMS float64  `json:"jitter_ms"`
}

func (a *API) listCalls(r *http.Request) (any, error) {
	return listOf(a.o.Calls.Calls(r.Context()), ""), nil
}

func (a *API) showCall(r *http.Request) (any, error) {
	id := r.PathValue("id")
	c, ok := a.o.Calls.Call(r.Context(), id)
	if !ok {
		return nil, noCall(id)
	}
	return c, nil
}

func (a *API) hangupCall(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if !a.o.Calls.Hangup(r.Context(), id) {
		return nil, noCall(id)
	}
	return struct {
		ID string `json:"id"`
	}{id}, nil
}

// Transfer is the body of a transfer.
type Transfer struct {
	To  string `json:"to"`  // whom to connect the leg's party with: a target as scripts write it
	Leg string `json:"leg"` // a or b
}

func (a *API) transferCall(r *http.Request) (any, error) {
	id := r.PathValue("id")
	var t Transfer
	if err := decode(r, &t); err != nil {
		return nil, err
	}
	if t.To == "" || t.Leg != "a" && t.Leg != "b" {
		return nil, problem(http.StatusBadRequest, `the body: want {"to": target, "leg": "a" or "b"}`)
	}
	if _, ok := a.o.Calls.Call(r.Context(), id); !ok {
		return nil, noCall(id)
	}
	if err := a.o.Calls.Transfer(r.Context(), id, t.To, t.Leg); err != nil {
		return nil, err
	}
	return struct {
		ID string `json:"id"`
		Transfer
	}{id, t}, nil
}

func noCall(id string) error {
	return problem(http.StatusNotFound, "there is no call %q in progress", printable(id))
}
