package b2bua

import (
	"context"
	"errors"
)

// ErrTooDeep is returned by Route when routes are nested more than eight deep.
var ErrTooDeep = errors.New("routed more than 8 times over")

// ErrNotTaken is returned by Route when no handler took the call for that number.
var ErrNotTaken = errors.New("not found")

// Route runs the handler anew, as if number had been dialled, and returns when it does. Errors
// are ErrTooDeep, ErrNotTaken, ErrHangup also when the call ends meanwhile, or the handler's.
func (c *Call) Route(ctx context.Context, number string) error {
	if err := c.here(ctx); err != nil {
		return err
	}
	c.shared.Lock()
	before := c.shared.number
	deep := c.shared.routes >= maxDepth
	if !deep {
		c.shared.routes++
		c.shared.number = number
	}
	c.shared.Unlock()
	if deep {
		return ErrTooDeep
	}
	defer func() {
		c.shared.Lock()
		c.shared.routes--
		c.shared.number = before
		c.shared.Unlock()
	}()
	taken := c.taken.Swap(false)
	c.Note("script", "routed to "+number)
	err := c.server.o.Handler.ServeCall(ctx, c)
	if err == nil {
		err = c.here(ctx)
	}
	if err == nil && !c.taken.Load() {
		err = ErrNotTaken
	}
	if taken {
		c.taken.Store(true)
	}
	return err
}

// here tells whether the caller is still there: ErrHangup or ErrMoved if not.
func (c *Call) here(ctx context.Context) error {
	return c.command(ctx, func(o *op) { c.finish(o, nil, nil) })
}
