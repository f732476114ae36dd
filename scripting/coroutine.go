package scripting

import lua "github.com/yuin/gopher-lua"

// maxCoroutineDepth bounds how deep coroutines resume each other: each takes Go stack.
const maxCoroutineDepth = 64

func coroutineFunctions(L *lua.LState) map[string]lua.LValue {
	fns := pick(L, "coroutine", "create", "running", "status", "yield")
	resume := L.GetGlobal("coroutine").(*lua.LTable).RawGetString("resume").(*lua.LFunction).GFunction
	create := fns["create"].(*lua.LFunction).GFunction
	fns["resume"] = goFunction(func(L *lua.LState) int { return resumeDeep(L, resume) })
	fns["wrap"] = goFunction(func(L *lua.LState) int { return wrap(L, create, resume) })
	return fns
}

func resumeDeep(L *lua.LState, resume lua.LGFunction) int {
	s := of(L)
	if s.coroutine >= maxCoroutineDepth {
		L.RaiseError("coroutines are nested too deep (%d)", maxCoroutineDepth)
	}
	s.coroutine++
	defer func() { s.coroutine-- }()
	return resume(L)
}

// wrap makes a function that resumes a coroutine and raises its errors.
func wrap(L *lua.LState, create, resume lua.LGFunction) int {
	create(L)
	thread := L.Get(-1)
	L.Push(L.NewFunction(func(L *lua.LState) int {
		L.Insert(thread, 1)
		n := resumeDeep(L, resume)
		if lua.LVAsBool(L.Get(-n)) {
			return n - 1
		}
		L.Error(L.Get(-1), 0)
		return 0
	}))
	return 1
}
