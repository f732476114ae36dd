package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/phone"
	"tandem/store"
)

// Limits, in simulated time, after which what a spec waits for is not coming.
const (
	hearLimit = 30 * time.Second
	dialLimit = 2 * time.Minute
	endLimit  = 10 * time.Minute
)

// call is a simulated caller's call. What it does is held back until the spec waits for
// something: by then whoever is to be dialled has a phone.
type call struct {
	w       *world
	to      string
	caller  *party
	c       *phone.Call
	pending []func() error
	ears    int // samples that earlier prompts have ended at
}

// callOptions say who calls whom.
type callOptions struct {
	to, from, user, trunk, display string
	headers                        map[string]string
}

// newCall prepares a call.
func (w *world) newCall(o callOptions) (*call, error) {
	c := &call{w: w, to: o.to}
	var err error
	switch {
	case o.user != "":
		c.caller, err = w.user(o.user)
	default:
		c.caller, err = w.stranger(o.from, o.display, o.trunk)
	}
	if err != nil {
		return nil, err
	}
	w.calls = append(w.calls, c)
	c.pending = append(c.pending, func() error {
		var more []sip.Header
		for _, name := range slices.Sorted(maps.Keys(o.headers)) {
			more = append(more, sip.NewHeader(name, o.headers[name]))
		}
		call, err := c.caller.phone.Invite(w.ctx, "sip:"+escape(o.to)+"@"+serverAddr, phone.DialOptions{Headers: more})
		c.c = call
		return err
	})
	return c, nil
}

// act does what has been held back.
func (c *call) act() error {
	for len(c.pending) > 0 {
		next := c.pending[0]
		c.pending = c.pending[1:]
		if err := c.w.run(endLimit, next); err != nil {
			return err
		}
	}
	return c.w.still.wait()
}

// over tells whether the call has ended.
func (c *call) over() bool { return c.c.State() == phone.Ended }

// how says how the call stands, for messages.
func (c *call) how() string {
	if c.c == nil || !c.over() {
		return "the call goes on"
	}
	e := c.c.End()
	if e.Code > 0 {
		return fmt.Sprintf("the call ended with %d %s", e.Code, e.Reason)
	}
	return "the call was hung up by the " + map[string]string{"local": "caller", "remote": "server", "system": "network"}[e.By]
}

// press presses keys once the call is answered.
func (c *call) press(keys string) {
	c.pending = append(c.pending, func() error {
		if err := c.c.Answered(c.w.ctx); err != nil {
			return fmt.Errorf("%s cannot be pressed: %s", keys, c.how())
		}
		return c.end().tillItEnds(func() error { return c.c.Press(c.w.ctx, keys) })
	})
}

// dials waits until the server calls a target.
func (c *call) dials(target string) (*callee, error) {
	p, fits, err := c.w.dialled(target)
	if err != nil {
		return nil, err
	}
	if err := c.act(); err != nil {
		return nil, err
	}
	var in *phone.Call
	_, err = c.w.until(dialLimit, func() bool {
		in = p.take(fits)
		return in != nil || c.over()
	})
	switch {
	case err != nil:
		return nil, err
	case in == nil:
		return nil, fmt.Errorf("%s was not dialled: %s", target, c.how())
	}
	return &callee{c: c, party: p, in: in, target: target}, nil
}

// runs lets time go by, in which the call must not end.
func (c *call) runs(d time.Duration) error {
	if err := c.act(); err != nil {
		return err
	}
	if err := c.w.pass(d); err != nil {
		return err
	}
	if c.over() {
		return fmt.Errorf("the call did not last %v: %s", d, c.how())
	}
	return nil
}

// hangup ends the call from the caller's side.
func (c *call) hangup() error {
	if err := c.act(); err != nil {
		return err
	}
	if c.over() {
		return errors.New("there is nothing to hang up: " + c.how())
	}
	return c.w.run(endLimit, func() error {
		if c.c.State() < phone.Answered {
			c.c.Cancel()
			<-c.c.Done()
			return nil
		}
		return c.c.Hangup(c.w.ctx)
	})
}

// ends waits until the call has ended, and gives the status that it was refused with, or 200.
func (c *call) ends() (int, error) {
	if err := c.act(); err != nil {
		return 0, err
	}
	ok, err := c.w.until(endLimit, c.over)
	switch {
	case err != nil:
		return 0, err
	case !ok:
		return 0, fmt.Errorf("the call has not ended within %v", endLimit)
	}
	if code := c.c.End().Code; code > 0 {
		return code, nil
	}
	return 200, nil
}

// record waits for the call's finished record.
func (c *call) record() (store.Record, error) {
	if err := c.act(); err != nil {
		return store.Record{}, err
	}
	var rec store.Record
	var found bool
	_, err := c.w.until(endLimit, func() bool {
		rec, found = c.w.records.bySIP(c.c.CallID())
		return found
	})
	if err == nil && !found {
		err = fmt.Errorf("the record was not finished within %v: %s", endLimit, c.how())
	}
	return rec, err
}

// callee is the far end of what the server dials.
type callee struct {
	c      *call
	party  *party
	in     *phone.Call
	target string
	ears   int // samples that earlier sounds have ended at
}

// answers rings and answers after a while.
func (l *callee) answers(after time.Duration) error {
	if err := l.in.Ring(); err != nil {
		return fmt.Errorf("%s cannot answer: %w", l.target, err)
	}
	if err := l.c.w.pass(after); err != nil {
		return err
	}
	if err := l.in.Answer(); err != nil {
		return fmt.Errorf("%s cannot answer: the call is not there any more", l.target)
	}
	return l.c.w.still.wait()
}

// fails refuses the call after a while, or never says anything but ringing.
func (l *callee) fails(code int, after time.Duration) error {
	if err := l.in.Ring(); err != nil {
		return fmt.Errorf("%s cannot fail: %w", l.target, err)
	}
	if code == 0 {
		return l.c.w.still.wait()
	}
	if err := l.c.w.pass(after); err != nil {
		return err
	}
	if err := l.in.Reject(code); err != nil {
		return fmt.Errorf("%s cannot fail: the call is not there any more", l.target)
	}
	return l.c.w.still.wait()
}

// hangup ends the call from the callee's side.
func (l *callee) hangup() error {
	return l.c.w.run(endLimit, func() error { return l.in.Hangup(l.c.w.ctx) })
}
