package scripting

import (
	"fmt"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

// SetEmergency replaces the numbers that on_dial is not asked about.
func (e *Engine) SetEmergency(numbers []string) {
	numbers = slices.Clone(numbers)
	e.emergency.Store(&numbers)
}

// urgent tells whether a call that somebody has made, or a target that it dials, is one to an
// emergency number.
func (s *state) urgent(o *callObject, target string) bool {
	numbers := s.engine.emergency.Load()
	if numbers == nil {
		return false
	}
	_, number, _ := strings.Cut(target, "/")
	return !o.c.Originated() && slices.Contains(*numbers, o.c.Number()) || slices.Contains(*numbers, number)
}

// screen asks each plugin's on_dial about what the script is about to dial, until one has
// something to say: what it refuses is not called, and what it limits ends in time. An
// error of on_dial is the script's: nobody is called.
func (s *state) screen(a arguments, targets []string, opts *b2bua.DialOptions) {
	plugins, o := s.gen.asks["on_dial"], runningIn(a.L).call
	if len(plugins) == 0 || o == nil {
		return
	}
	o = o.payer
	before := s.busy
	s.busy = "inside on_dial"
	defer func() { s.busy = before }()
	asked := map[string]bool{}
	for _, target := range targets {
		if asked[target] || s.urgent(o, target) {
			continue
		}
		asked[target] = true
		for _, p := range plugins {
			if s.judged(a, o, p, target, opts) {
				break
			}
		}
	}
}

// judged asks one plugin about one target; false when it has nothing to say.
func (s *state) judged(a arguments, o *callObject, p *script, target string, opts *b2bua.DialOptions) bool {
	L := a.L
	handlers, err := s.handlersHeld(L, p)
	if err != nil {
		L.Error(lua.LString(err.Message), 0)
	}
	fn, ok := handlers.RawGetString("on_dial").(*lua.LFunction)
	if !ok {
		return false
	}
	push(L, fn, o.self, lua.LString(target))
	L.Call(2, maxAnswers)
	verdict, code, why := L.Get(-3), L.Get(-2), L.Get(-1)
	L.Pop(maxAnswers)
	switch v := verdict.(type) {
	case *lua.LNilType:
		return false
	case lua.LBool:
		if v {
			return true
		}
		s.refuse(a, p, target, code, why, opts)
		return true
	case *lua.LTable:
		if n, ok := v.RawGetString("max").(lua.LNumber); ok && n > 0 {
			s.limit(target, a.duration("max of on_dial", float64(n)), opts)
			return true
		}
	}
	L.RaiseError("on_dial of %s returned a %s; it returns true, { max = seconds }, or false, a code and a reason", p.name, verdict.Type())
	return true
}

func (s *state) refuse(a arguments, p *script, target string, code, why lua.LValue, opts *b2bua.DialOptions) {
	n, err := refusal("on_dial", code)
	if err != nil {
		a.L.RaiseError("%s", err)
	}
	reason, _ := why.(lua.LString)
	if opts.Each == nil {
		opts.Each = map[string]b2bua.TargetOptions{}
	}
	t := opts.Each[target]
	t.Refused = b2bua.NewFailure(n, string(reason))
	opts.Each[target] = t
	runningIn(a.L).note(fmt.Sprintf("%s refuses to dial %s: %s", p.name, target, t.Refused))
}

// limit ends the bridge in time, also one with a leg that call:dial made.
func (s *state) limit(target string, d time.Duration, opts *b2bua.DialOptions) {
	if opts.Max == 0 || d < opts.Max {
		opts.Max = d
	}
	if s.limits == nil {
		s.limits = map[string]time.Duration{}
	}
	s.limits[target] = d
}

// limitOf shortens a bridge with a leg to what on_dial said when it was dialled.
func (s *state) limitOf(l *b2bua.Leg, opts *b2bua.DialOptions) {
	if d := s.limits[l.Target()]; d > 0 && (opts.Max == 0 || d < opts.Max) {
		opts.Max = d
	}
}
