package scripting

import (
	"math"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// arguments reads what a script passed to one function; each reader raises a Lua error that
// names the function and the argument.
type arguments struct {
	L    *lua.LState
	name string // of the function, as scripts write it: "call:play"
	skip int    // 1 for methods, whose first argument is the object
}

func args(L *lua.LState, name string) arguments   { return arguments{L: L, name: name} }
func method(L *lua.LState, name string) arguments { return arguments{L: L, name: name, skip: 1} }

func (a arguments) at(n int) lua.LValue { return a.L.Get(n + a.skip) }

func (a arguments) fail(format string, values ...any) {
	a.L.RaiseError(a.name+": "+format, values...)
}

func (a arguments) wrong(what, want string, got lua.LValue) {
	a.fail("%s must be %s, got %s", what, want, got.Type())
}

// str reads a string; numbers are taken as Lua does.
func (a arguments) str(n int, what string) string {
	v := a.at(n)
	if !lua.LVCanConvToString(v) {
		a.wrong(what, "a string", v)
	}
	return v.String()
}

func (a arguments) optStr(n int, what, missing string) string {
	if a.at(n) == lua.LNil {
		return missing
	}
	return a.str(n, what)
}

func (a arguments) num(n int, what string) float64 {
	v, ok := a.at(n).(lua.LNumber)
	if !ok {
		a.wrong(what, "a number", a.at(n))
	}
	return float64(v)
}

func (a arguments) optNum(n int, what string, missing float64) float64 {
	if a.at(n) == lua.LNil {
		return missing
	}
	return a.num(n, what)
}

// seconds reads a duration: not negative, and finite.
func (a arguments) seconds(n int, what string) time.Duration {
	return a.duration(what, a.num(n, what))
}

func (a arguments) duration(what string, s float64) time.Duration {
	if math.IsNaN(s) || s < 0 {
		a.fail("%s must be a number of seconds, got %v", what, s)
	}
	return time.Duration(min(s, 100*365*24*3600) * float64(time.Second))
}

func (a arguments) function(n int, what string) *lua.LFunction {
	fn, ok := a.at(n).(*lua.LFunction)
	if !ok {
		a.wrong(what, "a function", a.at(n))
	}
	return fn
}

func (a arguments) table(n int, what string) *lua.LTable {
	t, ok := a.at(n).(*lua.LTable)
	if !ok {
		a.wrong(what, "a table", a.at(n))
	}
	return t
}

// options reads a table of options; keys that c does not know are errors. Without a table
// every option takes its default.
func (a arguments) options(n int, c class) options {
	v := a.at(n)
	if v == lua.LNil {
		return options{a: a, of: c}
	}
	t, ok := v.(*lua.LTable)
	if !ok {
		a.wrong("options", "a table", v)
	}
	return a.optionsOf(t, c)
}

// optionsOf reads a table of options that is part of another.
func (a arguments) optionsOf(t *lua.LTable, c class) options {
	o := options{a: a, of: c, t: t}
	known := c.fieldNames()
	t.ForEach(func(k, _ lua.LValue) {
		if s, ok := k.(lua.LString); !ok || !slices.Contains(known, string(s)) {
			a.fail("unknown option %q%s", k.String(), didYouMean(k.String(), known))
		}
	})
	return o
}

// options is a table of options whose keys have been checked.
type options struct {
	a  arguments
	of class
	t  *lua.LTable
}

func (o options) get(key string) lua.LValue {
	if o.t == nil {
		return lua.LNil
	}
	return o.t.RawGetString(key)
}

func (o options) has(key string) bool { return o.get(key) != lua.LNil }

func (o options) wrong(key, want string) {
	o.a.wrong("option "+key, want, o.get(key))
}

func (o options) str(key, missing string) string {
	v := o.get(key)
	if v == lua.LNil {
		return missing
	}
	if !lua.LVCanConvToString(v) {
		o.wrong(key, "a string")
	}
	return v.String()
}

func (o options) num(key string, missing float64) float64 {
	v := o.get(key)
	if v == lua.LNil {
		return missing
	}
	n, ok := v.(lua.LNumber)
	if !ok {
		o.wrong(key, "a number")
	}
	return float64(n)
}

// integer reads a whole number of at least low.
func (o options) integer(key string, missing, low int) int {
	n := o.num(key, float64(missing))
	if n != math.Trunc(n) || n < float64(low) || n > math.MaxInt32 {
		o.a.fail("option %s must be a whole number of at least %d, got %v", key, low, n)
	}
	return int(n)
}

func (o options) seconds(key string, missing time.Duration) time.Duration {
	if !o.has(key) {
		return missing
	}
	return o.a.duration("option "+key, o.num(key, 0))
}

func (o options) boolean(key string, missing bool) bool {
	v := o.get(key)
	if v == lua.LNil {
		return missing
	}
	b, ok := v.(lua.LBool)
	if !ok {
		o.wrong(key, "true or false")
	}
	return bool(b)
}

func (o options) function(key string) *lua.LFunction {
	v := o.get(key)
	if v == lua.LNil {
		return nil
	}
	fn, ok := v.(*lua.LFunction)
	if !ok {
		o.wrong(key, "a function")
	}
	return fn
}

func (o options) table(key string) *lua.LTable {
	v := o.get(key)
	if v == lua.LNil {
		return nil
	}
	t, ok := v.(*lua.LTable)
	if !ok {
		o.wrong(key, "a table")
	}
	return t
}

// push pushes results and returns how many they are.
func push(L *lua.LState, values ...lua.LValue) int {
	for _, v := range values {
		L.Push(v)
	}
	return len(values)
}

// failed is what a function returns when something went wrong that may well go wrong.
func failed(L *lua.LState, reason string) int {
	return push(L, lua.LNil, lua.LString(reason))
}
