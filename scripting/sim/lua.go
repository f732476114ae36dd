package sim

import (
	"fmt"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// open gives a spec what it may use: Lua's own libraries without files and processes, and
// describe, it, before_each, expect and sim.
func (f *file) open() {
	L := f.L
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenString, lua.OpenMath} {
		L.Push(L.NewFunction(open))
		L.Call(0, 0)
	}
	for _, name := range []string{"dofile", "loadfile", "load", "module", "require", "newproxy", "collectgarbage"} {
		L.SetGlobal(name, lua.LNil)
	}
	for _, fn := range f.globals() {
		L.SetGlobal(fn.name, L.NewFunction(fn.run))
	}
	L.SetGlobal("print", L.NewFunction(f.print))
	sim, names := L.NewTable(), []string{}
	for _, fn := range f.simFunctions() {
		sim.RawSetString(fn.name, L.NewFunction(f.step("sim."+fn.name, fn.run)))
		names = append(names, fn.name)
	}
	meta := L.NewTable()
	meta.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		unknown(L, "sim", L.Get(2).String(), names)
		return 0
	}))
	sim.Metatable = meta
	L.SetGlobal("sim", sim)
	for _, o := range f.objects() {
		f.class(o)
	}
}

// class makes the metatable of an object.
func (f *file) class(o object) {
	L := f.L
	fns := map[string]*lua.LFunction{}
	for _, fn := range o.functions {
		if run := fn.run; o.called == "expectation" {
			fns[fn.name] = L.NewFunction(run)
		} else {
			fns[fn.name] = L.NewFunction(f.step(o.called+":"+fn.name, run))
		}
	}
	properties := map[string]property{}
	for _, p := range o.properties {
		properties[p.name] = p
	}
	meta := L.NewTypeMetatable(o.name)
	L.SetField(meta, "__index", L.NewFunction(func(L *lua.LState) int {
		key := L.Get(2).String()
		if fn := fns[key]; fn != nil {
			L.Push(fn)
			return 1
		}
		p, ok := properties[key]
		if !ok {
			unknown(L, "a "+o.called, key, o.names())
		}
		f.waiting()
		v := p.get(L, L.CheckUserData(1).Value)
		f.thinking()
		L.Push(v)
		return 1
	}))
	L.SetField(meta, "__newindex", L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("%s of a %s cannot be set", L.Get(2), o.called)
		return 0
	}))
}

// step notes what the spec does, for the timeline of one that fails. The time it takes does
// not count as the spec's own.
func (f *file) step(name string, run lua.LGFunction) lua.LGFunction {
	return func(L *lua.LState) int {
		if f.now != nil {
			f.now.did(strings.TrimSuffix(L.Where(1), ":"), name, arguments(L, strings.Contains(name, ":")))
		}
		f.waiting()
		n := run(L)
		f.thinking()
		return n
	}
}

// arguments shows what a function was called with.
func arguments(L *lua.LState, method bool) string {
	first := 1
	if method {
		first = 2
	}
	var shown []string
	for i := first; i <= L.GetTop(); i++ {
		shown = append(shown, show(L.Get(i)))
	}
	text := strings.Join(shown, ", ")
	if len(text) > 120 {
		text = strings.ToValidUTF8(text[:120], "") + "…"
	}
	return "(" + text + ")"
}

func (f *file) object(class string, v any) *lua.LUserData {
	ud := f.L.NewUserData()
	ud.Value, ud.Metatable = v, f.L.GetTypeMetatable(class)
	return ud
}

// self is the object that a method was called on.
func self[T any](L *lua.LState) T {
	if ud, ok := L.Get(1).(*lua.LUserData); ok {
		if v, ok := ud.Value.(T); ok {
			return v
		}
	}
	L.RaiseError("write a colon before the method's name, not a point")
	panic("unreachable")
}

// check raises an error of Go's where the spec called us.
func check(L *lua.LState, err error) {
	if err != nil {
		L.RaiseError("%s", err.Error())
	}
}

func (f *file) print(L *lua.LState) int {
	parts := make([]string, L.GetTop())
	for i := range parts {
		parts[i] = L.ToStringMeta(L.Get(i + 1)).String()
	}
	f.report.printed(strings.Join(parts, "\t"))
	return 0
}

// spec is the one that runs.
func (f *file) spec(L *lua.LState) *running {
	if f.now == nil {
		L.RaiseError("sim is for use inside of it and before_each")
	}
	return f.now
}

func (f *file) world(L *lua.LState) *world {
	w, err := f.spec(L).start()
	check(L, err)
	return w
}

// fields reads a table whose keys must be known.
func fields(L *lua.LState, t *lua.LTable, known ...string) {
	t.ForEach(func(k, _ lua.LValue) {
		for _, name := range known {
			if k == lua.LString(name) {
				return
			}
		}
		L.RaiseError("unknown option %q; there are %s", k.String(), strings.Join(known, ", "))
	})
}

func text(L *lua.LState, t *lua.LTable, key string) string {
	v := t.RawGetString(key)
	if v == lua.LNil {
		return ""
	}
	if !lua.LVCanConvToString(v) {
		L.RaiseError("option %s must be a string, got a %s", key, v.Type())
	}
	return v.String()
}

// texts are a list, or a single one; numbers count as their digits.
func texts(L *lua.LState, n int) []string {
	v := L.CheckAny(n)
	if t, ok := v.(*lua.LTable); ok {
		var all []string
		for i := 1; i <= t.Len(); i++ {
			all = append(all, t.RawGetInt(i).String())
		}
		return all
	}
	if !lua.LVCanConvToString(v) {
		L.ArgError(n, "a sound is a string or a list of them, got a "+v.Type().String())
	}
	return []string{v.String()}
}

// pairs are a table of names and values.
func pairs(L *lua.LState, t *lua.LTable, key string) map[string]string {
	v := t.RawGetString(key)
	if v == lua.LNil {
		return nil
	}
	list, ok := v.(*lua.LTable)
	if !ok {
		L.RaiseError("option %s must be a table, got a %s", key, v.Type())
	}
	all := map[string]string{}
	list.ForEach(func(k, item lua.LValue) { all[k.String()] = item.String() })
	return all
}

func seconds(L *lua.LState, v lua.LValue, missing time.Duration) time.Duration {
	if v == lua.LNil {
		return missing
	}
	n, ok := v.(lua.LNumber)
	if !ok || n < 0 || n > 366*24*3600 {
		L.RaiseError("%s is not a number of seconds", v)
	}
	return time.Duration(float64(n) * float64(time.Second))
}

// again returns the object, so that calls can be chained.
func again(L *lua.LState) int {
	L.Push(L.Get(1))
	return 1
}

// goValue is a table of settings as the configuration would give it.
func goValue(v lua.LValue) any {
	switch v := v.(type) {
	case lua.LBool:
		return bool(v)
	case lua.LNumber:
		return float64(v)
	case *lua.LTable:
		if n := v.Len(); n > 0 {
			list := make([]any, n)
			for i := range list {
				list[i] = goValue(v.RawGetInt(i + 1))
			}
			return list
		}
		m := map[string]any{}
		v.ForEach(func(k, item lua.LValue) { m[k.String()] = goValue(item) })
		return m
	}
	return v.String()
}

// show writes a value as Lua would have it.
func show(v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return fmt.Sprintf("%q", string(v))
	case *lua.LTable:
		return showTable(v, 3)
	case *lua.LFunction:
		return "function"
	}
	return v.String()
}

func showTable(t *lua.LTable, depth int) string {
	if depth == 0 {
		return "{…}"
	}
	nested := func(v lua.LValue) string {
		if inner, ok := v.(*lua.LTable); ok {
			return showTable(inner, depth-1)
		}
		return show(v)
	}
	var parts []string
	n := t.Len()
	t.ForEach(func(k, v lua.LValue) {
		switch key := k.(type) {
		case lua.LNumber:
			if i := int(key); i >= 1 && i <= n && lua.LNumber(i) == key {
				parts = append(parts, nested(v))
				return
			}
			parts = append(parts, "["+key.String()+"] = "+nested(v))
		default:
			parts = append(parts, key.String()+" = "+nested(v))
		}
	})
	if len(parts) == 0 {
		return "{}"
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}
