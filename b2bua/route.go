package b2bua

import (
	"context"
	"errors"
)

// ErrTooDeep is returned by Route when routes are nested more than eight deep.
var ErrTooDeep = errors.New("routed more than 8 times over")

// ErrNotTaken is returned by Route when no handler took the call for that number.
var ErrNotTaken = errors.New("not found")

// Route runs the handler anew, as if number had been dialled, and returns when it does.
func (c *Call) Route(ctx context.Context, number string) error {
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
	if err == nil && !c.taken.Load() {
		err = ErrNotTaken
	}
	if taken {
		c.taken.Store(true)
	}
	return err
}
