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
		{"what functions return", "return { on_call = function(call)\n local res = http.get('https://example.com')\n if res.staus == 200 then res:jsn() end\n local r = call:bridge('user:1')\n return r.stat, r.state, res.body end }",
			[]string{"3: a Response has no property staus (did you mean status?)", "3: a Response has no method jsn (did you mean json?)", "5: a BridgeResult has no property stat (did you mean state?)"}},
		{"assigned anew", "return { on_call = function(call)\n local res = http.get('https://example.com')\n if not res then res = { mine = 1 } end\n return res.mine end }", nil},
		{"what handlers get", "return { on_message = function(m) return m.bdy end,\n on_hangup = function(r) return r.stat end,\n on_register = function(call) return call.anything end }",
			[]string{"1: a Message has no property bdy (did you mean body?)", "2: a Record has no property stat (did you mean state?)", "3: a Registration has no property anything"}},
		{"what callbacks get", "return { on_call = function(call)\n call:bridge('user:1', { on_answer = function(l) l:plya('hello') end })\n call:on('dtmf', function(key) return key:upper() end) end }",
			[]string{"2: a Leg has no method plya (did you mean play?)"}},
		{"one of several words", "return { on_call = function(call)\n call:bridge('user:1', { strategy = 'paralel', media = 'relay' })\n call:on('dtfm', function() end)\n call:say('1', { as = 'digits' }) end }",
			[]string{"2: bridge: option strategy must be one of parallel, serial, got \"paralel\" (did you mean parallel?)",
				"3: on: event must be one of dtmf, hangup, hold, resume, refer, info, silence, got \"dtfm\" (did you mean dtmf?)"}},
		{"tables where none may be", "return { on_call = function(call)\n call:sleep({ 1 })\n call:bridge('user:1', 25)\n call:play({ 'hello' }) call:answer{} end }",
			[]string{"2: sleep: seconds must be number, got a table", "3: bridge: options must be DialOptions, got a number"}},
		{"missing arguments", "local function f() end\nreturn { on_call = function(call, ...) call:play()\n call:bridge() call:reject()\n call:play(...) call:play(f()) call:answer() call:gather() shared.set('k', nil) end }",
			[]string{"2: play: source is missing", "3: bridge: to is missing", "3: reject: code is missing"}},
		{"targets", "return { on_call = function(call)\n call:bridge('usr:1001') call:bridge('1001') call:bridge({ 'user:1', 'trunk:carrier' })\n call:dial('truk:' .. call.number)\n call:bridge(call.number) call:bridge('user:' .. call.number) call:bridge('trunk:a/' .. call.number) call:bridge(call.vars.prefix .. ':x') end }",
			[]string{"2: bridge: \"usr:1001\" is not a target: it begins with user:, trunk:, route: or sip: (did you mean user?)", "2: bridge: \"1001\" is not a target: it begins with user:, trunk:, route: or sip:",
				"2: bridge: \"trunk:carrier\" is not a trunk's number: write it as trunk:NAME/NUMBER", "3: dial: \"truk:\" is not a target: it begins with user:, trunk:, route: or sip: (did you mean trunk?)"}},
		{"menu options", "return { on_call = function(call)\n call:menu{ promt = 'hello', tries = 'three', [\"1\"] = 'user:1',\n  [\"1-2\"] = 'user:2', [1.5] = 'user:3' }\n call:menu{ prompt = 'hello' } end }",
			[]string{"2: menu: option tries must be integer, got a string", "2: menu: \"promt\" can never be pressed: an entry is one or more of 0-9 * # (did you mean prompt?)",
				"3: menu: \"1-2\" can never be pressed: an entry is one or more of 0-9 * #", "3: menu: \"1.5\" can never be pressed: an entry is one or more of 0-9 * #",
				"4: menu: no entry: one is one or more of 0-9 * #"}},
		{"menu entries", "return { on_call = function(call)\n call:menu{ 'user:1',\n  [\"1\"] = 'user:2', ['*'] = 'rpeat', ['#'] = 'back', ['9'] = true,\n  [\"9\"] = function() end, [\"101\"] = { 'user:1', 'user:2' }, [\"0#\"] = 'usr:3', [call.number] = 'user:4' } end }",
			[]string{"3: menu: two entries for 1: the one in line 2 is never reached", "3: menu: \"rpeat\" is not a target: it begins with user:, trunk:, route: or sip: (did you mean repeat?)",
				"3: menu: entry 9 must be a function, a target, \"repeat\" or \"back\", got a boolean", "4: menu: two entries for 9: the one in line 3 is never reached",
				"4: menu: \"usr:3\" is not a target: it begins with user:, trunk:, route: or sip: (did you mean user?)"}},
		{"no time for more keys", "return { on_call = function(call)\n call:menu{ digit_timeout = 0, ['1'] = 'back', ['2'] = 'back',\n ['12'] = 'back', ['31'] = 'back' } end }",
			[]string{"3: menu: 12 is never reached: with digit_timeout = 0 it ends at 1"}},
		{"gather", "return { on_call = function(call)\n call:gather{ min = 4, max = 2, pattern = '(', finish = '#x' }\n call:play('hello', { stop = 'any' }) call:play('hello', { stop = 'x' })\n call:gather{ max = 4, pattern = '[0-9]{4}', finish = '*#' } end }",
			[]string{"2: gather: option pattern is not an RE2 pattern: \"(\"", "2: gather: option finish: \"#x\" can never be pressed: keys are 0-9 * #",
				"2: gather: option min (4) is more than max (2)", "3: play: option stop: \"x\" can never be pressed: keys are 0-9 * #"}},
		{"twice", "return { on_call = function(call)\n call:gather{ max = 1,\n max = 2 } end }", []string{"3: gather: option max is given twice"}},
		{"silenced", "return { on_call = function(call)\n mystery() ---@diagnostic disable-line: undefined-global\n ---@diagnostic disable-next-line\n mystery()\n mystery() end }", []string{"5: undefined global mystery"}},
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
