package scripting

import (
	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

// headerFunction reads a header of a call's INVITE, or of a leg's answer.
func headerFunction(object string) function {
	return function{name: "header", params: []field{{"name", "string", "upper and lower case are the same"}},
		returns: []field{{"value", "string?", "the first one, or nil"}},
		doc:     "Reads a header.", example: `local ua = ` + object + `:header("User-Agent")`,
		run: func(s *state, L *lua.LState) int {
			a := method(L, object+":header")
			leg, name := a.receiver(), a.str(1, "name")
			v, ok := leg.Header(name)
			if !ok {
				return push(L, lua.LNil)
			}
			return push(L, lua.LString(v))
		}}
}

func headersFunction() function {
	return function{name: "headers", params: []field{{"name", "string", ""}}, returns: []field{{"values", "string[]", "empty when there is none"}},
		doc: "Reads all values of a header of the call's INVITE.", example: `for _, v in ipairs(call:headers("Diversion")) do log.info(v) end`,
		run: func(_ *state, L *lua.LState) int {
			a := method(L, "call:headers")
			values := a.call().Headers(a.str(1, "name"))
			t := newTable(len(values), 0)
			for i, v := range values {
				t.RawSetInt(i+1, lua.LString(v))
			}
			return push(L, t)
		}}
}

// headers reads a table of header fields: a value is text, or a list of them.
func (a arguments) headers(what string, t *lua.LTable) b2bua.Headers {
	var out b2bua.Headers
	for _, name := range sortedKeys(t) {
		v := t.RawGetString(name)
		list, ok := v.(*lua.LTable)
		if !ok {
			list = newTable(1, 0)
			list.RawSetInt(1, v)
		}
		for i := 1; i <= list.Len(); i++ {
			v := list.RawGetInt(i)
			if !lua.LVCanConvToString(v) {
				a.wrong(what+"."+name, "a string or a list of strings", v)
			}
			out = append(out, b2bua.Header{Name: name, Value: v.String()})
		}
	}
	if err := out.Check(); err != nil {
		a.fail("%s: %s", what, err)
	}
	return out
}
