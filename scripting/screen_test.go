package scripting

import (
	"strings"
	"testing"
	"time"
)

// Whatever a script dials goes by on_dial first, in whichever way it dials.
func TestOnDial(t *testing.T) {
	t.Parallel()
	inWorldOf(t, map[string]string{
		"10-guard.lua": `return { on_dial = function(call, target)
			if target == "user:1002" then return false end
			if target == "user:1003" then return false, 486, "Not now" end
			if target == "user:1004" then return { max = 5 } end
			if target == "user:1005" then return true end
			if target == "user:1006" then call:sleep(1) end
			if target == "user:1007" then return "no" end
			call.vars.asked = (call.vars.asked or "") .. target .. " "
		end }`,
		"20-late.lua": `return { on_dial = function(call, target) if target ~= "user:1001" then return false, 480, "Late" end end }`,
		"50-main.lua": `return { on_call = function(call)
			local how, who = call.number:match("^(%a+)(%d+)$")
			if how == "bridge" then call:bridge("user:" .. who)
			elseif how == "all" then call:bridge{ "user:1002", "user:1001", "user:1003" }
			elseif how == "dial" then
				local leg, failure = call:dial("user:" .. who)
				if not leg then log.info(failure.code .. " " .. failure.reason .. " " .. failure.state) return end
				call:sleep(3)
				log.info(call:bridge(leg).by)
			elseif how == "menu" then call:menu{ prompt = "silence:1", ["1"] = "user:" .. who }
			elseif how == "route" then call:route("bridge" .. who)
			end
		end }`,
	}, func(w *world) {
		talks := func(number string, want time.Duration) {
			t.Helper()
			c := w.caller(number)
			began := time.Now()
			if want == 0 {
				time.Sleep(5 * time.Second)
				w.hangup(c)
			}
			w.ended(c)
			if took := time.Since(began); want > 0 && (took < want || took > want+2*time.Second) {
				t.Errorf("%s lasted %v; want %v", number, took, want)
			}
		}
		for _, user := range []string{"1001", "1002", "1003", "1004", "1005"} {
			w.answers(w.phone(user, true), 0)
		}
		talks("bridge1001", 0)
		if r := w.record(); r.Call.Vars != `{"asked":"user:1001 "}` {
			t.Errorf("1001: %q", r.Call.Vars)
		}
		for number, want := range map[string]int{"bridge1002": 403, "bridge1003": 486, "bridge1099": 480, "dial1003": 486, "route1003": 486, "bridge1006": 500, "bridge1007": 500} {
			if code := w.refused(number); code != want {
				t.Errorf("%s: %d; want %d", number, code, want)
			}
			r := w.record()
			switch {
			case number == "dial1003" && !strings.Contains(says(r), "10-guard.lua refuses to dial user:1003: 486 Not now\n486 Not now busy"),
				number == "bridge1006" && !strings.Contains(r.Call.ScriptError, "inside on_dial"),
				number == "bridge1007" && !strings.Contains(r.Call.ScriptError, "on_dial of 10-guard.lua returned a string"),
				number == "bridge1099" && len(r.Legs) != 1, // on_dial is not asked, and the user is not there
				number == "bridge1002" && (len(r.Legs) != 2 || r.Legs[1].SIPCode != 403):
				t.Errorf("%s: %s\n%+v\n%+v", number, says(r), r.Call, r.Legs)
			}
		}
		talks("bridge1004", 5*time.Second)
		w.record()
		talks("dial1004", 5*time.Second) // the caller is answered when it is joined
		if r := w.record(); says(r) != "system" {
			t.Errorf("dial: %s", says(r))
		}
		talks("bridge1005", 0)
		w.record()
		talks("all1", 0)
		if r := w.record(); len(r.Legs) != 4 || r.Legs[2].Target != "user:1001" || r.Legs[2].AnswerMS == 0 {
			t.Errorf("all: %+v", r.Legs)
		}
		c := w.caller("menu1003")
		_ = c.Press(w.ctx, ",1") // the call ends meanwhile
		w.ended(c)
		if r := w.record(); len(r.Legs) != 2 || r.Legs[1].SIPCode != 486 {
			t.Errorf("menu: %+v", r.Legs)
		}
	}, func(o *Options) { o.Emergency = []string{"112", "bridge1099"} })
}
