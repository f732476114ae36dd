package scripting

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// place is how a wait reads in these tests.
func (w Waiting) place() string {
	var frames []string
	for _, f := range w.Frames {
		frames = append(frames, fmt.Sprintf("%s:%d %s", f.Script, f.Line, f.Function))
	}
	return w.In + " at " + strings.Join(frames, ", ")
}

func TestWhereAScriptWaits(t *testing.T) {
	t.Parallel()
	inWorldOf(t, map[string]string{"50-main.lua": `local ask = require "ask"
local function sales(call)
	call:sleep(20)
end
return {
	on_call = function(call)
		call:on("dtmf", function()
			call:sleep(30)
		end)
		local digits = ask.number(call)
		call:menu{ ["1"] = function(call) sales(call) end }
	end,
}`, "lib/ask.lua": "local M = {}\nfunction M.number(call)\n\tlocal digits = call:gather{ timeout = 60 }\n\treturn digits\nend\nreturn M"}, func(w *world) {
		c := w.caller("1")
		time.Sleep(7 * time.Second)
		synctest.Wait()
		id := ""
		for _, live := range w.server.Calls(w.ctx) {
			id = live.ID
		}
		expect := func(after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			does, ok := w.engine.Activity(id)
			var got []string
			for _, wait := range does.Waiting {
				got = append(got, wait.place())
			}
			slices.Sort(got) // two that a key wakes begin in any order
			if !ok || does.Running || strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%v, running %v:\n%s\nwant\n%s", ok, does.Running, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		expect(0, "call:gather at lib/ask.lua:3 number, 50-main.lua:10 on_call")
		if does, _ := w.engine.Activity(id); len(does.Waiting) == 1 {
			if waited := time.Since(does.Waiting[0].Since); waited < 6*time.Second || waited > 8*time.Second {
				t.Errorf("it has waited for %v", waited)
			}
		}
		w.press(c, "1")
		expect(time.Second, "call:menu at 50-main.lua:11 on_call", "call:sleep at 50-main.lua:8 function <50-main.lua:7>")
		w.press(c, "1")
		expect(time.Second, "call:sleep at 50-main.lua:3 sales, 50-main.lua:11 function <50-main.lua:11>, 50-main.lua:11 on_call",
			"call:sleep at 50-main.lua:8 function <50-main.lua:7>")
		w.hangup(c)
		w.record()
		if _, ok := w.engine.Activity(id); ok {
			t.Error("a call that is over has a script")
		}
	})
}

// A script that burns Lua time is said to run; whoever asks is not held up by it.
func TestWhatARunningScriptDoes(t *testing.T) {
	t.Parallel()
	e := emptyEngine(t, nil)
	s := newState(t.Context(), e, e.current.Load(), nil)
	defer s.release()
	e.serving.states = map[string]*state{"busy": s}
	s.baton.Lock() // as while Lua runs
	does, ok := e.Activity("busy")
	s.baton.Unlock()
	if !ok || !does.Running || len(does.Waiting) > 0 {
		t.Errorf("%v, %+v", ok, does)
	}
}
