package sim

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/scripting"
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
	L.SetGlobal("describe", L.NewFunction(f.describe))
	L.SetGlobal("it", L.NewFunction(f.it))
	L.SetGlobal("before_each", L.NewFunction(f.beforeEach))
	L.SetGlobal("expect", L.NewFunction(f.expect))
	L.SetGlobal("print", L.NewFunction(f.print))
	L.SetGlobal("sim", L.SetFuncs(L.NewTable(), map[string]lua.LGFunction{
		"call": f.simCall, "at": f.simAt, "pass": f.simPass, "settings": f.simSettings, "register": f.simRegister, "http": f.simHTTP, "db": f.simDB, "scripts": f.simScripts,
	}))
	f.class("call", map[string]lua.LGFunction{
		"hears": f.callHears, "press": f.callPress, "dials": f.callDials, "runs": f.callRuns, "hangup": f.callHangup, "ends": f.callEnds, "transfers": f.callTransfers,
	}, f.callProperty)
	f.class("callee", map[string]lua.LGFunction{"answers": f.calleeAnswers, "fails": f.calleeFails, "hangup": f.calleeHangup, "transfers": f.calleeTransfers, "forwards": f.calleeForwards}, f.calleeProperty)
	f.class("expectation", map[string]lua.LGFunction{"is": expectIs, "is_not": expectIsNot, "contains": expectContains, "matches": expectMatches}, nil)
}

// class makes the metatable of an object.
func (f *file) class(name string, methods map[string]lua.LGFunction, property func(*lua.LState, any, string) (lua.LValue, bool)) {
	L := f.L
	fns := L.SetFuncs(L.NewTable(), methods)
	L.SetField(L.NewTypeMetatable(name), "__index", L.NewFunction(func(L *lua.LState) int {
		key := L.CheckString(2)
		if fn := fns.RawGetString(key); fn != lua.LNil {
			L.Push(fn)
			return 1
		}
		if property != nil {
			if v, ok := property(L, L.CheckUserData(1).Value, key); ok {
				L.Push(v)
				return 1
			}
		}
		L.RaiseError("a %s has no %s", name, key)
		return 0
	}))
}

func (f *file) object(class string, v any) *lua.LUserData {
	ud := f.L.NewUserData()
	ud.Value, ud.Metatable = v, f.L.GetTypeMetatable(class)
	return ud
}

// self is the object that a method was called on.
func self[T any](L *lua.LState) T {
	v, ok := L.CheckUserData(1).Value.(T)
	if !ok {
		L.RaiseError("write a colon before the method's name, not a point")
	}
	return v
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
	fmt.Fprintln(f.out, strings.Join(parts, "\t"))
	return 0
}

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
	f.group.items = append(f.group.items, item{name: L.CheckString(1), fn: L.CheckFunction(2)})
	return 0
}

func (f *file) beforeEach(L *lua.LState) int {
	f.outside(L, "before_each")
	f.group.before = append(f.group.before, L.CheckFunction(1))
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

func (f *file) simCall(L *lua.LState) int {
	t := L.CheckTable(1)
	fields(L, t, "to", "from", "user", "trunk")
	o := callOptions{to: text(L, t, "to"), from: text(L, t, "from"), user: text(L, t, "user"), trunk: text(L, t, "trunk")}
	if o.to == "" {
		L.RaiseError("sim.call: to is missing")
	}
	if o.user != "" && (o.trunk != "" || o.from != "") {
		L.RaiseError("sim.call: a user calls by no trunk, and from the user's own number")
	}
	if o.from == "" {
		o.from = "caller"
	}
	c, err := f.world(L).newCall(o)
	check(L, err)
	L.Push(f.object("call", c))
	return 1
}

// simAt sets the clock of a spec that has not begun, or moves it on.
func (f *file) simAt(L *lua.LState) int {
	zone, err := time.LoadLocation(L.OptString(2, "UTC"))
	check(L, err)
	at, err := time.ParseInLocation("2006-01-02 15:04", L.CheckString(1), zone)
	if err != nil {
		L.RaiseError(`sim.at: a moment is written as "2026-12-24 18:00"`)
	}
	r := f.spec(L)
	if r.world == nil {
		r.options.at = at
		return 0
	}
	d := at.Sub(r.world.clock.Now())
	if d < 0 {
		L.RaiseError("sim.at: it is later than that already")
	}
	check(L, r.world.pass(d))
	return 0
}

func (f *file) simPass(L *lua.LState) int {
	check(L, f.world(L).pass(seconds(L, L.CheckAny(1), 0)))
	return 0
}

func (f *file) simSettings(L *lua.LState) int {
	settings, ok := goValue(L.CheckTable(1)).(map[string]any)
	if !ok {
		L.RaiseError("sim.settings takes a table of names and values")
	}
	r := f.spec(L)
	r.options.scripts.Settings = settings
	if r.world != nil {
		r.world.engine.SetSettings(settings)
	}
	return 0
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

func (f *file) simRegister(L *lua.LState) int {
	_, err := f.world(L).user(L.CheckString(1))
	check(L, err)
	return 0
}

func (f *file) simHTTP(L *lua.LState) int {
	one := &fake{method: strings.ToUpper(L.CheckString(1)), prefix: L.CheckString(2), status: 200, headers: http.Header{}}
	answer := L.OptTable(3, L.NewTable())
	fields(L, answer, "status", "body", "headers")
	if n, ok := answer.RawGetString("status").(lua.LNumber); ok {
		one.status = int(n)
	}
	one.body = text(L, answer, "body")
	if h, ok := answer.RawGetString("headers").(*lua.LTable); ok {
		h.ForEach(func(k, v lua.LValue) { one.headers.Set(k.String(), v.String()) })
	}
	r := f.spec(L)
	r.options.http.add(one)
	// The result is a function: what has been asked so far.
	L.Push(L.NewFunction(func(L *lua.LState) int {
		if r.world != nil {
			check(L, r.world.pass(5*time.Second)) // what clean-up code may take
		}
		list := L.NewTable()
		for _, q := range r.options.http.seen(one) {
			t := L.NewTable()
			t.RawSetString("method", lua.LString(q.method))
			t.RawSetString("url", lua.LString(q.url))
			t.RawSetString("body", lua.LString(q.body))
			list.Append(t)
		}
		L.Push(list)
		return 1
	}))
	return 1
}

// again returns the object, so that calls can be chained.
func again(L *lua.LState) int {
	L.Push(L.Get(1))
	return 1
}

func (f *file) callHears(L *lua.LState) int {
	o := f.spec(L).options.scripts
	check(L, self[*call](L).hears(o.Dir, o.Shipped, L.CheckString(2)))
	return again(L)
}

func (f *file) callPress(L *lua.LState) int {
	self[*call](L).press(L.CheckString(2))
	return again(L)
}

func (f *file) callDials(L *lua.LState) int {
	l, err := self[*call](L).dials(L.CheckString(2))
	check(L, err)
	L.Push(f.object("callee", l))
	return 1
}

func (f *file) callRuns(L *lua.LState) int {
	check(L, self[*call](L).runs(seconds(L, L.CheckAny(2), 0)))
	return again(L)
}

func (f *file) callHangup(L *lua.LState) int {
	check(L, self[*call](L).hangup())
	return again(L)
}

// callEnds waits for the end and, where a code is given, holds it against that.
func (f *file) callEnds(L *lua.LState) int {
	code, err := self[*call](L).ends()
	check(L, err)
	if want := L.OptInt(2, code); want != code {
		L.RaiseError("the call ended with %d, not with %d", code, want)
	}
	return again(L)
}

func (f *file) callProperty(L *lua.LState, object any, key string) (lua.LValue, bool) {
	c := object.(*call)
	switch key {
	case "transferred":
		check(L, c.act())
		code, err := c.caller.report(c.w, c.c)
		check(L, err)
		return lua.LNumber(code), true
	case "code":
		code, err := c.ends()
		check(L, err)
		return lua.LNumber(code), true
	case "cdr":
		rec, err := c.record()
		check(L, err)
		return scripting.RecordTable(&rec.Call), true
	}
	return lua.LNil, false
}

func (f *file) calleeAnswers(L *lua.LState) int {
	t := L.OptTable(2, L.NewTable())
	fields(L, t, "after")
	check(L, self[*callee](L).answers(seconds(L, t.RawGetString("after"), 0)))
	return again(L)
}

// calleeFails takes a code, or the word for what goes wrong.
func (f *file) calleeFails(L *lua.LState) int {
	code := 0
	switch v := L.CheckAny(2).(type) {
	case lua.LNumber:
		code = int(v)
	case lua.LString:
		known := map[string]int{"busy": 486, "declined": 603, "unavailable": 503, "noanswer": 0}
		n, ok := known[string(v)]
		if !ok {
			L.RaiseError("fails: %q is not one of busy, declined, unavailable, noanswer", string(v))
		}
		code = n
	default:
		L.RaiseError("fails takes a code, or busy, declined, unavailable or noanswer")
	}
	if code != 0 && (code < 300 || code > 699) {
		L.RaiseError("fails: %d is not a code from 300 to 699", code)
	}
	t := L.OptTable(3, L.NewTable())
	fields(L, t, "after")
	check(L, self[*callee](L).fails(code, seconds(L, t.RawGetString("after"), 0)))
	return again(L)
}

func (f *file) calleeHangup(L *lua.LState) int {
	check(L, self[*callee](L).hangup())
	return again(L)
}

// callTransfers and calleeTransfers ask for a transfer; transferred tells what came of it.
func (f *file) callTransfers(L *lua.LState) int {
	c, to := self[*call](L), L.CheckString(2)
	c.pending = append(c.pending, func() error { return c.caller.asks(c.w, c.c, to) })
	return again(L)
}

func (f *file) calleeTransfers(L *lua.LState) int {
	l, to := self[*callee](L), L.CheckString(2)
	l.c.pending = append(l.c.pending, func() error { return l.party.asks(l.c.w, l.in, to) })
	return again(L)
}

func (f *file) calleeProperty(L *lua.LState, object any, key string) (lua.LValue, bool) {
	l := object.(*callee)
	switch key {
	case "host":
		return lua.LString(l.in.Invite().Recipient.HostPort()), true
	case "transferred":
	default:
		return lua.LNil, false
	}
	check(L, l.c.act())
	code, err := l.party.report(l.c.w, l.in)
	check(L, err)
	return lua.LNumber(code), true
}

// calleeForwards answers with a redirection.
func (f *file) calleeForwards(L *lua.LState) int {
	check(L, self[*callee](L).forwards(L.CheckString(2)))
	return again(L)
}

// expectation is a value that a spec looks at.
type expectation struct{ got lua.LValue }

func (f *file) expect(L *lua.LState) int {
	L.Push(f.object("expectation", expectation{L.Get(1)}))
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
	e, part := self[expectation](L), L.CheckString(2)
	if !strings.Contains(e.got.String(), part) {
		L.RaiseError("expected something that contains %q, got %s", part, show(e.got))
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

// same compares tables by what is in them.
func same(a, b lua.LValue) bool {
	ta, isTable := a.(*lua.LTable)
	tb, both := b.(*lua.LTable)
	if isTable && both {
		return reflect.DeepEqual(goValue(ta), goValue(tb))
	}
	return a == b
}

func show(v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return fmt.Sprintf("%q", string(v))
	case *lua.LTable:
		return fmt.Sprint(goValue(v))
	}
	return v.String()
}
