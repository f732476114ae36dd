package scripting

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/clock"
)

// Functions that run beside the one that a state was made for. They share its variables, and
// each runs while the others wait: whoever runs Lua holds the baton.

const (
	// maxBeside bounds the functions that run, or will, beside one script.
	maxBeside = 64
	// maxBesideAll bounds those of all scripts.
	maxBesideAll = 20_000
	// maxTimer is the longest that timer.after waits: what it waits for lives as long.
	maxTimer = 24 * time.Hour
)

// beside counts the functions of all states that run, or will, beside others.
type beside struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when the last has ended, once somebody waits for it
}

// enter takes a place; false when there is none.
func (b *beside) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n >= maxBesideAll {
		return false
	}
	b.n++
	return true
}

func (b *beside) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n--
	if b.n == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

// wait returns when none is left, or they take too long to end.
func (b *beside) wait(c clock.Clock) {
	b.mu.Lock()
	if b.n == 0 {
		b.mu.Unlock()
		return
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	late := make(chan struct{})
	defer c.AfterFunc(tidyUp, func() { close(late) }).Stop()
	select {
	case <-idle:
	case <-late:
	}
}

// claim takes a place for one more function beside the script, which keeps the state alive
// until unclaim; why says that there is none.
func (s *state) claim() (why string) {
	if s.tasks.Add(1) > maxBeside {
		s.tasks.Add(-1)
		return "too many functions beside this script"
	}
	if !s.engine.beside.enter() {
		s.tasks.Add(-1)
		return "too many functions beside scripts"
	}
	s.hold()
	return ""
}

func (s *state) unclaim() {
	s.tasks.Add(-1)
	s.release()
	s.engine.beside.leave()
}

// mayBegin raises an error where nothing may be left behind to run later.
func (s *state) mayBegin(a arguments) {
	switch {
	case s.busy != "":
		a.fail("cannot be used %s", s.busy)
	case s.loading:
		a.fail("cannot be used in on_load: what it began would go on when other scripts are in force")
	}
}

// thread makes a Lua thread on which a function runs as r. Its cancel must be called.
func (s *state) thread(r *running) (*lua.LState, context.CancelFunc) {
	s.baton.Lock()
	defer s.baton.Unlock()
	thread, cancel := s.L.NewThread()
	thread.SetContext(r)
	return thread, cancel
}

// runAs calls fn, which may block, on a thread of its own. The baton is free.
func (r *running) runAs(fn *lua.LFunction, args ...lua.LValue) *ScriptError {
	thread, cancel := r.s.thread(r)
	defer cancel()
	return r.s.runIn(thread, fn, args...)
}

// run is runAs for a function that nobody waits for: what it raises goes to the log and to the
// record. what tells which function it is.
func (r *running) run(what string, fn *lua.LFunction, args ...lua.LValue) {
	if r.Err() != nil {
		return
	}
	err := r.runAs(fn, args...)
	if err == nil || r.s.engine.ctx.Err() != nil {
		return
	}
	r.log().Error("script: "+err.Message, "in", what, "generation", r.s.gen.id, "traceback", err.Traceback)
	if r.call != nil {
		r.call.c.ScriptError(err.Message, err.Traceback)
	}
}

// service is how functions run that serve a call of the state.
func (s *state) service(o *callObject) *running {
	if o == s.call {
		return s.own
	}
	return &running{Context: s.ctx, s: s, call: o, free: true}
}

func spawnFunction() function {
	return function{name: "spawn", params: []field{{"fn", "fun(...)", "what to run"}, {"...", "any", "its arguments"}}, returns: okOrReason(),
		doc: "Runs fn beside the script, with the same variables: each runs while the others are inside a function that waits. " +
			"It goes on after the call has ended, for as long as it likes. At most 64 functions of spawn, timer.after and originate run beside one script: then nil and a reason.",
		example: "local id = call.id\nspawn(function()\n  http.post(\"https://crm.example/calls\", { json = { id = id } })\nend)", run: spawn}
}

func spawn(s *state, L *lua.LState) int {
	a := args(L, "spawn")
	fn := a.function(1, "fn")
	s.mayBegin(a)
	var rest []lua.LValue
	for i := 2; i <= L.GetTop(); i++ {
		rest = append(rest, L.Get(i))
	}
	if why := s.claim(); why != "" {
		return failed(L, why)
	}
	r := &running{Context: s.ctx, s: s, call: runningIn(L).call, free: true}
	go func() {
		defer s.unclaim()
		r.run("spawn", fn, rest...)
	}()
	return push(L, lua.LTrue)
}

func timerModule() module {
	return module{name: "timer", doc: "Functions that run later.", functions: []function{
		{name: "after", params: []field{{"seconds", "number", "up to a day"}, {"fn", "fun()", "what to run"}}, returns: []field{{"timer", "Timer?", "or nil"}, {"reason", "string?", ""}},
			doc:     "Runs fn later, while the script is inside a function that waits. A timer ends with the call, at most 5 s after its hangup; one set by a function of spawn or originate does not.",
			example: "local warn = timer.after(50, function() call:play(\"tone:beep\") end)\ncall:gather{ max = 16, timeout = 60 }\nwarn:cancel()", run: timerAfter},
	}}
}

func timerClass() class {
	return class{name: "Timer", doc: "What timer.after returns.", methods: []function{
		{name: "cancel", returns: []field{{"cancelled", "boolean", "false when it has run already, or runs"}}, doc: "Keeps the function from running.",
			example: "local t = timer.after(10, function() call:hangup() end)\nt:cancel()", run: timerCancel}}}
}

// timed is a function that runs later.
type timed struct {
	r    *running
	fn   *lua.LFunction
	over atomic.Bool // it has begun, or never will

	mu    sync.Mutex // of what follows
	timer clock.Timer
	quit  func() bool // no longer waits for the end of r
}

func timerAfter(s *state, L *lua.LState) int {
	a := args(L, "timer.after")
	d, fn := a.seconds(1, "seconds"), a.function(2, "fn")
	if d > maxTimer {
		a.fail("seconds must be at most %v", maxTimer.Seconds())
	}
	s.mayBegin(a)
	if why := s.claim(); why != "" {
		return failed(L, why)
	}
	t := &timed{r: runningIn(L), fn: fn}
	if t.r.call == nil { // nothing that it could end with: a question to a script is soon answered
		t.r = &running{Context: s.ctx, s: s, free: true}
	}
	t.mu.Lock()
	t.quit = context.AfterFunc(t.r, func() { t.cancel() })
	t.timer = s.engine.o.Clock.AfterFunc(d, t.fire)
	t.mu.Unlock()
	return push(L, &lua.LUserData{Value: t, Metatable: s.engine.builtin.timer})
}

// fire runs in a goroutine of its own.
func (t *timed) fire() {
	if t.over.Swap(true) {
		return
	}
	defer t.r.s.unclaim()
	t.disarm()
	t.r.run("timer.after", t.fn)
}

func (t *timed) disarm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.quit()
	t.timer.Stop()
}

func (t *timed) cancel() bool {
	if t.over.Swap(true) {
		return false
	}
	t.disarm()
	t.r.s.unclaim()
	return true
}

func timerCancel(_ *state, L *lua.LState) int {
	ud, _ := L.Get(1).(*lua.LUserData)
	if ud != nil {
		if t, ok := ud.Value.(*timed); ok {
			return push(L, lua.LBool(t.cancel()))
		}
	}
	L.RaiseError("timer:cancel: write a colon before the method's name, not a point")
	return 0
}
