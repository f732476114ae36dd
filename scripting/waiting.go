package scripting

import (
	"fmt"
	"slices"
	"sync"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Activity is what the script of a call in progress does now.
type Activity struct {
	Running bool      // it runs Lua, or is about to; Waiting is empty then
	Waiting []Waiting // the functions of the script that wait, the first to begin first
}

// Waiting is a function of a script inside a function that waits.
type Waiting struct {
	In     string // what waits: "call:gather"
	Since  time.Time
	Frames []Frame // where the script called it, and who called that
}

// Frame is a place in a script.
type Frame struct {
	Script   string // "50-main.lua", "lib/queue.lua"
	Line     int
	Function string // its name, or "function <FILE:LINE>"
}

// Activity tells what the script of a call does; false when no script has the call.
func (e *Engine) Activity(call string) (Activity, bool) {
	s := e.serving.find(call)
	if s == nil {
		return Activity{}, false
	}
	for range 20 {
		if s.baton.TryLock() { // who waits has put it down, so their stacks lie still
			defer s.baton.Unlock()
			return Activity{Running: len(s.waits) == 0, Waiting: s.waiting()}, true
		}
		time.Sleep(time.Millisecond)
	}
	return Activity{Running: true}, true
}

// serving are the states of the calls in progress, by call.
type serving struct {
	mu     sync.Mutex
	states map[string]*state
}

func (v *serving) find(call string) *state {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.states[call]
}

func (v *serving) add(o *callObject, s *state) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.states == nil {
		v.states = map[string]*state{}
	}
	v.states[o.c.ID()] = s
}

func (v *serving) remove(o *callObject, s *state) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if id := o.c.ID(); v.states[id] == s {
		delete(v.states, id)
	}
}

// pendingWait is a blocking function that L is in. The baton guards the list of them.
type pendingWait struct {
	L     *lua.LState
	name  string
	since time.Time
}

// beginWait notes that L waits. The baton is held.
func (s *state) beginWait(L *lua.LState, name string) *pendingWait {
	w := &pendingWait{L, name, s.engine.o.Clock.Now()}
	s.waits = append(s.waits, w)
	return w
}

// endWait is called with the baton held again.
func (s *state) endWait(w *pendingWait) {
	if i := slices.Index(s.waits, w); i >= 0 {
		s.waits = slices.Delete(s.waits, i, i+1)
	}
}

// waiting tells of all that wait. The baton is held.
func (s *state) waiting() []Waiting {
	out := make([]Waiting, len(s.waits))
	for i, w := range s.waits {
		out[i] = Waiting{In: w.name, Since: w.since, Frames: s.frames(w.L)}
	}
	return out
}

// maxFrames bounds how deep a stack is shown.
const maxFrames = 20

// frames are the places in scripts on the stack of L, the innermost first.
func (s *state) frames(L *lua.LState) []Frame {
	var out []Frame
	for level := 0; len(out) < maxFrames; level++ {
		d, ok := L.GetStack(level)
		if !ok {
			return out
		}
		v, err := L.GetInfo("nSlf", d, lua.LNil)
		fn, isFunction := v.(*lua.LFunction)
		if err != nil || !isFunction || fn.IsG {
			continue
		}
		out = append(out, Frame{Script: d.Source, Line: d.CurrentLine, Function: s.functionName(fn, d.Name)})
	}
	return out
}

// functionName is how people know a function: by the handler that it is, the name that it was
// called by, or where it stands.
func (s *state) functionName(fn *lua.LFunction, called string) string {
	for _, handlers := range s.loaded {
		for _, name := range handlerNames() {
			if handlers.RawGetString(name) == fn {
				return name
			}
		}
	}
	place := fmt.Sprintf("<%s:%d>", fn.Proto.SourceName, fn.Proto.LineDefined)
	switch called {
	case "", "?", "main chunk", "corountine", place: // the library's spelling
		return "function " + place
	}
	return called
}
