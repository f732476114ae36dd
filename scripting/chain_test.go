package scripting

import (
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"tandem/store"
)

func TestChain(t *testing.T) {
	t.Parallel()
	inWorldOf(t, map[string]string{
		"10-first.lua":  `return { on_call = function(call) log.info("first") call:ring() if call.number == "1" then call:reject(486) end end }`,
		"20-none.lua":   `return {}`,
		"30-second.lua": `return { on_call = function(call) log.info("second") if call.number == "2" then call:reject(603, "No thanks") end end }`,
	}, func(w *world) {
		for number, want := range map[string]struct {
			code         int
			says, script string
		}{
			"1": {486, "first", "10-first.lua"},
			"2": {603, "first\nsecond", "30-second.lua"},
			"3": {404, "first\nsecond", "30-second.lua"},
		} {
			if code := w.refused(number); code != want.code {
				t.Errorf("%s: %d; want %d", number, code, want.code)
			}
			r := w.record()
			if says(r) != want.says || r.Call.Script != want.script || r.Call.Generation != 1 {
				t.Errorf("%s: the record says %q, %q, generation %d", number, says(r), r.Call.Script, r.Call.Generation)
			}
		}
	})
}

// What a handler leaves open is ended with the code that fits.
func TestHandlerReturns(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		if call.number == "answered" then call:answer()
		elseif call.number == "failed" then call:bridge("user:nobody")
		elseif call.number == "busy" then call:bridge{ "user:nobody", "user:1001" }
		elseif call.number == "unanswered" then call:bridge("user:1002", { timeout = 5 })
		end
	end }`, func(w *world) {
		w.incoming(w.phone("1001", true), rejects(486))
		w.incoming(w.phone("1002", true), rings)
		w.ended(w.caller("answered"))
		if r := w.record(); r.Call.State != store.StateAnswered || r.Call.ReleasedBy != store.ByScript {
			t.Errorf("answered: %+v", r.Call)
		}
		for number, want := range map[string]int{"failed": 480, "busy": 486, "unanswered": 480, "other": 404} {
			if code := w.refused(number); code != want {
				t.Errorf("%s: %d; want %d", number, code, want)
			}
			w.record()
		}
	})
}

func TestScriptErrors(t *testing.T) {
	inWorld(t, `local function deep(call) local t = nil
  return t.x end
return { on_call = function(call)
	if call.number == "after" then call:answer() call:sleep(1) end
	if call.number == "loop" then call:answer() while true do call:hangup() end end
	deep(call)
end }`, func(w *world) {
		if code := w.refused("before"); code != 500 {
			t.Errorf("an error before the answer: %d", code)
		}
		r := w.record()
		if r.Call.State != store.StateFailed || !strings.HasPrefix(r.Call.ScriptError, "50-main.lua:2: attempt to index") ||
			!strings.Contains(r.Call.ScriptError, "50-main.lua:6:") || !strings.Contains(r.Call.Flags, store.FlagScriptError) {
			t.Errorf("the record of an error before the answer: %q, flags %q, state %s", r.Call.ScriptError, r.Call.Flags, r.Call.State)
		}
		w.ended(w.caller("after"))
		r = w.record()
		if r.Call.State != store.StateAnswered || !strings.Contains(r.Call.ScriptError, "50-main.lua:2:") || r.Call.ReleasedBy != store.ByScript {
			t.Errorf("the record of an error after the answer: %q, %s, %s", r.Call.ScriptError, r.Call.State, r.Call.ReleasedBy)
		}
	})
}

func TestGenerationsOfCalls(t *testing.T) {
	inWorld(t, `return { on_call = function(call) call:answer() call:sleep(10) log.info("old") end }`, func(w *world) {
		c := w.caller("1")
		writeFile(t, w.engine.o.Dir+"/50-main.lua", `return { on_call = function(call) call:answer() log.info("new") end }`)
		if errs := w.engine.Reload(); len(errs) > 0 {
			t.Fatal(errs)
		}
		if st := w.engine.Status(); len(st.Generations) != 2 || st.Generations[0].Calls != 1 {
			t.Errorf("with a call on the old one: %+v", st.Generations)
		}
		w.ended(w.caller("2"))
		if r := w.record(); says(r) != "new" || r.Call.Generation != 2 {
			t.Errorf("the new call: %q, generation %d", says(r), r.Call.Generation)
		}
		w.ended(c)
		if r := w.record(); says(r) != "old" || r.Call.Generation != 1 {
			t.Errorf("the old call: %q, generation %d", says(r), r.Call.Generation)
		}
	})
}

func TestRoute(t *testing.T) {
	inWorld(t, `local depth = 0
return { on_call = function(call)
	depth = depth + 1
	call.vars.depth = depth
	if call.number == "1" then
		log.info(tostring(call:route("2")), { number = call.number })
	elseif call.number == "2" then
		call:answer()
	elseif call.number == "lost" then
		log.info(select(2, call:route("nowhere")))
		call:reject(404)
	elseif call.number == "round" then
		local ok, why = call:route("round")
		if not ok then log.info(why) end
		call:reject(482)
	elseif call.number == "broken" then
		local ok, err = pcall(call.route, call, "error")
		log.info(err)
		call:reject(503)
	elseif call.number == "error" then
		error("boom")
	end
end }`, func(w *world) {
		w.ended(w.caller("1"))
		if r := w.record(); says(r) != "routed to 2\ntrue number=1" || r.Call.Vars != `{"depth":2}` {
			t.Errorf("routed: %q, vars %s", says(r), r.Call.Vars)
		}
		if w.refused("lost"); !strings.Contains(says(w.record()), "not found") {
			t.Error("routed to a number that nobody takes")
		}
		w.refused("round")
		if r := w.record(); strings.Count(says(r), "routed to") != 8 || !strings.Contains(says(r), "more than 8 times") {
			t.Errorf("a route to itself: %q", says(r))
		}
		if code := w.refused("broken"); code != 503 {
			t.Errorf("an error in a route that is caught: %d", code)
		}
		if r := w.record(); !strings.Contains(says(r), "50-main.lua:21: boom") {
			t.Errorf("an error in a route: %q", says(r))
		} else if r.Call.ScriptError != "" {
			t.Errorf("an error that was caught is in the record: %q", r.Call.ScriptError)
		}
	})
}

// A panic in a function that a script calls ends that call, and nothing else.
func TestPanic(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
	if call.number == "caught" then log.info(tostring(pcall(json.encode, "x"))) return call:reject(486) end
	if call.number == "base" then test_panic() end
	if call.number == "waiting" then call:ring() end
	json.encode("x")
end }`, func(w *world) {
		w.engine.builtin = newBuiltin(&api{classes: w.engine.api.classes, modules: []module{logModule(),
			{name: "json", functions: []function{{name: "encode", run: func(*state, *lua.LState) int { panic("bug") }}}}}})
		w.engine.builtin.globals["test_panic"] = goFunction(func(*lua.LState) int { panic("bug") })
		for number, want := range map[string]int{"caught": 486, "base": 500, "waiting": 500, "other": 500} {
			if code := w.refused(number); code != want {
				t.Errorf("%s: %d; want %d", number, code, want)
			}
			if r := w.record(); want == 500 && r.Call.ScriptError == "" {
				t.Errorf("%s: the record has no error", number)
			}
		}
		if n := w.engine.Panics(); n != 4 {
			t.Errorf("%d panics counted; want 4", n)
		}
		if n := strings.Count(w.log.String(), "panic in a function called by a script"); n == 0 || n > 4 {
			t.Errorf("logged %d times", n)
		}
	})
}
