package scripting

import (
	"context"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

// Screen asks on_dial, in a fresh state, about targets that no script is about to dial: an
// operator's. An error of on_dial is returned, and then nobody may be called.
func (e *Engine) Screen(ctx context.Context, c *b2bua.Call, targets []string, opts *b2bua.DialOptions) error {
	g := e.current.Load()
	if len(g.asks["on_dial"]) == 0 {
		return nil
	}
	s := newState(ctx, e, g, newCallObject(c, e.builtin))
	s.log = c.Log()
	defer s.release()
	ask := s.L.NewFunction(func(L *lua.LState) int {
		s.screen(args(L, "on_dial"), targets, opts)
		return 0
	})
	if err := s.runIn(s.L, ask); err != nil {
		s.log.Error("script: "+err.Message, "handler", "on_dial", "generation", g.id, "traceback", err.Traceback)
		c.ScriptError(err.Message, err.Traceback)
		return err
	}
	return nil
}
