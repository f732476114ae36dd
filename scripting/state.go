package scripting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
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
	call   *callObject // that it was made for; nil outside of a call

	// Two lifetimes: ctx is that of all that runs here, own that of the function which the state
	// was made for and of what ends with it. Each ends what blocks and the Lua machine alike.
	ctx    context.Context
	cancel context.CancelCauseFunc
	own    *running
	endOwn context.CancelCauseFunc
	unbind func() bool // from what own ends with
	meter  *meter

	holds  atomic.Int64 // functions that may still run
	tasks  atomic.Int64 // those of them that run, or will, beside the first
	atEnd  func()       // when the last has let go; may be nil
	grace  grace
	active []*callObject                 // calls that functions of the state serve
	legs   map[*b2bua.Leg]*lua.LUserData // as scripts know them
	limits map[string]time.Duration      // that on_dial has set, by target

	// baton is held by the one function that runs Lua; it is given up while a host function blocks.
	baton sync.Mutex
	waits []*pendingWait // that go on now; guarded by the baton

	busy      string // why nothing may block now, or ""
	loading   bool   // on_load runs
	coroutine int    // how deep coroutines resume each other
	required  map[string]lua.LValue
	loaded    map[string]*lua.LTable // handlers by plugin
	random    *random
}

// running is the context of a function of a script, and of the coroutines that it makes.
type running struct {
	context.Context
	s    *state
	call *callObject // in whose service it runs; nil: none
	free bool        // the end of the call does not end it
}

type runningKey struct{}

func (r *running) Value(key any) any {
	if key == (runningKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// runningIn is the function that L, which may be a coroutine of its, runs.
func runningIn(L *lua.LState) *running { return L.Context().Value(runningKey{}).(*running) }

// of finds the state that L belongs to.
func of(L *lua.LState) *state { return runningIn(L).s }

// log is where lines about the function go.
func (r *running) log() *slog.Logger {
	if r.call != nil {
		return r.call.c.Log()
	}
	return r.s.log
}

// note adds a line to the timeline of the call that the function serves.
func (r *running) note(text string) {
	if r.call != nil {
		r.call.note(text)
	}
}

// newState makes a state whose first function ends with ctx. Who has it lets go of it by release.
func newState(ctx context.Context, e *Engine, g *generation, call *callObject) *state {
	s := &state{engine: e, gen: g, call: call, log: e.o.Log}
	s.holds.Store(1)
	s.ctx, s.cancel = context.WithCancelCause(e.ctx)
	own, endOwn := context.WithCancelCause(s.ctx)
	s.own, s.endOwn = &running{Context: own, s: s, call: call}, endOwn
	s.unbind = context.AfterFunc(ctx, func() { endOwn(context.Cause(ctx)) })
	if call != nil {
		s.active = []*callObject{call}
	}
	s.meter = newMeter(e.o.CallCPU, func() { e.guard.watch(s) }, func() {
		s.cancel(fmt.Errorf("the script ran for %v without waiting (call_cpu)", e.o.CallCPU))
	})
	s.L = lua.NewState(lua.Options{
		CallStackSize: callDepth, RegistrySize: registry, RegistryMaxSize: registryMax, RegistryGrowStep: registryGrow,
		SkipOpenLibs: true, MinimizeStackMemory: true, IncludeGoStackTrace: true,
	})
	s.L.SetContext(s.own)
	e.builtin.open(s.L)
	if call != nil {
		e.serving.add(call, s)
	}
	return s
}

// hold keeps the state for one more function; who calls it holds the state itself.
func (s *state) hold() { s.holds.Add(1) }

// release lets go of the state; the last one ends it.
func (s *state) release() {
	if s.holds.Add(-1) == 0 {
		s.close()
	}
}

// close ends the state; nothing of it may be used afterwards.
func (s *state) close() {
	s.grace.close()
	if s.call != nil {
		s.engine.serving.remove(s.call, s)
	}
	if s.atEnd != nil {
		s.atEnd()
	}
	s.unbind()
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
		return nil, s.scriptError(L, err)
	}
	values := make([]lua.LValue, results)
	for i := range values {
		values[i] = L.Get(i - results)
	}
	L.Pop(results)
	return values, nil
}

// scriptError says what was raised: a string, or a table with a message or a __tostring.
func (s *state) scriptError(L *lua.LState, err error) *ScriptError {
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
	if ended := L.Context().Err(); ended != nil {
		cause := context.Cause(L.Context())
		if i := strings.Index(msg, ended.Error()); i >= 0 {
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
	for _, o := range s.active {
		o.saveVars(s) // the script may never come back
	}
	s.meter.pause()
	w := s.beginWait(L, name)
	s.baton.Unlock()
	defer func() {
		s.baton.Lock()
		s.endWait(w)
		s.meter.start()
	}()
	fn(L.Context())
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
