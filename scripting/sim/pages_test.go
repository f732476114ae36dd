package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tandem/scripting"
	"tandem/scripts"
)

// section is a part of a page, with its Lua code.
type section struct {
	title string
	lua   []string
}

// sections parts a page at its headings of the second level.
func sections(t *testing.T, page string) []section {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```lua\n(.*?)^```")
	var all []section
	for part := range strings.SplitSeq("\n"+string(text), "\n## ") {
		title, _, _ := strings.Cut(part, "\n")
		s := section{title: strings.TrimSpace(title)}
		for _, m := range blocks.FindAllStringSubmatch(part, -1) {
			s.lua = append(s.lua, m[1])
		}
		all = append(all, s)
	}
	return all
}

// TestFromOthers runs what the pages for those who come from other servers show as ours: each
// numbered section's last script, by the describe of its number in testdata.
func TestFromOthers(t *testing.T) {
	for page, least := range map[string]int{"from-freeswitch": 10, "from-asterisk": 10} {
		specs, err := os.ReadFile(filepath.Join("testdata", page+"_spec.lua"))
		if err != nil {
			t.Fatal(err)
		}
		bySection := map[string]string{}
		for part := range strings.SplitSeq(string(specs), "\n-- ## ") {
			number, rest, _ := strings.Cut(part, ".")
			bySection[number] = rest[strings.Index(rest, "\n")+1:]
		}
		ran := 0
		for _, s := range sections(t, page+".md") {
			number, name, numbered := strings.Cut(s.title, ". ")
			if !numbered || len(number) > 2 {
				continue
			}
			ran++
			spec := bySection[number]
			if len(s.lua) == 0 || !strings.Contains(spec, "it(") {
				t.Errorf("%s: %s has no script or no spec", page, s.title)
				continue
			}
			dir := specFolder(t, map[string]string{"50-main.lua": s.lua[len(s.lua)-1], "spec/" + page + "_spec.lua": spec})
			for _, e := range scripting.Check(scripting.Options{Dir: dir, Shipped: scripts.FS}) {
				t.Errorf("%s, %s: %v", page, name, e)
			}
			if r, out := runSpecs(t, Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}}); r.Failed > 0 || r.Passed == 0 {
				t.Errorf("%s, %s:\n%s", page, s.title, out)
			}
		}
		if ran < least {
			t.Errorf("%s has %d scripts, not %d", page, ran, least)
		}
	}
}

// recipeScripts are what the recipes of docs/testing.md are written for.
const recipeScripts = `return { on_call = function(call)
	if call.number:match("^%+44") then
		call:bridge({ "trunk:first/" .. call.number, "trunk:second/" .. call.number }, { strategy = "serial", timeout = 20 })
	elseif call.number == "700" then
		call:play(time.hours{ "Mon-Fri 09:00-17:00", zone = "Europe/London" } and "main-menu" or "closed")
	elseif call.number == "600" then
		local result = call:bridge({ "user:1001", "user:1002" }, { on_answer = function(leg)
			return leg:gather{ prompt = "goodbye", max = 1 } == "1"
		end })
		call.vars.state = result.state
	elseif call.number == "500" then
		http.get("https://crm.example.com/callers", { query = { number = call.from.user } })
		call:start_recording("calls/" .. call.from.user)
		call:answer()
		call:sleep(60)
	elseif call.number == "800" then
		call:conference("room")
	end
end }`

// The specs of docs/testing.md hold as they are written there.
func TestTestingPage(t *testing.T) {
	closed, err := scripts.FS.ReadFile("prompts/attendant-closed.wav")
	if err != nil {
		t.Fatal(err)
	}
	var first, recipes []string
	for _, s := range sections(t, "testing.md") {
		switch s.title {
		case "The first spec":
			first = s.lua
		case "Recipes":
			recipes = s.lua
		}
	}
	if len(first) != 2 || len(recipes) != 5 {
		t.Fatalf("the page has %d scripts and %d recipes", len(first), len(recipes))
	}
	dir := specFolder(t, map[string]string{"50-main.lua": first[0], "spec/main_spec.lua": first[1]})
	if r, out := runSpecs(t, Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}}); r != (Result{Passed: 2}) {
		t.Errorf("the first spec: %+v\n%s", r, out)
	}
	dir = specFolder(t, map[string]string{"50-main.lua": recipeScripts, "prompts/closed.wav": string(closed),
		"spec/recipes_spec.lua": strings.Join(recipes, "\n")})
	if r, out := runSpecs(t, Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}}); r != (Result{Passed: 5}) {
		t.Error(fmt.Sprintf("the recipes: %+v\n%s", r, out))
	}
}
