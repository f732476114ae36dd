package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/scripting"
	"tandem/scripts"
)

// These tests do not run beside each other: a simulation moves its clock when nothing else in
// the process is at work.

func runSpecs(t *testing.T, o Options) (Result, string) {
	t.Helper()
	var out strings.Builder
	o.Out, o.Verbose = &out, true
	o.Scripts.Emergency = []string{"112"}
	r, err := Run(o)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return r, out.String()
}

// The specs that ship hold.
func TestShippedSpecs(t *testing.T) {
	began := time.Now()
	r, out := runSpecs(t, Options{Scripts: scripting.Options{Shipped: scripts.FS}})
	if r.Failed > 0 || r.Passed < 20 {
		t.Errorf("%+v\n%s", r, out)
	}
	t.Logf("%d specs in %v", r.Passed, time.Since(began))
}

func specFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What a spec finds is told with its line and the call's timeline, and the next one begins anew.
func TestFailingSpecs(t *testing.T) {
	dir := specFolder(t, map[string]string{
		"50-main.lua": `return { on_call = function(call)
			shared.incr("calls")
			if call.number == "boom" then error("no luck") end
			if call.number == "time" then return call:reject(time.hours{ "Thu 18:00-19:00", zone = "Europe/London" } and 486 or 480) end
			if call.number == "count" then return call:reject(shared.get("calls") == 1 and 486 or 480) end
			if call.number == "http" then
				local res, err = http.get("https://api.example.com/x")
				return call:reject(res and res.status or 500, err)
			end
			call:bridge("user:" .. call.number)
		end }`,
		"spec/a_spec.lua": `local steps = {}
			before_each(function() steps[#steps + 1] = "outer" end)
			describe("group", function()
				before_each(function() steps[#steps + 1] = "inner" end)
				it("holds", function() expect(table.concat(steps, " ")):is("outer inner") end)
				it("has its own world", function() expect(sim.call{ to = "count" }.code):is(486) end)
				it("has its own world again", function() expect(sim.call{ to = "count" }.code):is(486) end)
				it("compares", function() expect({ a = { 1, 2 } }):is({ a = { 1, 2 } }) expect(1):is_not(2) expect("abc"):contains("b"):matches("^a") end)
				it("has a time", function()
					sim.at("2026-12-24 18:30", "Europe/London")
					expect(sim.call{ to = "time" }.code):is(486)
					sim.at("2026-12-24 19:00", "Europe/London")
					expect(sim.call{ to = "time" }.code):is(480)
				end)
				it("fakes services", function()
					local asked = sim.http("GET", "https://api.example.com/", { status = 404 })
					expect(sim.call{ to = "http" }.code):is(404)
					expect(asked()[1].url):is("https://api.example.com/x")
				end)
			end)`,
		"spec/b_spec.lua": `
it("a wrong expectation", function() expect(1):is("1") end)
it("nobody dials", function() sim.call{ to = "1001" }:dials("user:1002") end)
it("a script's error", function() expect(sim.call{ to = "boom" }.code):is(486) end)
it("no service", function() expect(sim.call{ to = "http" }.code):is(200) end)
it("a silent line", function() local c = sim.call{ to = "1001" } c:dials("user:1001"):answers() c:hears("main-menu") end)
it("a misspelt method", function() sim.call{ to = "1" }:hear("x") end)
it("a misspelt option", function() sim.call{ too = "1" } end)
it("too short", function() local c = sim.call{ to = "1001" } c:dials("user:1001"):fails("busy") c:runs(5) end)
it("a world that goes on", function() sim.call{ to = "1001" }:dials("user:1001"):answers() end)
it("no files", function() expect(io):is(nil) expect(os):is(nil) expect(require):is(nil) end)
`,
		"spec/c_spec.lua": `describe("x", function(`,
	})
	r, out := runSpecs(t, Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}})
	if r != (Result{Passed: 8, Failed: 9}) {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{
		`b_spec.lua:2: expected "1", got 1`,
		"b_spec.lua:3: user:1002 was not dialled: the call ended with 480",
		"b_spec.lua:4: expected 486, got 500", "50-main.lua:3: no luck",
		"b_spec.lua:5: expected 200, got 500", "no sim.http answers GET https://api.example.com/x",
		"b_spec.lua:6: the caller did not hear main-menu within 30s", "joined with the caller",
		"b_spec.lua:7: a call has no hear (did you mean hears?)", "7 | it(\"a misspelt method\"",
		`b_spec.lua:8: unknown option "too"; there are to, from, user, trunk, display, headers`,
		"b_spec.lua:9: the call did not last 5s: the call ended with 486",
		"✓ a world that goes on", "✓ no files", "the file cannot be read", "c_spec.lua:1: syntax error",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if !strings.HasSuffix(out, "8 passed, 9 failed\n") || t.Failed() {
		t.Log(out)
	}
	one, out := runSpecs(t, Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}, Files: []string{filepath.Join(dir, "spec", "a_spec.lua")}})
	if one != (Result{Passed: 6}) {
		t.Errorf("a file by its name: %+v\n%s", one, out)
	}
	if _, err := Run(Options{Scripts: scripting.Options{Dir: t.TempDir(), Shipped: scripts.FS}, Out: &strings.Builder{}}); err == nil {
		t.Error("a folder without specs is fine")
	}
}

// A spec may bring plugins of its own; modules and prompts stay those of the folder.
func TestSpecsOwnScripts(t *testing.T) {
	dir := specFolder(t, map[string]string{
		"50-main.lua":    `return { on_call = function(call) call:reject(486) end }`,
		"lib/answer.lua": `return { code = 480 }`,
		"spec/a_spec.lua": `
it("has the folder's", function() expect(sim.call{ to = "1" }.code):is(486) end)
it("has its own", function()
  sim.scripts{ ["10-own.lua"] = 'return { on_call = function(call) if call.number == "2" then call:reject(require("answer").code) end end }' }
  expect(sim.call{ to = "2" }.code):is(480)
  expect(sim.call{ to = "1" }.code):is(404)
end)
it("plays shipped prompts", function()
  sim.scripts{ ["10-own.lua"] = 'return { on_call = function(call) call:play("goodbye") end }' }
  sim.call{ to = "2" }:hears("goodbye"):ends()
end)
it("says what is wrong with them", function() sim.scripts{ ["10-own.lua"] = "return {" } sim.call{ to = "2" } end)
it("comes too late", function() sim.call{ to = "1" }:ends(486) sim.scripts{} end)
it("leads nowhere else", function() sim.scripts{ ["../x.lua"] = "return {}" } end)
`,
	})
	r, out := runSpecs(t, Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}})
	if r != (Result{Passed: 3, Failed: 3}) || !strings.Contains(out, "10-own.lua:1") || !strings.Contains(out, "the spec has begun") || !strings.Contains(out, "takes names such as") {
		t.Errorf("%+v\n%s", r, out)
	}
}

func TestClock(t *testing.T) {
	start := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	c := NewClock(start)
	ran := make(chan string, 8)
	note := func(s string) func() { return func() { ran <- s } }
	c.AfterFunc(2*time.Second, note("b"))
	a := c.AfterFunc(time.Second, note("a"))
	stopped := c.AfterFunc(time.Second, note("stopped"))
	if !stopped.Stop() || stopped.Stop() {
		t.Error("Stop tells nothing of whether the timer was pending")
	}
	if c.step(start.Add(time.Second/2)) || !c.Now().Equal(start.Add(time.Second/2)) {
		t.Errorf("nothing was due; it is %v", c.Now())
	}
	for _, want := range []string{"a", "b"} {
		if !c.step(start.Add(time.Hour)) {
			t.Fatalf("%s is not due", want)
		}
		if got := <-ran; got != want {
			t.Errorf("%s ran; want %s", got, want)
		}
	}
	if a.Reset(time.Minute) || !c.step(start.Add(time.Hour)) || <-ran != "a" || !c.Now().Equal(start.Add(62*time.Second)) {
		t.Errorf("a timer cannot be used again; it is %v", c.Now())
	}
	if c.step(start.Add(time.Hour)) {
		t.Error("something is due that should not be")
	}
}
