package scripting

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// api is all that scripts may call. The Lua states, the linter, the definitions for editors
// and the reference page come from it, so they cannot drift apart.
type api struct {
	globals []function
	modules []module
	classes []class
	aliases []alias
}

// module is a global table of functions.
type module struct {
	name      string
	doc       string
	functions []function
}

// class is an object with methods, or a table of options with fields only.
type class struct {
	name    string
	doc     string
	fields  []field
	methods []function
	index   string // what other keys than the fields are, as LuaCATS writes it; "": there are none
}

// alias names a type made of others.
type alias struct{ name, typ, doc string }

// field is a parameter, a result, a property or an option. typ is written as LuaCATS does;
// a name that ends in "?" may be left out.
type field struct{ name, typ, doc string }

// function is one that scripts call. Without run it is part of the contract, but not built yet.
type function struct {
	name    string
	params  []field
	returns []field
	doc     string
	example string
	run     func(s *state, L *lua.LState) int
}

// optional tells whether a field may be left out, and its bare name.
func (f field) optional() (name string, ok bool) { return strings.CutSuffix(f.name, "?") }

// entry is the function as Lua calls it; name is how errors call it.
func (f function) entry(name string) lua.LGFunction {
	if f.run == nil {
		return func(L *lua.LState) int {
			L.RaiseError("%s is not built yet", name)
			return 0
		}
	}
	return func(L *lua.LState) int { return guarded(L, name, f.run) }
}

func newAPI() *api {
	return &api{globals: globalFunctions(), modules: modules(), classes: classes(), aliases: aliases()}
}

func (a *api) class(name string) class {
	for _, c := range a.classes {
		if c.name == name {
			return c
		}
	}
	return class{name: name}
}

func (a *api) module(name string) (module, bool) {
	for _, m := range a.modules {
		if m.name == name {
			return m, true
		}
	}
	return module{}, false
}

func (c class) fieldNames() []string  { return names(c.fields) }
func (c class) methodNames() []string { return functionNames(c.methods) }

func names(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i], _ = f.optional()
	}
	return out
}

func functionNames(fns []function) []string {
	out := make([]string, len(fns))
	for i, f := range fns {
		out[i] = f.name
	}
	return out
}
