package b2bua

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"tandem/clock"
	"tandem/media"
)

// ParkOptions of Park.
type ParkOptions struct {
	Music   []media.Source // what the caller hears, from the beginning again at its end
	Timeout time.Duration  // after which the script goes on; 0: none
}

// ParkResult tells how a caller's time in a parking slot went.
type ParkResult struct {
	Slot    string
	Why     string // retrieved, timeout, hangup, moved
	By      Side   // who ended it: callee is whoever took the call up
	Call    string // retrieved: the id of the call that has taken it up
	Seconds float64
}

// ErrTaken is returned where somebody else is parked in the slot.
var ErrTaken = errors.New("taken")

// ParkedCall is a caller in a parking slot, as listed.
type ParkedCall struct {
	Slot   string
	ID     string // of the call
	From   Address
	Number string
	Since  time.Time
}

// parking are the slots in use, by name.
type parking struct {
	mu    sync.Mutex
	slots map[string]*parked
}

// parked is a caller in a slot.
type parked struct {
	slot  string
	call  *Call
	since time.Time
}

// departure is why somebody who waits leaves; its call's goroutine hands it to the op.
type departure struct {
	why    string
	by     Side
	detail string // the id of the call that takes over, or a key
}

// Park keeps the caller in a slot, with music, until the target "park:SLOT" takes the call
// up, the time is over, or the caller leaves. An unanswered caller is answered first. The
// error is ErrTaken, ErrState, or what answering gives; all else is told by the result.
func (c *Call) Park(ctx context.Context, slot string, o ParkOptions) (ParkResult, error) {
	res := ParkResult{Slot: slot, Why: "hangup", By: ByCaller}
	_, err := await[departure](ctx, c, c.first, func(out *op) {
		p := &parked{slot: slot, call: c, since: c.clock.Now()}
		if !c.server.parking.enter(p) {
			c.finish(out, nil, ErrTaken)
			return
		}
		l := c.first.now()
		err := l.ready()
		if err == nil && l.media == nil {
			err = ErrState
		}
		if err != nil {
			c.server.parking.leave(p)
			c.finish(out, nil, err)
			return
		}
		c.stay(p, out, o, &res)
	})
	switch {
	case errors.Is(err, ErrMoved):
		res.Why, res.By = "moved", BySystem
		return res, nil
	case errors.Is(err, ErrHangup):
		return res, nil
	}
	return res, err
}

// stay lets the caller wait in its slot; out ends it.
func (c *Call) stay(p *parked, out *op, o ParkOptions, res *ParkResult) {
	c.parked = p
	c.server.NotifyLamp(p.slot, c.id, true)
	c.note("", "media", "parked in "+p.slot)
	c.departs = func(to string) { c.finish(out, departure{"retrieved", ByCallee, to}, nil) }
	music := func(l *Leg) {
		l.free()
		if len(o.Music) > 0 {
			l.startPlaying(o.Music, -1, func(error) {})
		}
	}
	music(c.first.now())
	out.heritable, out.inherit = true, music
	var timer clock.Timer
	if o.Timeout > 0 {
		timer = c.after(o.Timeout, func() { c.finish(out, departure{"timeout", BySystem, ""}, nil) })
	}
	out.stop = func() {
		if timer != nil {
			timer.Stop()
		}
		if d, ok := out.value.(departure); ok {
			res.Why, res.By, res.Call = d.why, d.by, d.detail
		} else if c.gone() {
			res.By = c.leaver()
		}
		res.Seconds = c.clock.Now().Sub(p.since).Seconds()
		c.parked, c.departs = nil, nil
		c.first.now().stopPlaying()
		c.server.parking.leave(p)
		c.server.NotifyLamp(p.slot, c.id, false)
		c.note("", "media", "left parking slot "+p.slot+": "+res.Why)
	}
}

func (r *parking) enter(p *parked) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slots == nil {
		r.slots = map[string]*parked{}
	}
	if r.slots[p.slot] != nil {
		return false
	}
	r.slots[p.slot] = p
	return true
}

func (r *parking) leave(p *parked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slots[p.slot] == p {
		delete(r.slots, p.slot)
	}
}

// at is the call parked in a slot, or nil.
func (r *parking) at(slot string) *Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.slots[slot]; p != nil {
		return p.call
	}
	return nil
}

// Parked lists who is parked, by slot.
func (s *Server) Parked() []ParkedCall {
	r := &s.parking
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]ParkedCall, 0, len(r.slots))
	for _, p := range r.slots {
		list = append(list, ParkedCall{Slot: p.slot, ID: p.call.id, From: p.call.from, Number: p.call.Number(), Since: p.since})
	}
	slices.SortFunc(list, func(a, b ParkedCall) int { return cmp.Compare(a.Slot, b.Slot) })
	return list
}
