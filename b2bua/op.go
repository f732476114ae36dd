package b2bua

import "context"

// op is something a script waits for: a prompt to end, digits, a leg to answer. The
// call's goroutine owns it from the moment it is posted and always finishes it.
type op struct {
	leg    *Leg // whose end ends it too; nil: only the call's
	value  any
	err    error
	done   chan struct{}
	ask    chan func()     // work for the waiting goroutine meanwhile (on_answer)
	stop   func()          // ends what goes on for it; runs once, when it is finished
	result func(error) any // what to return when the leg or call ended meanwhile; nil: ErrHangup
	then   func()          // runs when it is finished
	lasts  bool            // the end of the caller's leg does not end it

	heritable bool         // it can go on for another leg in the place of its own
	inherit   func(n *Leg) // begins it anew for that leg; nil: nothing to do
}

// finish ends o with v or err; later calls do nothing.
func (c *Call) finish(o *op, v any, err error) {
	if _, live := c.ops[o]; !live {
		return
	}
	delete(c.ops, o)
	o.value, o.err = v, err
	if o.stop != nil {
		o.stop()
	}
	close(o.done)
	if o.then != nil {
		o.then()
	}
}

// background starts an op that no goroutine waits for; then runs when it is finished.
func (c *Call) background(then func(v any, err error)) *op {
	o := &op{done: make(chan struct{}), ask: make(chan func(), 1), lasts: true}
	o.then = func() { then(o.value, o.err) }
	c.ops[o] = struct{}{}
	return o
}

// interrupt ends every op that waits on leg (all of them when leg is nil).
func (c *Call) interrupt(leg *Leg, err error) {
	for o := range c.ops {
		if leg != nil && o.leg != leg || leg == nil && o.lasts {
			continue
		}
		if o.result != nil {
			c.finish(o, o.result(err), nil)
		} else {
			c.finish(o, nil, err)
		}
	}
}

// await runs start on the call's goroutine and waits until the op is finished, the call
// has ended, or ctx is done. It returns ErrHangup at once when the call has ended.
func await[T any](ctx context.Context, c *Call, leg *Leg, start func(o *op)) (T, error) {
	var zero T
	o := &op{leg: leg, done: make(chan struct{}), ask: make(chan func(), 1)}
	begin := do(func(c *Call) {
		if leg != nil {
			leg = leg.now()
			o.leg = leg
		}
		c.ops[o] = struct{}{}
		c.deserted = false
		switch {
		case c.moved, leg != nil && leg.call() != c:
			c.finish(o, nil, ErrMoved)
			return
		case c.gone(), leg != nil && leg.state == legEnded:
			c.finish(o, nil, ErrHangup)
			return
		}
		start(o)
	})
	if !c.box.post(begin) {
		return zero, ErrHangup
	}
	abandon := ctx.Done()
	for {
		select {
		case <-o.done:
			if v, ok := o.value.(T); ok {
				return v, o.err
			}
			return zero, o.err
		case f := <-o.ask:
			f()
		case <-abandon:
			abandon = nil
			c.box.post(do(func(c *Call) { c.finish(o, nil, ctx.Err()) }))
		}
	}
}

// await without a value.
func (c *Call) command(ctx context.Context, start func(o *op)) error {
	_, err := await[struct{}](ctx, c, nil, start)
	return err
}
