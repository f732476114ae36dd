package scripting

import (
	"strings"
	"testing"
)

func TestLint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string // "line: message"
	}{
		{"undefined global", "return { on_call = function(call)\n  lgo.info('x')\n  undefined_thing()\nend }",
			[]string{"2: undefined global lgo (did you mean log?)", "3: undefined global undefined_thing"}},
		{"a global of the other file", "helper()\nreturn { on_call = function() other_global() end }", nil},
		{"assigned globals", "counter = 0\nfunction inc() counter = counter + 1 end\nreturn { on_call = inc }", nil},
		{"module function", "log.inof('x')\nlog.info('x')", []string{"1: log has no function inof (did you mean info?)"}},
		{"a module's own addition", "function string.trim(s) return s end\nfunction log.mine() end\nlog.mine()\nreturn string.trim('x')", nil},
		{"shadowed module", "local log = { inof = function() end }\nlog.inof()\nlog.other()", nil},
		{"method", "return { on_call = function(call)\n call:anser()\n call.answer()\n call:answer() end }",
			[]string{"2: a Call has no method anser (did you mean answer?)", "3: answer is a method: write call:answer(…)"}},
		{"property", "return { on_call = function(call)\n if call.numbr == '1' then return call.vars.anything end end }",
			[]string{"2: a Call has no property numbr (did you mean number?)"}},
		{"not a call any more", "return { on_call = function(call)\n local call = {}\n call.x() call:y() end }", nil},
		{"leg", "return { on_call = function(call)\n local leg = call:dial('user:1')\n leg:plya('hello')\n leg:answer() end }",
			[]string{"3: a Leg has no method plya (did you mean play?)", "4: a Leg has no method answer"}},
		{"options", "return { on_call = function(call)\n call:gather{ promt = 'hello', max = 'four', min = 1 }\n call:bridge('user:1', {\n   timout = 5 })\nend }",
			[]string{"2: gather: unknown option promt (did you mean prompt?)", "2: gather: option max must be integer, got a string", "4: bridge: unknown option timout (did you mean timeout?)"}},
		{"menu keys are free", "return { on_call = function(call)\n call:menu{ prompt = 'hello', ['1'] = 'user:1', [2] = function() end } end }", nil},
		{"literals", "return { on_call = function(call)\n call:play(true)\n call:reject('486') call:reject(486)\n call:sleep(function() end)\n shared.set('k', 1, { ttl = 'x' }) end }",
			[]string{"2: play: source must be Source, got a boolean", "3: reject: code must be integer, got a string",
				"4: sleep: seconds must be number, got a function", "5: set: option ttl must be number, got a string"}},
		{"prompts", "return { on_call = function(call)\n call:play('helo') call:play('hello') call:play('tone:busy') call:play('notes/x')\n call:gather{ prompt = { 'hello', 'hallo' } } end }",
			[]string{"2: no prompt helo in prompts/ (did you mean hello?)", "3: no prompt hallo in prompts/ (did you mean hello?)"}},
		{"require", "local a = require 'there'\nlocal b = require('thare')", []string{"2: no module thare in lib/ (did you mean there?)"}},
		{"scopes", `local x = 1
for i = 1, x do local y = i end
for k, v in pairs({}) do x = k .. v end
repeat local z = 1 until z == 1
local function f(...) return select('#', ...), arg end
local g = function() return g end
while true do break end
if x then goto done end
::done::
return { on_call = function(call) return f(call), -x, not x, #{}, x and 1 or 2, x == 1, 'a' .. 'b', { [x] = 1, x } end, k = y }`,
			[]string{"10: undefined global y"}},
		{"method definitions", "local M = {}\nfunction M:hello() return self.x end\nfunction M.there(a) return a end\nreturn M", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := scriptDir(t, map[string]string{"50-main.lua": tt.text, "prompts/hello.wav": "", "lib/there.lua": "other_global = function() end function helper() end"})
			f := files{dir: dir}
			g := &generation{files: f, lib: map[string]*script{}}
			s, fe := compile(f, "50-main.lua")
			if fe != nil {
				t.Fatal(fe)
			}
			lib, fe := compile(f, "lib/there.lua")
			if fe != nil {
				t.Fatal(fe)
			}
			g.plugins, g.lib["lib/there.lua"] = []*script{s}, lib
			var got []string
			for _, found := range lintAll(newAPI(), f, g) {
				if !found.Warning {
					t.Errorf("an error, not a warning: %v", found)
				}
				got = append(got, strings.TrimPrefix(found.Error(), dir+"/50-main.lua:"))
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"on_cal": "on_call", "playe": "play", "colour": "", "tiemout": "timeout", "": ""} {
		got := didYouMean(name, []string{"on_call", "play", "timeout", "x"})
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %q; want %q", name, got, want)
		}
	}
}
