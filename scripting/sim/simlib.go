package sim

import (
	"net/http"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

func (f *file) simCall(L *lua.LState) int {
	t := L.CheckTable(1)
	fields(L, t, "to", "from", "user", "trunk", "display", "headers")
	o := callOptions{to: text(L, t, "to"), from: text(L, t, "from"), user: text(L, t, "user"), trunk: text(L, t, "trunk"),
		display: text(L, t, "display"), headers: pairs(L, t, "headers")}
	if o.to == "" {
		L.RaiseError("sim.call: to is missing")
	}
	if o.user != "" && (o.trunk != "" || o.from != "" || o.display != "") {
		L.RaiseError("sim.call: a user calls by no trunk, and from the user's own number and name")
	}
	if o.from == "" {
		o.from = "caller"
	}
	c, err := f.world(L).newCall(o)
	check(L, err)
	L.Push(f.object("SimCall", c))
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

func (f *file) simNow(L *lua.LState) int {
	r := f.spec(L)
	L.Push(lua.LNumber(float64(r.now().UnixMilli()) / 1000))
	return 1
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

func (f *file) simRegister(L *lua.LState) int {
	w := f.world(L)
	p, err := w.user(L.CheckString(1))
	check(L, err)
	L.Push(f.object("SimPhone", &registered{w, p}))
	return 1
}

// registered is a phone that a spec has named.
type registered struct {
	w *world
	p *party
}

func (f *file) phoneUnregister(L *lua.LState) int {
	r := self[*registered](L)
	check(L, r.w.run(registerLimit, func() error { return r.p.phone.Unregister(r.w.ctx) }))
	return 0
}

func (f *file) simVanish(L *lua.LState) int {
	w := f.world(L)
	p, err := w.party(L.CheckString(1))
	check(L, err)
	check(L, w.vanish(p))
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
	for name, value := range pairs(L, answer, "headers") {
		one.headers.Set(name, value)
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
