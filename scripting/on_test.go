package scripting

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/media"
)

func TestOnWatchesWhileTheScriptWaits(t *testing.T) {
	inWorld(t, report(`
		local seen = {}
		local function note(event)
			call:on(event, function(value, who) seen[#seen + 1] = event .. ":" .. value .. ":" .. who end)
		end
		for _, e in ipairs{ "dtmf", "hold", "resume", "refer", "info", "hangup" } do note(e) end
		call:bridge("user:1001")
		call.vars.seen = table.concat(seen, " ")
		say(#seen)
	`), func(w *world) {
		calls := w.answers(w.phone("1001", true), time.Second)
		c := w.caller("5")
		b := <-calls
		time.Sleep(time.Second)
		for _, step := range []func() error{
			func() error { return c.Press(w.ctx, "4") },
			func() error { return c.Hold(w.ctx) },
			func() error { time.Sleep(time.Second); return c.Resume(w.ctx) },
			func() error { return b.Info(w.ctx, "text/plain", []byte("hello")) },
		} {
			if err := step(); err != nil {
				t.Log(err) // the other phone may refuse an INFO; the script still sees it
			}
			time.Sleep(time.Second)
		}
		w.hangup(b)
		w.ended(c)
		r := w.record()
		for _, want := range []string{"dtmf:4:caller", "hold::caller", "resume::caller", "info:hello:callee"} {
			if !strings.Contains(r.Call.Vars, want) {
				t.Errorf("%q is not in %s", want, r.Call.Vars)
			}
		}
	})
}

func TestOnHangupRunsAfterTheCall(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		call:on("hangup", function() call.vars.told = "yes" end)
		call:on("dtmf", function() error("on purpose") end)
		call:answer()
		call:sleep(60)
	end }`, func(w *world) {
		c := w.caller("5")
		time.Sleep(time.Second)
		if err := c.Press(w.ctx, "1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.hangup(c)
		r := w.record()
		if !strings.Contains(r.Call.Vars, `"told":"yes"`) || !strings.Contains(r.Call.ScriptError, "on purpose") {
			t.Errorf("vars %s, error %q", r.Call.Vars, r.Call.ScriptError)
		}
	})
}

func TestDirectMediaFromLua(t *testing.T) {
	inWorld(t, report(`say(call:bridge("user:1001", { media = "direct" }).state)`), func(w *world) {
		calls := w.answers(w.phone("1001", true), time.Second)
		c := w.caller("5")
		b := <-calls
		time.Sleep(2 * time.Second)
		if _, used := w.media.Ports(); used != 2 { // those of the two phones, on the same engine
			t.Errorf("%d ports in use, want only the phones' 2", used)
		}
		if n := c.Stats().RxPackets; n == 0 {
			t.Error("the caller hears nothing")
		}
		w.hangup(c)
		w.ended(b)
		if r := w.record(); r.Legs[1].MediaMode != "direct" {
			t.Errorf("media_mode %q", r.Legs[1].MediaMode)
		}
	})
}

func TestRedirectHandedToTheScript(t *testing.T) {
	inWorld(t, report(`
		local leg, failure = call:dial("user:1001", { redirects = false })
		say(tostring(leg), failure.code, failure.contacts[1])
	`), func(w *world) {
		w.incoming(w.phone("1001", true), rejects(302, sip.NewHeader("Contact", "<sip:carol@10.0.9.9>")))
		_, _ = w.dial("5")
		if got := says(w.record()); got != "nil 302 sip:carol@10.0.9.9" {
			t.Errorf("got %q", got)
		}
	})
}

func TestOnSilence(t *testing.T) {
	inWorld(t, report(`
		local times = 0
		call:on("silence", function(_, who) times = times + 1; say("silence", who, call.state) end)
		call:answer()
		call:sleep(20)
		say(times)
	`), func(w *world) {
		c := w.joins("anne", "5")
		time.Sleep(time.Second)
		for range 2 {
			w.hums(c, "400")
			time.Sleep(3 * time.Second)
			c.Session().Play(nil, media.PlayOptions{}) // ends the tone
			time.Sleep(4 * time.Second)
		}
		w.ended(c)
		if got, want := says(w.record()), "silence caller answered\nsilence caller answered\n2"; got != want {
			t.Errorf("the script says:\n%s\nwant:\n%s", got, want)
		}
	})
}
