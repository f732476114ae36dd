package sim

import (
	"strings"
	"testing"

	"tandem/scripting"
	"tandem/scripts"
)

// callScripts are what the calls below go by.
const callScripts = `
local function join(call) call:conference("room") end
return { on_call = function(call)
	local n = call.number
	if n == "700" then
		call:menu{ prompt = "main-menu", ["1"] = "user:1001" }
	elseif n == "ring" then
		call:ring() call:sleep(3) call:reject(480)
	elseif n == "early" then
		call:bridge("sip:bob@10.9.9.9")
	elseif n == "group" then
		call:bridge({ "user:1001", "user:1002" }, { timeout = 20 })
	elseif n == "hunt" then
		local r = call:bridge({ "trunk:one/+4420", "trunk:two/+4420" }, { strategy = "serial", timeout = 10 })
		if r.state ~= "answered" then call:reject(503) end
	elseif n == "whisper" then
		local leg = call:dial("user:1001")
		leg:play("goodbye")
		call.vars.key = leg:gather{ prompt = "main-menu", max = 1 }
		call:bridge(leg)
	elseif n == "number" then
		call:say(142, { as = "number" }) call:say("20", { as = "digits" }) call:send_dtmf("42")
		call:play("tone:440/1000") call:sleep(2)
	elseif n == "record" then
		local r = call:record("box/one", { max = 20, silence = 3 })
		call.vars.why = r.why
	elseif n == "room" then
		join(call)
	elseif n == "count" then
		call.vars.n = shared.incr("n") call:answer() call:sleep(5)
	elseif n == "who" then
		call:bridge("user:1001", { from = "3000", display = "Reception", headers = { ["X-Queue"] = call:header("X-Campaign") } })
	elseif n == "door" then
		call:on("dtmf", function(key, who) if who == "callee" and key == "9" then call:send_dtmf("#1") end end)
		call:bridge("user:1001")
	elseif n == "short" then
		call:on("dtmf", function() call:hangup() end)
		call:answer()
		call:sleep(2)
	elseif n == "screened" then
		call:bridge("user:1001", { on_answer = function(leg)
			leg:gather{ max = 1, timeout = 2 }
			return false
		end })
	elseif n == "loop" then
		while true do call:sleep(0) end
	end
end }`

const callSpecs = `
it("is cut short by the server", function()
	local c = sim.call{ to = "short" }
	c:press("123456")
	c:ends()
	local talks = sim.call{ to = "short" }
	talks:runs(1):says("main-menu")
	talks:ends()
end)
it("is declined while pressing", function()
	local c = sim.call{ to = "screened" }
	local far = c:dials("user:1001"):answers()
	far:press("1,,2")
	far:ends()
	c = sim.call{ to = "screened" }
	far = c:dials("user:1001"):answers()
	far:says("main-menu")
	far:ends()
	expect(pcall(far.press, far, "1")):is(false)
end)
it("is what the manual shows", function()
	local c = sim.call{ to = "700", from = "+44123" }
	c:hears("main-menu"):press("1")
	c:dials("user:1001"):answers{ after = 3 }
	c:runs(60):hangup()
	expect(c.cdr.state):is("answered")
	expect(c.cdr.billable_ms):at_least(63000):at_most(65000)
end)
it("sees ringing", function()
	local c = sim.call{ to = "ring" }
	c:rings()
	expect(c.state):is("ringing")
	c:ends(480)
end)
it("hears early media", function()
	local c = sim.call{ to = "early" }
	local bob = c:dials("sip:bob@10.9.9.9")
	bob:progresses("goodbye")
	c:hears("goodbye")
	expect(c.state):is("ringing")
	bob:fails(404)
	c:ends(404)
end)
it("rings a group", function()
	local c = sim.call{ to = "group", user = "1003" }
	local a, b = c:dials("user:1001"), c:dials("user:1002")
	a:rings()
	b:answers{ after = 4 }
	a:ends()
	expect(a.state):is("ended")
	expect(b.state):is("answered")
	expect(b.from):is("1003")
	b:hangup()
	c:ends(200)
end)
it("fails over", function()
	for _, how in ipairs{ "busy", "noanswer", "unavailable", 404, "network" } do
		local c = sim.call{ to = "hunt", user = "1001" }
		c:dials("trunk:one/+4420"):fails(how)
		local two = c:dials("trunk:two/+4420"):answers()
		expect(two.number):is("+4420")
		c:runs(2):hangup()
	end
end)
it("knows what a trunk without a network does", function()
	sim.vanish("trunk:one")
	local c = sim.call{ to = "hunt", user = "1001" }
	c:dials("trunk:two/+4420"):fails("unavailable")
	c:ends(503)
end)
it("loses a caller", function()
	local c = sim.call{ to = "group", trunk = "carrier", from = "+49" }
	local a = c:dials("user:1001"):answers()
	c:runs(5):vanishes()
	a:vanishes()
	expect(c.cdr.released_by):is("system")
	expect(c.cdr.flags):contains("media_timeout")
end)
it("hears what the callee hears", function()
	local c = sim.call{ to = "whisper" }
	local bob = c:dials("user:1001"):answers()
	bob:hears("goodbye"):hears("main-menu"):press("7")
	c:says("busy")
	bob:hears("busy")
	bob:says("one-moment")
	c:hears("one-moment")
	c:holds():runs(1):resumes()
	bob:hangup()
	c:ends()
	expect(c.cdr.vars.key):is("7")
end)
it("hears numbers, tones and keys", function()
	local c = sim.call{ to = "number" }
	c:hears(142, { as = "number" }):hears({ "number-2", "number-0" })
	c:hears("tone:440/1000", { within = 10 })
	c:hears_nothing(1)
	expect(c.digits):is("42")
	c:ends()
end)
it("records", function()
	local c = sim.call{ to = "record" }
	c:runs(1):says("goodbye"):ends()
	expect(c.cdr.vars.why):is("silence")
	expect(sim.recordings()):contains("box/one.wav")
	local r = sim.recording("box/one.wav"):has("goodbye")
	expect(r.seconds):at_least(1):at_most(10)
end)
it("confers", function()
	local a, b, c = sim.call{ to = "room", from = "1" }, sim.call{ to = "room", from = "2" }, sim.call{ to = "room", from = "3" }
	a:runs(1) b:runs(1) c:runs(1)
	a:says("goodbye")
	b:hears("goodbye")
	c:hears("goodbye")
	a:hears_nothing(1)
	b:hangup()
	c:runs(1):hangup()
	a:hangup()
end)
it("counts calls at once", function()
	local all = {}
	for i = 1, 5 do all[i] = sim.call{ to = "count" }:runs(0) end
	for i, c in ipairs(all) do expect(c:ends().cdr.vars.n):is(i) end
end)
it("shows what a callee sees", function()
	local c = sim.call{ to = "who", from = "+4411", display = "Ann", headers = { ["X-Campaign"] = "spring" } }
	local bob = c:dials("user:1001"):answers()
	expect(bob.from):is("3000")
	expect(bob.display):is("Reception")
	expect(bob:header("X-Queue")):is("spring")
	expect(bob:header("X-None")):is(nil)
	bob:hangup()
	expect(c.cdr.from_display):is("Ann")
end)
it("sends keys behind those that pass", function()
	local c = sim.call{ to = "door" }
	local bob = c:dials("user:1001"):answers()
	c:runs(2)
	bob:press("9")
	c:runs(2)
	expect(c.digits):is("9#1")
	c:hangup()
end)
it("unregisters", function()
	local p = sim.register("1001")
	p:unregister()
	sim.call{ to = "700" }:hears("main-menu"):press("1"):ends()
end)
it("knows the time", function()
	sim.at("2026-12-24 18:00", "Europe/London")
	expect(sim.now()):is(1798135200)
end)
`

// What callers and callees of a specification can do.
func TestCalls(t *testing.T) {
	dir := specFolder(t, map[string]string{"50-main.lua": callScripts, "spec/a_spec.lua": callSpecs})
	r, out := runSpecs(t, Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}})
	if r.Failed > 0 || r.Passed != strings.Count(callSpecs, "\nit(") {
		t.Errorf("%+v\n%s", r, out)
	}
}

// Nothing in a spec or a script keeps the run from its end, or its reader in the dark.
func TestBrokenSpecs(t *testing.T) {
	dir := specFolder(t, map[string]string{
		"50-main.lua": callScripts,
		"spec/a_spec.lua": `
local function helper(c) expect(c.code):is(486) end
it("loops", function() while true do end end)
it("still runs", function() sim.call{ to = "ring" }:ends(480) end)
it("is called from here", function()
	helper(sim.call{ to = "1" })
end)
it("sleeps for ever", function() sim.call{ to = "loop" }:runs(1) end)
it("has a point", function() local c = sim.call{ to = "1" } c.ends() end)
it("names nothing", function() sim.cal{ to = "1" } end)
it("sets", function() sim.call{ to = "1" }.code = 4 end)
it("listens for nothing", function() sim.call{ to = "700" }:hears("no-such-prompt") end)
it("lacks a recording", function() sim.recording("x.wav") end)
it("hears another", function() sim.call{ to = "number" }:hears(141, { as = "number" }) end)
it("hears something", function() local c = sim.call{ to = "700" }:runs(1) c:hears_nothing(1) end)
it("compares tables", function() expect({ 1, { a = "b" } }):is({ 1, { a = "c" } }) end)
it("raises a table", function() error({ code = 5 }) end)
it("says what is not there", function() local c = sim.call{ to = "700" }:runs(1) c:says("no-such-prompt") end)
`,
		"spec/b_spec.lua": "local x = 1\nx.y.z = 2",
		"spec/c_spec.lua": "it('x')",
	})
	r, out := runSpecs(t, Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}})
	if r != (Result{Passed: 1, Failed: 15}) {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{
		"a_spec.lua:3: this has run for 5s without a call or a wait: does the loop end?",
		"a_spec.lua:2: expected 486, got 404\n        2 | local function helper(c) expect(c.code):is(486) end\n      called in a_spec.lua:6\n        6 | helper(sim.call{ to = \"1\" })",
		"the simulation does not come to rest",
		"a_spec.lua:9: write a colon before the method's name, not a point",
		"a_spec.lua:10: sim has no cal (did you mean call?)",
		"a_spec.lua:11: code of a call cannot be set",
		`there is no prompt and no recording "no-such-prompt"`,
		`there is no recording "x.wav"; there is none at all`,
		"the caller did not hear 141 as number: the call was hung up by the server",
		"a_spec.lua:15: the caller heard something within 1s",
		`a_spec.lua:16: expected { 1, { a = "c" } }, got { 1, { a = "b" } }`,
		"{ code = 5 }", "b_spec.lua:2: ", "c_spec.lua:1: bad argument #2 to it",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}

	var text strings.Builder
	one, err := Run(Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}, Out: &text, JSON: true, Filter: "STILL"})
	if err != nil || one.Passed != 1 || !strings.Contains(text.String(), `"name": "still runs"`) || !strings.Contains(text.String(), `"passed": 1`) {
		t.Errorf("one as JSON: %+v, %v\n%s", one, err, text.String())
	}
	broken := specFolder(t, map[string]string{"50-main.lua": "return {\n", "spec/a_spec.lua": "it('x', function() end)"})
	if _, err := Run(Options{Scripts: scripting.Options{Dir: broken, Shipped: scripts.FS}, Out: &text}); err == nil || !strings.Contains(err.Error(), "50-main.lua:2: ") {
		t.Errorf("broken scripts: %v", err)
	}
	if _, err := Run(Options{Scripts: scripting.Options{Dir: dir + "/none", Shipped: scripts.FS}, Out: &text}); err == nil || !strings.Contains(err.Error(), "scripts folder") {
		t.Errorf("no folder: %v", err)
	}
}
