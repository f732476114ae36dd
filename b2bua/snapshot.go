package b2bua

import (
	"context"
	"slices"
	"strings"
	"time"

	"tandem/b2bua/registrar"
	"tandem/media"
)

// Snapshot is a call as it stands, for people and the HTTP API.
type Snapshot struct {
	ID, LinkedID string
	From, To     Address
	Number       string
	User, Trunk  string
	Source       Source
	State        State
	Script       string
	Generation   int64
	Started      time.Time
	Answered     time.Time // zero: not yet
	Legs         []LegSnapshot
}

// LegSnapshot is a leg as it stands.
type LegSnapshot struct {
	Seq       int
	Role      string
	Target    string
	Remote    string
	State     string
	Codec     string
	UserAgent string
	CallID    string // in SIP
	Invited   time.Time
	Answered  time.Time
	Quality   media.Quality // of late, as last told; the zero value before the first report
}

// Calls are the calls in progress, the newest first.
func (s *Server) Calls(ctx context.Context) []Snapshot {
	s.mu.Lock()
	calls := make([]*Call, 0, len(s.calls))
	for _, c := range s.calls {
		calls = append(calls, c)
	}
	s.mu.Unlock()
	answers := make(chan Snapshot, len(calls))
	asked := 0
	for _, c := range calls {
		if c.box.post(do(func(c *Call) { answers <- c.snapshot() })) {
			asked++
		}
	}
	out := make([]Snapshot, 0, asked)
	for range asked {
		select {
		case a := <-answers:
			out = append(out, a)
		case <-ctx.Done():
			return out
		}
	}
	slices.SortFunc(out, func(a, b Snapshot) int {
		if n := b.Started.Compare(a.Started); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Snapshot is one call in progress.
func (s *Server) Snapshot(ctx context.Context, id string) (Snapshot, bool) {
	c, ok := s.Call(id)
	if !ok {
		return Snapshot{}, false
	}
	answer := make(chan Snapshot, 1)
	if !c.box.post(do(func(c *Call) { answer <- c.snapshot() })) {
		return Snapshot{}, false
	}
	select {
	case a := <-answer:
		return a, true
	case <-ctx.Done():
		return Snapshot{}, false
	}
}

// Contacts are the phones of a user that can be reached now, the best first.
func (s *Server) Contacts(user string) []registrar.Contact { return s.o.Registrar.Contacts(user) }

// Known tells whether there is a user of that name: one of the Directory, or one whom a hook has
// let register.
func (s *Server) Known(user string) bool {
	_, ok := s.o.Directory.Credential(user)
	return ok || len(s.Contacts(user)) > 0
}

// HangupCall ends a call on behalf of an operator; false when there is none of that id.
func (s *Server) HangupCall(id string) bool {
	c, ok := s.Call(id)
	return ok && c.box.post(do(func(c *Call) { c.end(BySystem, failure(480, "")) }))
}

func (c *Call) snapshot() Snapshot {
	out := Snapshot{ID: c.id, LinkedID: c.LinkedID(), From: c.from, To: c.to, User: c.identity.User, Trunk: c.trunkName(),
		Source: c.source, State: c.State(), Started: c.started, Answered: c.times.answer}
	c.shared.Lock()
	out.Number, out.Script, out.Generation = c.shared.number, c.shared.script, c.shared.generation
	c.shared.Unlock()
	for _, l := range c.legs {
		out.Legs = append(out.Legs, LegSnapshot{Seq: l.seq, Role: l.role, Target: l.target, Remote: l.remote, State: l.state.String(),
			Codec: l.codec(), UserAgent: l.userAgent, CallID: l.callID, Invited: l.rec.invited, Answered: l.rec.answered,
			Quality: l.quality})
	}
	return out
}

func (l *Leg) codec() string {
	if l.media != nil && l.state != legEnded {
		return l.media.Codec()
	}
	return l.rec.codec
}
