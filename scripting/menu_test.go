package scripting

import (
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
)

func TestMenu(t *testing.T) {
	menu := `local function menu(call) return call:menu{
			prompt = "goodbye", invalid = "invalid", tries = 2, timeout = 3,
			["1"] = function(c, keys) say("one", keys, c == call) return "a", "b" end,
			["2"] = function() say("two") return "repeat" end,
			["3"] = function() return call:menu{ prompt = "busy", ["1"] = function() return "inner" end, ["*"] = "back" } end,
			["4"] = "user:1001",
			["5"] = { "user:nobody", "user:1001" },
			["101"] = function(_, keys) say("extension", keys) return "ext" end,
			["9"] = "repeat",
			[7] = function() say("seven") end,
			["#"] = function(_, keys) return keys end,
		} end
		local a, b = menu(call)
		if type(a) == "table" then say(a.state, a.code, a.by) else say("result", a, b) end
		call:sleep(1)`
	tests := map[string]struct {
		keys string
		wait time.Duration
		want string
	}{
		"one":             {"1", 3 * time.Second, "one 1 true\nresult a b"}, // after the time that 101 may still come
		"by the finish":   {"1#", 0, "one 1 true\nresult a b"},
		"extension":       {"101", 0, "extension 101\nresult ext nil"},
		"repeat":          {"2,1#", 0, "two\none 1 true\nresult a b"},
		"repeat entry":    {"9,,7", 0, "seven\nresult nil nil"},
		"inner":           {"3,1", 0, "result inner nil"},
		"back":            {"3,*,,7", 0, "seven\nresult nil nil"},
		"hash":            {"#", 0, "result # nil"},
		"target":          {"4", 0, "answered 200 callee"},
		"targets":         {"5", 0, "answered 200 callee"},
		"timeout":         {"", 20 * time.Second, "result nil timeout"},
		"invalid":         {"8,,,,8", 20 * time.Second, "result nil invalid"},
		"invalid, long":   {"102,,,,7", 20 * time.Second, "seven\nresult nil nil"},
		"type-ahead":      {"29*7", 10 * time.Second, "two\nresult nil timeout"}, // *7 is nothing, and then nothing comes,
		"cut-off by 103#": {"10#,,,,7", 10 * time.Second, "seven\nresult nil nil"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, report(menu), func(w *world) {
				w.incoming(w.phone("1001", true), func(c *phone.Call) {
					_ = c.Answer()
					time.Sleep(2 * time.Second)
					_ = c.Hangup(w.ctx)
				})
				c := w.caller("1")
				time.Sleep(2 * time.Second)
				if tt.keys != "" {
					_ = c.Press(w.ctx, tt.keys) // the call may end while the last key is held
				}
				time.Sleep(tt.wait)
				w.ended(c)
				if got := says(w.record()); got != tt.want {
					t.Errorf("got\n%s\nwant\n%s", got, tt.want)
				}
			})
		})
	}
}

func TestMenuMisuse(t *testing.T) {
	inWorld(t, report(`
		say(pcall(call.menu, call, { prompt = "busy" }))
		say(pcall(call.menu, call, { promt = "busy", ["1"] = "back" }))
		say(pcall(call.menu, call, { ["1"] = true }))
		say(pcall(call.menu, call, { ["1"] = "back", tries = 0 }))
		say(pcall(call.menu, call, { ["1a"] = "back" }))
		say(pcall(call.menu, call, "busy"))
		call:reject(486)
	`), func(w *world) {
		if code := w.refused("1"); code != 486 {
			t.Errorf("code %d", code)
		}
		want := []string{
			"false call:menu: the menu has no entry",
			`false call:menu: unknown option "promt" (did you mean prompt?); an entry is one or more of 0-9 * #`,
			`false call:menu: entry 1 must be a function, a target, "repeat" or "back", got boolean`,
			"false call:menu: option tries must be a whole number of at least 1, got 0",
			`false call:menu: unknown option "1a"; an entry is one or more of 0-9 * #`,
			"false call:menu: menu must be a table, got string",
		}
		if got := says(w.record()); got != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
}
