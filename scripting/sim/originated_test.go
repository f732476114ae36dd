package sim

import (
	"os"
	"strings"
	"testing"

	"tandem/scripting"
	"tandem/scripts"
)

// callBack is the example of docs/scripts.md.
func callBack(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/scripts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "```lua\n-- 690: ")
	text, _, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatal("docs/scripts.md has lost its example of a call-back")
	}
	return "-- " + text
}

// A spec sees calls that nobody has made, answers them or does not, and reads their records.
func TestSpecOriginates(t *testing.T) {
	dir := specFolder(t, map[string]string{
		"40-callback.lua": callBack(t),
		"50-main.lua":     `return { on_call = function(call) if call.number == "700" then call:play("main-menu") call:hangup() end end }`,
		"spec/main_spec.lua": `
before_each(function() sim.register("1001") end)
local function asks()
	local c = sim.call{ to = "690", user = "1001" }
	c:hears("goodbye")
	c:ends()
end
it("calls back", function()
	asks()
	local began = sim.now()
	local back = sim.dials("user:1001")
	expect(sim.now() - began):at_least(9):at_most(11)
	expect(back.from):is("690")
	back:answers{ after = 2 }
	back:hears("one-moment")
	back:hears("main-menu")
	back:ends()
	expect(back.cdr.state):is("answered")
	expect(back.cdr.from_user):is("690")
	expect(back.cdr.to_user):is("1001")
end)
it("tries again", function()
	asks()
	local first = sim.dials("user:1001")
	first:fails("busy")
	expect(first.cdr.state):is("busy")
	local began = sim.now()
	local second = sim.dials("user:1001")
	expect(sim.now() - began):at_least(59):at_most(61)
	second:fails("noanswer")
	expect(second.cdr.state):is("noanswer")
	sim.dials("user:1001"):fails("declined")
	sim.pass(600)
end)
it("does so for users only", function()
	expect(sim.call{ to = "690", from = "+44123" }.code):is(404)
end)`})
	r, out := runSpecs(t, Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}})
	if r != (Result{Passed: 3}) {
		t.Errorf("%+v\n%s", r, out)
	}
}
