package scripting

import (
	"math"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// boundTables keeps gopher-lua from taking t[60000000] = 1 as an array of a gigabyte: indexes
// over a million go to a hash. It is set once, before the first state is made.
var boundTables = sync.OnceFunc(func() { lua.MaxArrayIndex = 1 << 20 })

// builtin is what every state offers to scripts, made once: functions without state of
// their own are shared by all states, and a state's tables only refer to them.
type builtin struct {
	globals map[string]lua.LValue
	modules []sharedModule
	call    *lua.LTable // metatables of the objects
	leg     *lua.LTable

	database, transaction *lua.LTable
	timer                 *lua.LTable
}

// sharedModule is a table whose entries come from a metatable that scripts cannot reach: a
// script may add to or replace its own state's table, and nobody else's.
type sharedModule struct {
	name string
	meta *lua.LTable
}

func newBuiltin(a *api) *builtin {
	boundTables()
	b := &builtin{globals: map[string]lua.LValue{}}
	template := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer template.Close()
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenMath, lua.OpenCoroutine} {
		template.Push(template.NewFunction(open))
		template.Call(0, 0)
	}
	for _, name := range []string{"assert", "error", "getfenv", "getmetatable", "next", "pcall", "rawequal", "rawget", "rawset",
		"select", "setfenv", "setmetatable", "tostring", "type", "unpack", "xpcall"} {
		b.globals[name] = template.GetGlobal(name)
	}
	b.globals["_VERSION"] = lua.LString(lua.LuaVersion)
	for name, fn := range baseFunctions() {
		b.globals[name] = goFunction(fn)
	}
	for _, f := range a.globals {
		b.globals[f.name] = goFunction(f.entry(f.name))
	}
	table := pick(template, "table", "getn", "insert", "maxn", "remove", "sort")
	table["concat"] = goFunction(tableConcat)
	b.add("table", table)
	b.add("math", mathFunctions(template))
	b.add("string", functions(stringFunctions()))
	b.add("coroutine", coroutineFunctions(template))
	b.add("os", functions(osFunctions()))
	for _, m := range a.modules {
		fns := map[string]lua.LValue{}
		for _, f := range m.functions {
			fns[f.name] = goFunction(f.entry(m.name + "." + f.name))
		}
		b.add(m.name, fns)
	}
	b.call = objectMeta(a.class("Call"), callProperty, setCallProperty)
	b.leg = objectMeta(a.class("Leg"), legProperty, setLegProperty)
	b.database = objectMeta(a.class("Database"), noProperty, noSetting)
	b.transaction = objectMeta(a.class("Transaction"), noProperty, noSetting)
	b.timer = objectMeta(a.class("Timer"), noProperty, noSetting)
	return b
}

// noProperty and noSetting are of objects that have methods only.
func noProperty(*state, any, string) (lua.LValue, bool)   { return nil, false }
func noSetting(*state, any, string, lua.LValue) (ok bool) { return false }

// add makes a module of functions.
func (b *builtin) add(name string, entries map[string]lua.LValue) {
	index := &lua.LTable{Metatable: lua.LNil}
	for k, v := range entries {
		index.RawSetString(k, v)
	}
	b.modules = append(b.modules, sharedModule{name, sealed(index)})
}

// sealed is a metatable that leads to index and that scripts can neither see nor replace.
func sealed(index lua.LValue) *lua.LTable {
	meta := &lua.LTable{Metatable: lua.LNil}
	meta.RawSetString("__index", index)
	meta.RawSetString("__metatable", lua.LFalse)
	return meta
}

// open fills a new state.
func (b *builtin) open(L *lua.LState) {
	g := L.G.Global
	for name, v := range b.globals {
		g.RawSetString(name, v)
	}
	g.RawSetString("_G", g)
	for _, m := range b.modules {
		t := &lua.LTable{Metatable: m.meta}
		g.RawSetString(m.name, t)
		if m.name == "string" {
			L.SetMetatable(lua.LString(""), sealed(t))
		}
	}
}

func goFunction(fn lua.LGFunction) *lua.LFunction {
	return &lua.LFunction{IsG: true, GFunction: fn}
}

func functions(fns map[string]lua.LGFunction) map[string]lua.LValue {
	out := make(map[string]lua.LValue, len(fns))
	for name, fn := range fns {
		out[name] = goFunction(fn)
	}
	return out
}

// pick takes the named functions of a library of gopher-lua.
func pick(L *lua.LState, lib string, names ...string) map[string]lua.LValue {
	t := L.GetGlobal(lib).(*lua.LTable)
	out := map[string]lua.LValue{}
	for _, name := range names {
		out[name] = t.RawGetString(name)
	}
	return out
}

func mathFunctions(L *lua.LState) map[string]lua.LValue {
	fns := pick(L, "math", "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor", "fmod", "frexp",
		"ldexp", "log", "log10", "max", "min", "mod", "modf", "pow", "rad", "sin", "sinh", "sqrt", "tan", "tanh")
	fns["pi"] = lua.LNumber(math.Pi)
	fns["huge"] = lua.LNumber(math.Inf(1))
	fns["random"] = goFunction(mathRandom)
	fns["randomseed"] = goFunction(mathRandomSeed)
	return fns
}
