package web

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Origination is the body that asks for a call of our own.
type Origination struct {
	To      Targets  `json:"to"`
	From    string   `json:"from"` // what the called party sees
	Display string   `json:"display"`
	Timeout *float64 `json:"timeout"` // seconds to ring; 30 by default

	// What becomes of the answered party: one of the two.
	Number string  `json:"number"` // it enters the scripts there, as if it had dialled this
	Bridge Targets `json:"bridge"` // whom it is connected with
}

// Targets are one target, as scripts write it, or a list of them.
type Targets []string

// UnmarshalJSON reads a string or an array of strings.
func (t *Targets) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		if one != "" {
			*t = Targets{one}
		}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

// created is an answer that tells of something new, at a path of its own.
type created struct {
	ID string `json:"id"`
}

func (created) status() int { return http.StatusCreated }

const (
	maxTargets = 64
	longest    = 512     // of any field, in bytes
	mostRing   = 60 * 60 // seconds
)

func (a *API) originate(r *http.Request) (any, error) {
	var o Origination
	if err := decode(r, &o); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	id, err := a.o.Calls.Originate(r.Context(), o)
	if err != nil {
		return nil, err
	}
	return created{id}, nil
}

// check finds the first field that cannot be meant.
func (o *Origination) check() error {
	bad := func(format string, args ...any) error {
		return problem(http.StatusBadRequest, "the body: "+format, args...)
	}
	switch {
	case len(o.To) == 0:
		return bad(`"to" is missing: whom to call, such as "user:1001"`)
	case (o.Number == "") == (len(o.Bridge) == 0):
		return bad(`want "number" or "bridge": what becomes of the one who answers`)
	case o.Timeout != nil && !(*o.Timeout > 0 && *o.Timeout <= mostRing):
		return bad(`"timeout" must be a number of seconds over 0, up to %d`, mostRing)
	case len(o.To) > maxTargets || len(o.Bridge) > maxTargets:
		return bad("more than %d targets", maxTargets)
	}
	for _, s := range append(append([]string{o.From, o.Display, o.Number}, o.To...), o.Bridge...) {
		if len(s) > longest || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return bad("%q is too long or has control characters", printable(s[:min(len(s), 64)]))
		}
	}
	return nil
}
