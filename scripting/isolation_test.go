package scripting

import (
	"fmt"
	"strings"
	"testing"
)

// What a call's script does to its world, however hard it tries, the next call does not see.
func TestCallsShareNothing(t *testing.T) {
	t.Parallel()
	leaks := []struct{ attack, probe, want string }{
		{"leak = 1", "return leak", "nil"},
		{"_G.leak = 1 rawset(_G, 'leak', 1)", "return leak", "nil"},
		{"upvalue = upvalue + 1 counter.n = counter.n + 1", "return upvalue + counter.n", "0"},
		{"setmetatable(_G, { __index = function() return 1 end })", "return leak", "nil"},
		{"getmetatable('').__index = { leak = 1 }", "return ('x').leak", "nil"},
		{"getmetatable('').leak = 1", "return getmetatable('')", "false"},
		{"debug = nil string.upper = nil rawset(string, 'trim', 1)", "return ('a'):upper() .. type(string.trim)", "Anil"},
		{"function string.leak() return 1 end", "return ('x').leak", "nil"},
		{"setmetatable(string, { __index = function() return error end })", "return ('a'):rep(2)", "aa"},
		{"json.decode = function() return 'mine' end table.insert = nil", "return json.decode('1') .. type(table.insert)", "1function"},
		{"math.random = function() return 7 end math.randomseed(1)", "return math.random(1, 1)", "1"},
		{"pairs = nil type = nil error = nil", "return type(pairs) .. type(error)", "functionfunction"},
		{"require('m').n = 1 require('m').f = nil", "return require('m').n .. type(require('m').f)", "0function"},
		{"setmetatable(require('m'), { __index = function() return 1 end })", "return require('m').leak", "nil"},
		{"package = { loaded = { m = 1 } } require = function() return 1 end", "return require('m').n", "0"},
		{"getmetatable(call).__index = function() return 1 end", "return call.number == 'probe'", "true"},
		{"setmetatable(call, { __index = 1 })", "return call.number == 'probe'", "true"},
		{"call.vars.leak = 1 call.from.leak = 1", "return call.vars.leak or call.from.leak", "nil"},
		{"setfenv(0, { leak = 1 }) setfenv(1, { leak = 1 })", "return leak", "nil"},
		{"setfenv(log.info, { leak = 1 }) getfenv(log.info).leak = 1", "return leak", "nil"},
		{"setfenv(call.answer, { leak = 1 })", "return leak", "nil"},
		{"kept = coroutine.wrap(function() while true do leak = 1 coroutine.yield() end end) kept()", "return leak", "nil"},
		{"local t = json.decode('{}') t.leak = 1 setmetatable(t, { __index = t })", "return json.decode('{}').leak", "nil"},
		{"config.get('list')[1] = 'leak'", "return config.get('list')[1]", "one"},
		{"local t = { n = 1 } shared.set('k', t) t.n = 2", "local t = shared.get('k') t.n = t.n + 1 return shared.get('k').n", "1"},
		{"local f = next for k, v in pairs(_G) do if type(v) == 'table' then for n in f, v do v[n] = nil end setmetatable(v, nil) end end", "return type(table.concat) .. type(log.info)", "functionfunction"},
	}
	var b strings.Builder
	b.WriteString("upvalue, counter = 0, { n = 0 }\nlocal leaks = {\n")
	for _, l := range leaks {
		fmt.Fprintf(&b, "{ attack = function(call) %s end, probe = function(call) %s end },\n", l.attack, l.probe)
	}
	b.WriteString(`}
return { on_load = function() shared.set('k', { n = 1 }) end, on_call = function(call)
	local which = call.number:match("^attack(%d+)$")
	if which then
		leaks[tonumber(which)].attack(call)
		return call:reject(486)
	end
	local results = {}
	for i, leak in ipairs(leaks) do
		local ok, result = pcall(leak.probe, call)
		results[i] = tostring(result)
	end
	log.info(table.concat(results, "\n"))
	call:reject(486)
end }`)
	files := map[string]string{"50-main.lua": b.String(), "lib/m.lua": "return { n = 0, f = function() end }"}
	inWorldOf(t, files, func(w *world) {
		refused := 0
		for i, l := range leaks {
			code := w.refused(fmt.Sprintf("attack%d", i+1))
			if r := w.record(); code == 500 && r.Call.ScriptError != "" {
				refused++
			} else if code != 486 {
				t.Fatalf("%q got %d", l.attack, code)
			}
			if code := w.refused("probe"); code != 486 {
				t.Fatalf("the probe after %q got %d", l.attack, code)
			}
			r := w.record()
			got := strings.Split(says(r), "\n")
			if len(got) != len(leaks) {
				t.Fatalf("%d results of %d probes: %q, %s", len(got), len(leaks), got, r.Call.ScriptError)
			}
			for j, other := range leaks {
				if got[j] != other.want {
					t.Errorf("after %q, %q gave %s; want %s", l.attack, other.probe, got[j], other.want)
				}
			}
		}
		w.t.Logf("%d of %d attempts are errors, the others reach their own call only", refused, len(leaks))
	}, func(o *Options) { o.Settings = map[string]any{"list": []any{"one"}} })
}
