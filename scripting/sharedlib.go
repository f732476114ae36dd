package scripting

import (
	lua "github.com/yuin/gopher-lua"
)

// maxUpdateTries bounds how often update runs its function when others write the same key.
const maxUpdateTries = 1000

var sharedOptions = class{
	name: "SharedOptions",
	doc:  "How long a shared value lives.",
	fields: []field{
		{"ttl?", "number", "seconds until it is gone; for ever by default"},
		{"persist?", "boolean", "keep it over a restart; of 65,536 keys at most. It is on disk about a second later"},
	},
}

func sharedValuesModule() module {
	key := field{"key", "string", ""}
	opts := field{"options?", "SharedOptions", ""}
	return module{
		name: "shared",
		doc:  "Values that all calls share: strings, numbers, booleans and tables of them. Reading gives a copy.",
		functions: []function{
			{name: "get", params: []field{key}, returns: []field{{"value", "any", "nil when it is not set or has expired"}},
				doc: "Reads a value.", example: `local closed = shared.get("closed")`, run: sharedGet},
			{name: "set", params: []field{key, {"value", "any", "nil removes it"}, opts}, returns: okOrReason(),
				doc: "Stores a value.", example: `shared.set("last:" .. call.from.user, call.number, { ttl = 3600 })`, run: sharedSet},
			{name: "incr", params: []field{key, {"by?", "number", "1 by default"}, opts}, returns: []field{{"value", "number", "the new value"}},
				doc:     "Adds to a number in one step, from 0 when it is not set. With a ttl it starts anew; without, the number keeps its own.",
				example: `if shared.incr("calls:" .. call.from.user, 1, { ttl = 60 }) > 10 then return call:reject(486) end`, run: sharedIncr},
			{name: "delete", params: []field{key}, doc: "Removes a value.", example: `shared.delete("closed")`, run: sharedDelete},
			{name: "update", params: []field{key, {"fn", "fun(value: any): any", "gets the value, returns the new one; must not wait"}, opts},
				returns: []field{{"value", "any", "the new value"}},
				doc:     "Changes a value in one step. When another call writes it meanwhile, fn runs again with what that wrote. An error in fn leaves it as it was. Without a ttl it keeps its own.",
				example: "shared.update(\"agents\", function(list)\n  list = list or {}\n  list[#list + 1] = call.from.user\n  return list\nend)", run: sharedUpdate},
		},
	}
}

func lifeOf(a arguments, n int) life {
	o := a.options(n, sharedOptions)
	return life{ttl: o.seconds("ttl", 0), keep: o.boolean("persist", false)}
}

// sharable copies a value for all calls.
func sharable(a arguments, v lua.LValue) any {
	data, err := toGo(v)
	if err != nil {
		a.fail("the value cannot be shared: %s", err)
	}
	if weight(data) > maxSharedValue {
		a.fail("the value is too large: over %d KB", maxSharedValue>>10)
	}
	return data
}

// weight is roughly how many bytes plain data takes.
func weight(v any) int {
	n := 16
	switch v := v.(type) {
	case string:
		n += len(v)
	case []any:
		for _, item := range v {
			n += weight(item)
		}
	case map[string]any:
		for k, item := range v {
			n += len(k) + 16 + weight(item)
		}
	}
	return n
}

const maxSharedKey = 1 << 10

func sharedKey(a arguments) string {
	key := a.str(1, "key")
	if len(key) > maxSharedKey {
		a.fail("key has over %d bytes", maxSharedKey)
	}
	return key
}

func sharedGet(s *state, L *lua.LState) int {
	v, _ := s.engine.shared.get(sharedKey(args(L, "shared.get")))
	return push(L, fromGo(v.v))
}

func sharedSet(s *state, L *lua.LState) int {
	a := args(L, "shared.set")
	key, v := sharedKey(a), sharable(a, L.Get(2))
	if err := s.engine.shared.set(key, v, lifeOf(a, 3)); err != nil {
		return failed(L, err.Error())
	}
	return push(L, lua.LTrue)
}

func sharedIncr(s *state, L *lua.LState) int {
	a := args(L, "shared.incr")
	key, by := sharedKey(a), a.optNum(2, "by", 1)
	n, err := s.engine.shared.incr(key, by, lifeOf(a, 3))
	if err == errSharedFull {
		return failed(L, err.Error())
	} else if err != nil {
		a.fail("%q is %s", key, err)
	}
	return push(L, lua.LNumber(n))
}

func sharedDelete(s *state, L *lua.LState) int {
	key := sharedKey(args(L, "shared.delete"))
	return pushError(L, s.engine.shared.set(key, nil, life{}))
}

func pushError(L *lua.LState, err error) int {
	if err != nil {
		return failed(L, err.Error())
	}
	return push(L, lua.LTrue)
}

func sharedUpdate(s *state, L *lua.LState) int {
	a := args(L, "shared.update")
	key, fn, l := sharedKey(a), a.function(2, "fn"), lifeOf(a, 3)
	before := s.busy
	s.busy = "inside shared.update"
	defer func() { s.busy = before }()
	for range maxUpdateTries {
		old, _ := s.engine.shared.get(key)
		L.Push(fn)
		L.Push(fromGo(old.v))
		L.Call(1, 1)
		v := L.Get(-1)
		L.Pop(1)
		swapped, err := s.engine.shared.swap(key, old, sharable(a, v), l)
		if err != nil {
			return failed(L, err.Error())
		}
		if swapped {
			return push(L, v)
		}
	}
	a.fail("%q is written by others all the time", key)
	return 0
}
