package sim

import (
	"reflect"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// expectation is a value that a spec looks at.
type expectation struct{ got lua.LValue }

func (f *file) expect(L *lua.LState) int {
	L.Push(f.object("Expectation", expectation{L.Get(1)}))
	return 1
}

func expectIs(L *lua.LState) int {
	e, want := self[expectation](L), L.Get(2)
	if !same(e.got, want) {
		L.RaiseError("expected %s, got %s", show(want), show(e.got))
	}
	return again(L)
}

func expectIsNot(L *lua.LState) int {
	if e, other := self[expectation](L), L.Get(2); same(e.got, other) {
		L.RaiseError("expected anything but %s", show(other))
	}
	return again(L)
}

func expectContains(L *lua.LState) int {
	e, part := self[expectation](L), L.CheckAny(2)
	if list, ok := e.got.(*lua.LTable); ok {
		found := false
		list.ForEach(func(_, v lua.LValue) { found = found || same(v, part) })
		if !found {
			L.RaiseError("expected a list that contains %s, got %s", show(part), show(list))
		}
	} else if !strings.Contains(e.got.String(), part.String()) {
		L.RaiseError("expected something that contains %s, got %s", show(part), show(e.got))
	}
	return again(L)
}

func expectMatches(L *lua.LState) int {
	e, pattern := self[expectation](L), L.CheckString(2)
	L.Push(L.GetField(L.GetGlobal("string"), "find"))
	L.Push(lua.LString(e.got.String()))
	L.Push(lua.LString(pattern))
	L.Call(2, 1)
	if found := L.Get(-1); found == lua.LNil {
		L.RaiseError("expected something that matches %q, got %s", pattern, show(e.got))
	}
	L.Pop(1)
	return again(L)
}

func expectAtLeast(L *lua.LState) int {
	e, least := self[expectation](L), L.CheckNumber(2)
	if n, ok := e.got.(lua.LNumber); !ok || n < least {
		L.RaiseError("expected at least %s, got %s", least, show(e.got))
	}
	return again(L)
}

func expectAtMost(L *lua.LState) int {
	e, most := self[expectation](L), L.CheckNumber(2)
	if n, ok := e.got.(lua.LNumber); !ok || n > most {
		L.RaiseError("expected at most %s, got %s", most, show(e.got))
	}
	return again(L)
}

// same compares tables by what is in them.
func same(a, b lua.LValue) bool {
	ta, isTable := a.(*lua.LTable)
	tb, both := b.(*lua.LTable)
	if isTable && both {
		return reflect.DeepEqual(goValue(ta), goValue(tb))
	}
	return a == b
}
