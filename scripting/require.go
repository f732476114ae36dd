package scripting

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// baseRequire runs a module of lib/ once in each state and returns what it returned.
func baseRequire(L *lua.LState) int {
	s, name := of(L), L.CheckString(1)
	if v, ok := s.required[name]; ok {
		if v == nil {
			L.RaiseError("require: %q requires itself", name)
		}
		L.Push(v)
		return 1
	}
	p := s.gen.module(name)
	if p == nil {
		L.RaiseError("require: no module %q in lib/%s", name, didYouMean(name, s.gen.moduleNames()))
	}
	if s.required == nil {
		s.required = map[string]lua.LValue{}
	}
	s.required[name] = nil
	defer func() {
		if s.required[name] == nil { // it raised an error
			delete(s.required, name)
		}
	}()
	before := s.busy
	s.busy = "at the top level of a file"
	defer func() { s.busy = before }()
	L.Push(L.NewFunctionFromProto(p.proto))
	L.Push(lua.LString(name))
	L.Call(1, 1)
	v := L.Get(-1)
	if v == lua.LNil {
		v = lua.LTrue
	}
	s.required[name] = v
	L.Push(v)
	return 1
}

// module finds what require(name) means: "a.b" is lib/a/b.lua or lib/a/b/init.lua.
func (g *generation) module(name string) *script {
	p := "lib/" + strings.ReplaceAll(name, ".", "/")
	if m, ok := g.lib[p+".lua"]; ok {
		return m
	}
	return g.lib[p+"/init.lua"]
}

func (g *generation) moduleNames() []string {
	names := make([]string, 0, len(g.lib))
	for file := range g.lib {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "lib/"), ".lua")
		names = append(names, strings.ReplaceAll(strings.TrimSuffix(name, "/init"), "/", "."))
	}
	return names
}
