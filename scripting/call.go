package scripting

import (
	"net/netip"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

// callObject is a call as its script sees it.
type callObject struct {
	c     *b2bua.Call
	self  *lua.LUserData
	vars  *lua.LTable
	facts map[string]lua.LValue // from, to and source, made when they are first asked for
	payer *callObject           // who answers for what it dials: itself, or whose script has begun it

	watching *watching // what call:on asked for, or nil
	finished bool      // nothing more may be asked for
}

func newCallObject(c *b2bua.Call, b *builtin) *callObject {
	o := &callObject{c: c, vars: newTable(0, 1), facts: map[string]lua.LValue{}}
	o.self, o.payer = &lua.LUserData{Value: o, Metatable: b.call}, o
	return o
}

// note adds a line to the call's timeline.
func (o *callObject) note(text string) { o.c.Note("script", text) }

func (o *callObject) ended() bool {
	select {
	case <-o.c.Done():
		return true
	default:
		return false
	}
}

// saveVars copies call.vars into the record. What is no data is left out.
func (o *callObject) saveVars(s *state) {
	if k, _ := o.vars.Next(lua.LNil); k == lua.LNil {
		return
	}
	vars := map[string]any{}
	c := copier{left: maxVars}
	o.vars.ForEach(func(k, v lua.LValue) {
		key, ok := tableKey(k)
		if !ok {
			return
		}
		data, err := c.toGo(v, 1)
		if err != nil {
			s.log.Warn("call.vars: left out of the record", "key", key, "err", err)
			o.vars.RawSet(k, lua.LNil)
			return
		}
		vars[key] = data
	})
	o.c.SetVars(vars)
}

// maxVars bounds how many values the record of a call keeps.
const maxVars = 4096

// property is a method, or what get knows by that name; any other name is an error.
type getter func(s *state, object any, name string) (lua.LValue, bool)
type setter func(s *state, object any, name string, v lua.LValue) (ok bool)

// objectMeta makes the metatable of a class.
func objectMeta(c class, get getter, set setter) *lua.LTable {
	methods := map[string]*lua.LFunction{}
	object := lowerFirst(c.name)
	for _, f := range c.methods {
		methods[f.name] = goFunction(f.entry(object + ":" + f.name))
	}
	known := append(c.fieldNames(), c.methodNames()...)
	meta := sealed(goFunction(func(L *lua.LState) int {
		name := L.Get(2).String()
		if m, ok := methods[name]; ok {
			return push(L, m)
		}
		ud, ok := L.Get(1).(*lua.LUserData)
		if ok {
			if v, ok := get(of(L), ud.Value, name); ok {
				return push(L, v)
			}
		}
		L.RaiseError("a %s has no property or method %s%s", object, name, didYouMean(name, known))
		return 0
	}))
	meta.RawSetString("__newindex", goFunction(func(L *lua.LState) int {
		ud, _ := L.Get(1).(*lua.LUserData)
		if name := L.Get(2).String(); !set(of(L), ud.Value, name, L.Get(3)) {
			L.RaiseError("%s.%s cannot be set; keep things of your own in %s.vars", object, name, object)
		}
		return 0
	}))
	meta.RawSetString("__tostring", goFunction(func(L *lua.LState) int { return push(L, lua.LString(object)) }))
	return meta
}

func callProperty(_ *state, object any, name string) (lua.LValue, bool) {
	o, ok := object.(*callObject)
	if !ok {
		return nil, false
	}
	switch name {
	case "id":
		return lua.LString(o.c.ID()), true
	case "number":
		return lua.LString(o.c.Number()), true
	case "user":
		return orNil(o.c.User()), true
	case "trunk":
		return orNil(o.c.Trunk()), true
	case "state":
		return lua.LString(o.c.State()), true
	case "vars":
		return o.vars, true
	case "secret":
		return lua.LBool(o.c.Secret()), true
	}
	if !slices.Contains([]string{"from", "to", "source"}, name) {
		return nil, false
	}
	if _, ok := o.facts[name]; !ok {
		switch name {
		case "from":
			o.facts[name] = addressTable(o.c.From())
		case "to":
			o.facts[name] = addressTable(o.c.To())
		default:
			o.facts[name] = sourceTable(o.c.Source().IP, o.c.Source().Port, o.c.Source().Transport)
		}
	}
	return o.facts[name], true
}

func setCallProperty(_ *state, object any, name string, v lua.LValue) bool {
	o, ok := object.(*callObject)
	t, isTable := v.(*lua.LTable)
	if on, isBool := v.(lua.LBool); ok && name == "secret" && isBool {
		o.c.SetSecret(bool(on))
		return true
	}
	if !ok || name != "vars" || !isTable {
		return false
	}
	o.vars = t
	return true
}

func orNil(s string) lua.LValue {
	if s == "" {
		return lua.LNil
	}
	return lua.LString(s)
}

func addressTable(a b2bua.Address) *lua.LTable {
	t := newTable(0, 4)
	t.RawSetString("user", lua.LString(a.User))
	t.RawSetString("host", lua.LString(a.Host))
	t.RawSetString("display", lua.LString(a.Display))
	t.RawSetString("uri", lua.LString(a.URI))
	return t
}

func sourceTable(ip netip.Addr, port int, transport string) *lua.LTable {
	t := newTable(0, 3)
	t.RawSetString("ip", lua.LString(ip.String()))
	t.RawSetString("port", lua.LNumber(port))
	t.RawSetString("transport", lua.LString(transport))
	return t
}
