package scripting

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
	"tandem/scripting/database"
)

// told writes what a function returned, as a test expects it.
const told = `
local function told(...)
	local first, second = ...
	if type(first) == "table" then first = "{" .. (first.why or first.by) .. "}" end
	return tostring(first) .. (select("#", ...) > 1 and " " .. tostring(second) or "")
end
`

// hungUp are the ways to use each of a call's methods, and what it returns when the caller has
// gone, be it while it waits or before.
var hungUp = map[string]struct{ arguments, want string }{
	"ring": {"", "nil hangup"}, "progress": {`{ play = "goodbye" }`, "nil hangup"}, "answer": {"", "nil hangup"},
	"reject": {"486", "nil hangup"}, "redirect": {`"sip:bob@10.9.9.9"`, "nil hangup"}, "hangup": {"", "nil hangup"},
	"play": {`"silence:600"`, "nil hangup"}, "gather": {"{ timeout = 600 }", "nil hangup"},
	"menu": {`{ timeout = 600, ["1"] = "back" }`, "nil hangup"}, "say": {`("1"):rep(200), { as = "digits" }`, "nil hangup"},
	"record":    {`"x", { max = 600, silence = 600, beep = false }`, "{hangup}"},
	"send_dtmf": {`("1,"):rep(60)`, "nil hangup"}, "flush": {"", "nil hangup"}, "sleep": {"600", "nil hangup"}, "echo": {"", "nil hangup"},
	"pause_playing": {"", "nil hangup"}, "resume_playing": {"", "nil hangup"}, "seek_playing": {"1", "nil hangup"},
	"start_recording": {`"y"`, "nil hangup"}, "pause_recording": {"", "nil hangup"}, "resume_recording": {"", "nil hangup"}, "stop_recording": {"", "nil hangup"},
	"hold_music": {`"goodbye"`, "nil hangup"}, "dial": {`"user:1002", { timeout = 600 }`, "nil hangup"},
	"bridge": {`"user:1002", { timeout = 600, ringback = "none" }`, "{caller}"}, "route": {`"wait"`, "nil hangup"},
	"refer": {`"sip:bob@10.9.9.9"`, "nil hangup"}, "park": {`"701"`, "{hangup}"}, "conference": {`"room"`, "{caller}"},
	"queue": {`"q", { agents = { "user:1003" }, max_wait = 600 }`, "{hangup}"},
}

// Each method of a call tells that the caller has hung up: "then and from then on".
func TestAfterHangup(t *testing.T) {
	script, want := told+"return { on_call = function(call)\ncall:answer()\ncall:sleep(600)\n", []string{}
	for _, m := range callClass().methods {
		switch m.name {
		case "header", "headers", "on", "stream": // they do not wait, and the last is not built
			continue
		}
		how, ok := hungUp[m.name]
		if !ok {
			t.Errorf("call:%s is not tried", m.name)
		}
		script += fmt.Sprintf("log.info(%q .. told(call:%s(%s)))\n", m.name+": ", m.name, how.arguments)
		want = append(want, m.name+": "+how.want)
	}
	inWorld(t, script+`log.info(call.state .. " " .. call.number .. " " .. tostring(call:header("Nothing"))) end }`, func(w *world) {
		c := w.caller("700")
		time.Sleep(time.Second)
		began := time.Now()
		w.hangup(c)
		r := w.record()
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		want = append(want, "ended 700 nil")
		if got := says(r); got != strings.Join(want, "\n") || r.Call.ScriptError != "" {
			t.Errorf("got\n%s\nwant\n%s\n%s", got, strings.Join(want, "\n"), r.Call.ScriptError)
		}
	})
}

// What waits for the caller in any way ends at once when the caller hangs up, with its table
// or with nil and "hangup".
func TestHangupEndsEachWait(t *testing.T) {
	for _, name := range []string{"record", "dial", "bridge", "route", "park", "conference", "queue"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, told+`return { on_call = function(call)
				if call.number == "wait" then return call:sleep(600) end
				call:answer()
				local result = told(call:`+name+`(`+hungUp[name].arguments+`))
				log.info(result .. " " .. call.state)
				log.info(told(call:play("goodbye")))
			end }`, func(w *world) {
				w.incoming(w.phone("1002", true), rings)
				c := w.caller("1")
				time.Sleep(3 * time.Second)
				began := time.Now()
				w.hangup(c)
				r := w.record()
				if took := time.Since(began); took > 300*time.Millisecond {
					t.Errorf("the script went on for %v", took)
				}
				if got := says(r); strings.TrimPrefix(got, "routed to wait\n") != hungUp[name].want+" ended\nnil hangup" {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

// A caller who gives up before the answer ends a prompt of early media and a dial alike.
func TestCancelEndsEachWait(t *testing.T) {
	for name, arguments := range map[string]string{
		"progress": `{ play = { "main-menu", "main-menu", "main-menu" } }`, "dial": `"user:1002", { timeout = 600 }`, "sleep": "600",
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, told+"return { on_call = function(call) log.info(told(call:"+name+"("+arguments+")) .. ' ' .. call.state) end }", func(w *world) {
				w.incoming(w.phone("1002", true), rings)
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				defer cancel()
				if _, err := w.phone("alice", false).Dial(ctx, "sip:1@"+serverAddr, phone.DialOptions{}); err == nil {
					t.Error("answered")
				}
				if got := says(w.record()); got != "nil hangup ended" {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

// A statement that is being done when the caller hangs up goes on, and what is not done 5 s
// later is given up.
func TestStatementsOfTheGone(t *testing.T) {
	dir := t.TempDir()
	t.Parallel()
	inWorldOf(t, map[string]string{"50-main.lua": `return { on_call = function(call)
		call:answer()
		log.info("changed " .. tostring(db.named("crm"):exec("insert into t values (?)", call.number)))
	end }`}, func(w *world) {
		crm, _ := w.engine.dbs.find("crm")
		if _, err := crm.Exec(w.ctx, "create table t (a)", nil); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			number     string
			held, took time.Duration
			says       string
		}{{"soon", 3 * time.Second, 3 * time.Second, "changed 1"}, {"late", 20 * time.Second, tidyUp, ""}} {
			tx, err := crm.Begin(w.ctx) // has the only connection
			if err != nil {
				t.Fatal(err)
			}
			c := w.caller(tt.number)
			time.Sleep(time.Second)
			began := time.Now()
			w.hangup(c)
			time.AfterFunc(tt.held, tx.Rollback)
			r := w.record()
			if took := time.Since(began); took < tt.took || took > tt.took+time.Second {
				t.Errorf("%s: the script went on for %v", tt.number, took)
			}
			if got := says(r); !strings.Contains(got, tt.says) || (tt.says == "") != strings.Contains(r.Call.ScriptError, errGrace.Error()) {
				t.Errorf("%s: it says %q and %q", tt.number, got, r.Call.ScriptError)
			}
			time.Sleep(30 * time.Second)
		}
		rows, err := crm.Query(w.ctx, "select a from t", nil)
		if err != nil || fmt.Sprint(rows.Values) != "[[soon]]" {
			t.Errorf("left: %v, %v", rows.Values, err)
		}
	}, func(o *Options) {
		o.Databases = map[string]database.Source{"crm": {URL: "sqlite:" + filepath.Join(dir, "crm.db"), Timeout: time.Minute, Connections: 1}}
	})
}
