package scripting

import (
	"context"
	"errors"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

// errGrace ends a script that goes on long after its call.
var errGrace = errors.New("the script went on for over 5s after its call had ended")

// ServeCall hands the call down the chain of plugins until one takes it. Within a script's
// call:route it goes down the chain again in the state of that script. An error ends the
// call: b2bua answers 500 or hangs up.
func (e *Engine) ServeCall(ctx context.Context, c *b2bua.Call) error {
	if outer, ok := ctx.Value(stateKey{}).(*state); ok && outer.call != nil && outer.call.c == c {
		return outer.serveAgain()
	}
	g := e.current.Load()
	g.calls.Add(1)
	defer g.calls.Add(-1)
	o := newCallObject(c, e.builtin)
	s := newState(ctx, e, g, o)
	s.log = c.Log()
	defer s.close()
	defer func() {
		if o.watching != nil {
			o.watching.close()
		}
		o.saveVars(s)
		if o.grace != nil {
			o.grace.Stop()
		}
	}()
	if err := s.serve(s.L); err != nil {
		c.ScriptError(err.Message, err.Traceback)
		return err
	}
	return nil
}

// serveAgain goes down the chain on a thread of its own: the main one is in call:route.
func (s *state) serveAgain() error {
	thread, cancel := s.L.NewThread()
	defer cancel()
	if err := s.serve(thread); err != nil { // call:route raises it again
		return err
	}
	return nil
}

// serve asks each plugin in turn.
func (s *state) serve(L *lua.LState) *ScriptError {
	c := s.call.c
	for _, p := range s.gen.plugins {
		handlers, err := s.handlers(L, p)
		if err == nil {
			fn, ok := handlers.RawGetString("on_call").(*lua.LFunction)
			if !ok {
				continue
			}
			c.SetScript(p.name, s.gen.id)
			err = s.runIn(L, fn, s.call.self)
		}
		if err != nil {
			s.log.Error("script: "+err.Message, "script", p.name, "generation", s.gen.id, "traceback", err.Traceback)
			return err
		}
		if c.Taken() || s.call.ended() {
			return nil
		}
	}
	return nil
}
