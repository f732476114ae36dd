package scripting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// What a script may use of stack: frames, and values at the start and at most.
const (
	callDepth    = 256
	registry     = 256
	registryMax  = 16 << 10
	registryGrow = 256
)

// state is one Lua world: that of a call, or of loading a generation.
type state struct {
	engine *Engine
	gen    *generation
	L      *lua.LState
	log    *slog.Logger
	call   *callObject // nil outside of a call

	ctx    context.Context // of whatever blocks, and of the Lua machine: one end for both
	cancel context.CancelCauseFunc
	meter  *meter

	// baton is held by the one function that runs Lua; it is given up while a host function blocks.
	baton sync.Mutex
	waits []*pendingWait // that go on now; guarded by the baton

	busy      string // why nothing may block now, or ""
	coroutine int    // how deep coroutines resume each other
	required  map[string]lua.LValue
	loaded    map[string]*lua.LTable // handlers by plugin
	random    *random
}

// stateContext leads from a Lua state, or a coroutine of it, to our state.
type stateContext struct {
	context.Context
	s *state
}

type stateKey struct{}

func (c *stateContext) Value(key any) any {
	if key == (stateKey{}) {
		return c.s
	}
	return c.Context.Value(key)
}

// of finds the state that L, which may be a coroutine, belongs to.
func of(L *lua.LState) *state { return L.Context().Value(stateKey{}).(*state) }

func newState(ctx context.Context, e *Engine, g *generation, call *callObject) *state {
	s := &state{engine: e, gen: g, call: call, log: e.o.Log}
	inner, cancel := context.WithCancelCause(ctx)
	s.ctx, s.cancel = &stateContext{inner, s}, cancel
	s.meter = newMeter(e.o.CallCPU, func() { e.guard.watch(s) }, func() {
		cancel(fmt.Errorf("the script ran for %v without waiting (call_cpu)", e.o.CallCPU))
	})
	s.L = lua.NewState(lua.Options{
		CallStackSize: callDepth, RegistrySize: registry, RegistryMaxSize: registryMax, RegistryGrowStep: registryGrow,
		SkipOpenLibs: true, MinimizeStackMemory: true, IncludeGoStackTrace: true,
	})
	s.L.SetContext(s.ctx)
	e.builtin.open(s.L)
	if call != nil {
		e.serving.add(s)
	}
	return s
}

// close ends the state; nothing of it may be used afterwards.
func (s *state) close() {
	if s.call != nil {
		s.engine.serving.remove(s)
	}
	s.cancel(nil)
	s.meter.stop()
	if s.call != nil && s.engine.o.OnRan != nil {
		s.engine.o.OnRan(s.meter.ran())
	}
	s.engine.guard.forget(s)
	s.L.Close()
}

// ScriptError is an error raised in Lua.
type ScriptError struct {
	Message   string // begins with file:line where that is known
	Traceback string
}

func (e *ScriptError) Error() string { return e.Message }

// runIn calls fn, which may block, on the thread L, as the one that holds the baton.
// Results are dropped.
func (s *state) runIn(L *lua.LState, fn *lua.LFunction, args ...lua.LValue) *ScriptError {
	_, err := s.callIn(L, fn, args...)
	return err
}

// callIn calls fn on the thread L and returns its first result.
func (s *state) callIn(L *lua.LState, fn *lua.LFunction, args ...lua.LValue) (lua.LValue, *ScriptError) {
	s.baton.Lock()
	s.meter.start()
	defer s.baton.Unlock()
	defer s.meter.pause()
	return s.protect(L, fn, args...)
}

// protect calls fn with the baton in hand and turns what it raises into a ScriptError.
func (s *state) protect(L *lua.LState, fn *lua.LFunction, args ...lua.LValue) (lua.LValue, *ScriptError) {
	values, err := s.protectAll(L, 1, fn, args...)
	if err != nil {
		return nil, err
	}
	return values[0], nil
}

// protectAll is protect for so many results; those that fn does not return are nil.
func (s *state) protectAll(L *lua.LState, results int, fn *lua.LFunction, args ...lua.LValue) ([]lua.LValue, *ScriptError) {
	L.Push(fn)
	for _, a := range args {
		L.Push(a)
	}
	if err := L.PCall(len(args), results, nil); err != nil {
		return nil, s.scriptError(err)
	}
	values := make([]lua.LValue, results)
	for i := range values {
		values[i] = L.Get(i - results)
	}
	L.Pop(results)
	return values, nil
}

// scriptError says what was raised: a string, or a table with a message or a __tostring.
func (s *state) scriptError(err error) *ScriptError {
	var ae *lua.ApiError
	if !errors.As(err, &ae) {
		return &ScriptError{Message: err.Error()}
	}
	if ae.Type == lua.ApiErrorPanic {
		s.panicked(ae.Object.String(), ae.StackTrace)
	}
	msg := ae.Object.String()
	if t, ok := ae.Object.(*lua.LTable); ok {
		if m := t.RawGetString("message"); m != lua.LNil {
			msg = m.String()
		} else {
			msg = "an error that is a table without a message"
		}
	}
	if cause := context.Cause(s.ctx); cause != nil && s.ctx.Err() != nil {
		if i := strings.Index(msg, s.ctx.Err().Error()); i >= 0 {
			msg = msg[:i] + cause.Error()
		}
	}
	return &ScriptError{Message: strings.TrimSpace(msg), Traceback: ae.StackTrace}
}

// block lets fn wait. Meanwhile the state's other functions may run, and no Lua time is
// counted. name is that of the function the script called.
func (s *state) block(L *lua.LState, name string, fn func(ctx context.Context)) {
	if s.busy != "" {
		L.RaiseError("%s waits, and cannot be used %s", name, s.busy)
	}
	if s.call != nil {
		s.call.beforeWait(s)
	}
	s.meter.pause()
	w := s.beginWait(L, name)
	s.baton.Unlock()
	defer func() {
		s.baton.Lock()
		s.endWait(w)
		s.meter.start()
		if s.call != nil {
			s.call.afterWait(s)
		}
	}()
	fn(s.ctx)
}

// handlers runs a plugin's top level, once in each state, and returns its table.
func (s *state) handlers(L *lua.LState, p *script) (*lua.LTable, *ScriptError) {
	s.baton.Lock()
	s.meter.start()
	defer s.baton.Unlock()
	defer s.meter.pause()
	return s.handlersHeld(L, p)
}

// handlersHeld is handlers with the baton in hand.
func (s *state) handlersHeld(L *lua.LState, p *script) (*lua.LTable, *ScriptError) {
	if t, ok := s.loaded[p.name]; ok {
		return t, nil
	}
	v, err := s.topLevel(L, p)
	if err != nil {
		return nil, err
	}
	t, ok := v.(*lua.LTable)
	if !ok {
		return nil, &ScriptError{Message: fmt.Sprintf("%s:%d: a plugin returns a table of handlers, such as { on_call = function(call) … end }; this one returns %s",
			p.name, lastLine(p), v.Type())}
	}
	if s.loaded == nil {
		s.loaded = map[string]*lua.LTable{}
	}
	s.loaded[p.name] = t
	return t, nil
}

// lastLine is where a script's text ends, as far as its code tells.
func lastLine(p *script) int {
	lines := p.proto.DbgSourcePositions
	if len(lines) < 2 { // the last is of the return that ends every chunk
		return 1
	}
	return lines[len(lines)-2]
}

// topLevel runs a file's top level, where nothing may block. The baton is held.
func (s *state) topLevel(L *lua.LState, p *script) (lua.LValue, *ScriptError) {
	before := s.busy
	s.busy = "at the top level of a file"
	defer func() { s.busy = before }()
	return s.protect(L, L.NewFunctionFromProto(p.proto))
}
