package scripting

import (
	"runtime/debug"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// panics counts the panics of host functions and bounds how often they are logged.
type panics struct {
	count  atomic.Int64
	logged atomic.Int64 // when, in Unix seconds
}

// Panics is how many panics in functions that scripts call were caught since the start.
func (e *Engine) Panics() int64 { return e.panics.count.Load() }

// panicked counts a panic and logs it with its stack, at most once a second.
func (s *state) panicked(p any, stack string) {
	e := s.engine
	e.panics.count.Add(1)
	now := time.Now().Unix()
	if last := e.panics.logged.Load(); last != now && e.panics.logged.CompareAndSwap(last, now) {
		s.log.Error("panic in a function called by a script", "panic", p, "stack", stack)
	}
}

// guarded runs a function of ours for L. A panic becomes a Lua error and harms nobody else.
func guarded(L *lua.LState, name string, run func(*state, *lua.LState) int) int {
	s := of(L)
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if _, raised := p.(*lua.ApiError); raised {
			panic(p) // an error that the script, or its caller, may catch
		}
		s.panicked(p, string(debug.Stack()))
		L.RaiseError("%s: internal error", name)
	}()
	return run(s, L)
}
