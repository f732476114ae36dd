package scripting

import (
	"context"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

// legObject is a leg that a script has dialled.
type legObject struct {
	leg  *b2bua.Leg
	vars *lua.LTable
}

// legValue is a leg as the script sees it: the same object each time.
func (s *state) legValue(l *b2bua.Leg) *lua.LUserData {
	if ud, ok := s.legs[l]; ok {
		return ud
	}
	if s.legs == nil {
		s.legs = map[*b2bua.Leg]*lua.LUserData{}
	}
	ud := &lua.LUserData{Value: &legObject{leg: l, vars: newTable(0, 1)}, Metatable: s.engine.builtin.leg}
	s.legs[l] = ud
	return ud
}

func legProperty(_ *state, object any, name string) (lua.LValue, bool) {
	o, ok := object.(*legObject)
	if !ok {
		return nil, false
	}
	switch name {
	case "vars":
		return o.vars, true
	case "target":
		return lua.LString(o.leg.Target()), true
	}
	return nil, false
}

func setLegProperty(_ *state, object any, name string, v lua.LValue) bool {
	o, ok := object.(*legObject)
	t, isTable := v.(*lua.LTable)
	if !ok || name != "vars" || !isTable {
		return false
	}
	o.vars = t
	return true
}

// receiver is the leg that a method was called on: the caller's for a call.
func (a arguments) receiver() *b2bua.Leg {
	if ud, ok := a.L.Get(1).(*lua.LUserData); ok {
		switch o := ud.Value.(type) {
		case *callObject:
			return o.c.Leg()
		case *legObject:
			return o.leg
		}
	}
	a.fail("write a colon before the method's name, not a point")
	return nil
}

// call is the call that a method was called on.
func (a arguments) call() *b2bua.Call {
	if ud, ok := a.L.Get(1).(*lua.LUserData); ok {
		if o, ok := ud.Value.(*callObject); ok {
			return o.c
		}
	}
	a.fail("write a colon before the method's name, not a point")
	return nil
}

func legHangup() function {
	return function{name: "hangup", returns: okOrReason(), doc: "Ends the leg.",
		example: `if leg:gather{ prompt = "press-1-to-take-it" } ~= "1" then leg:hangup() end`,
		run: func(s *state, L *lua.LState) int {
			a := method(L, "leg:hangup")
			leg := a.receiver()
			var err error
			s.block(L, a.name, func(ctx context.Context) { err = leg.Hangup(ctx) })
			return a.done(err)
		}}
}
