package sim

import lua "github.com/yuin/gopher-lua"

// outside refuses to describe while a spec runs.
func (f *file) outside(L *lua.LState, what string) {
	if f.now != nil {
		L.RaiseError("%s cannot stand inside of it", what)
	}
}

func (f *file) describe(L *lua.LState) int {
	f.outside(L, "describe")
	g := &group{name: L.CheckString(1), parent: f.group}
	fn := L.CheckFunction(2)
	f.group.items = append(f.group.items, item{name: g.name, group: g})
	f.group = g
	L.Push(fn)
	L.Call(0, 0)
	f.group = g.parent
	return 0
}

func (f *file) it(L *lua.LState) int {
	f.outside(L, "it")
	fn := L.CheckFunction(2)
	line := 0
	if fn.Proto != nil {
		line = fn.Proto.LineDefined
	}
	f.group.items = append(f.group.items, item{name: L.CheckString(1), fn: fn, line: line})
	return 0
}

func (f *file) beforeEach(L *lua.LState) int {
	f.outside(L, "before_each")
	f.group.before = append(f.group.before, L.CheckFunction(1))
	return 0
}
