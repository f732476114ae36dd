package scripting

import (
	"context"
	"errors"
	"slices"
	"sync"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
	"tandem/clock"
)

// errGrace ends a script that goes on long after its call.
var errGrace = errors.New("the script went on for over 5s after its call had ended")

// ServeCall hands the call down the chain of plugins until one takes it. Within a script's
// call:route it goes down the chain again in the state of that script. An error ends the
// call: b2bua answers 500 or hangs up.
func (e *Engine) ServeCall(ctx context.Context, c *b2bua.Call) error {
	if outer, ok := ctx.Value(runningKey{}).(*running); ok {
		if o := outer.s.object(c); o != nil {
			return outer.s.serveAgain(outer, o)
		}
	}
	g := e.current.Load()
	g.calls.Add(1)
	o := newCallObject(c, e.builtin)
	s := newState(ctx, e, g, o)
	s.log = c.Log()
	stop := c.Watch(func(h b2bua.Happening) {
		if h.Kind == "hangup" {
			s.callEnded()
		}
	})
	s.atEnd = func() {
		stop()
		g.calls.Add(-1)
	}
	if o.ended() {
		s.callEnded()
	}
	defer s.release()
	err := s.serve(s.L, o)
	s.finish(o)
	if err != nil {
		c.ScriptError(err.Message, err.Traceback)
		return err
	}
	return nil
}

// finish ends what was only for a call: no function serves it any more.
func (s *state) finish(o *callObject) {
	s.baton.Lock()
	o.finished = true
	w := o.watching
	s.baton.Unlock()
	if w != nil {
		w.close()
	}
	s.baton.Lock()
	defer s.baton.Unlock()
	o.saveVars(s)
	s.active = slices.DeleteFunc(s.active, func(x *callObject) bool { return x == o })
	s.engine.serving.remove(o, s)
}

// object is the call as the functions of the state that serve it know it; nil if none does.
func (s *state) object(c *b2bua.Call) *callObject {
	s.baton.Lock()
	defer s.baton.Unlock()
	for _, o := range s.active {
		if o.c == c {
			return o
		}
	}
	return nil
}

// serveAgain goes down the chain on a thread of its own: the one that called is in call:route.
func (s *state) serveAgain(r *running, o *callObject) error {
	thread, cancel := s.thread(r)
	defer cancel()
	if err := s.serve(thread, o); err != nil { // call:route raises it again
		return err
	}
	return nil
}

// serve asks each plugin in turn.
func (s *state) serve(L *lua.LState, o *callObject) *ScriptError {
	c := o.c
	for _, p := range s.gen.plugins {
		handlers, err := s.handlers(L, p)
		if err == nil {
			fn, ok := handlers.RawGetString("on_call").(*lua.LFunction)
			if !ok {
				continue
			}
			c.SetScript(p.name, s.gen.id)
			err = s.runIn(L, fn, o.self)
		}
		if err != nil {
			c.Log().Error("script: "+err.Message, "script", p.name, "generation", s.gen.id, "traceback", err.Traceback)
			return err
		}
		if c.Taken() || o.ended() {
			return nil
		}
	}
	return nil
}

// grace is the time that a script has to tidy up after its call.
type grace struct {
	mu     sync.Mutex
	timer  clock.Timer
	closed bool
}

// callEnded gives what ends with the call the time to tidy up, and no more.
func (s *state) callEnded() {
	g := &s.grace
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.timer == nil && !g.closed {
		g.timer = s.engine.o.Clock.AfterFunc(tidyUp, func() { s.endOwn(errGrace) })
	}
}

func (g *grace) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if g.timer != nil {
		g.timer.Stop()
	}
}
