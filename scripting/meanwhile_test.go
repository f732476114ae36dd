package scripting

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tandem/b2bua/phone"
	"tandem/store"
)

// quiet fails unless everything beside scripts has ended.
func (w *world) quiet() {
	w.t.Helper()
	for range 600 {
		synctest.Wait()
		b := &w.engine.beside
		b.mu.Lock()
		n := b.n
		b.mu.Unlock()
		calls := int64(0)
		for _, g := range w.engine.Status().Generations {
			calls += g.Calls
		}
		if n == 0 && calls == 0 {
			return
		}
		time.Sleep(time.Second) // virtual
	}
	w.t.Error("functions beside scripts go on")
}

// Functions of spawn and timer.after share the script's variables, and run one at a time while
// the others wait.
func TestSpawnSharesTheVariables(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		local n, running = 0, 0
		local function work(times, wait)
			for i = 1, times do
				running = running + 1
				assert(running == 1)
				n = n + 1
				running = running - 1
				call:sleep(wait)
			end
		end
		call:answer()
		assert(spawn(work, 3, 1))
		spawn(function() work(3, 0.7) end)
		timer.after(2, function() n = n + 100 end)
		local cancelled = timer.after(2, function() n = n + 1000 end)
		assert(cancelled:cancel() and not cancelled:cancel())
		work(3, 2)
		log.info("n is " .. n)
		call:hangup()
	end }`, func(w *world) {
		w.ended(w.caller("5"))
		if r := w.record(); says(r) != "n is 109" || r.Call.ScriptError != "" {
			t.Errorf("%q, %s", says(r), r.Call.ScriptError)
		}
		w.quiet()
	})
}

// A hangup ends a timer within 5 s, and a spawned function not at all.
func TestSpawnOutlivesTheCall(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		local id = call.id
		timer.after(3, function() shared.set("soon", call.state) end)
		timer.after(9, function() shared.set("late", "yes") end)
		spawn(function()
			call:answer()
			call:sleep(600)
			local why = select(2, call:play("tone:busy"))
			timer.after(30, function() shared.set("free", id .. why) end)
		end)
		call:answer()
		call:sleep(600)
	end }`, func(w *world) {
		c := w.caller("5")
		time.Sleep(time.Second)
		w.hangup(c)
		r := w.record()
		w.quiet()
		for key, want := range map[string]string{"soon": "ended", "late": "", "free": r.Call.ID + "hangup"} {
			if got := w.shared(key); got != want {
				t.Errorf("%s is %q; want %q", key, got, want)
			}
		}
		if r.Call.ScriptError != "" {
			t.Error(r.Call.ScriptError)
		}
	})
}

// shared is what scripts keep under a key, or "".
func (w *world) shared(key string) string {
	w.t.Helper()
	text, err := eval(w.t, w.engine, `return shared.get("`+key+`") or ""`)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// Whatever waits for the call ends with it at once, in every function of the script.
func TestHangupEndsWhatWaits(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		local ended = {}
		local function wait(name, fn)
			spawn(function()
				local first, second = fn()
				ended[#ended + 1] = name .. " " .. (type(first) == "table" and (first.by or first.why) or tostring(first) .. " " .. tostring(second))
			end)
		end
		call:answer()
		wait("play", function() return call:play("silence:600") end)
		wait("gather", function() return call:gather{ timeout = 600 } end)
		wait("sleep", function() return call:sleep(600) end)
		wait("dial", function() return call:dial("user:1002", { timeout = 600 }) end)
		wait("bridge", function() return call:bridge("user:1002", { timeout = 600, ringback = "none" }) end)
		wait("record", function() return call:record("x", { max = 600, silence = 600, beep = false }) end)
		wait("menu", function() return call:menu{ timeout = 600, ["1"] = "back" } end)
		call:sleep(600)
		local began = time.now()
		call:sleep(1)
		timer.after(1, function() end)
		http.get("http://x/1")
		table.sort(ended)
		log.info(table.concat(ended, ", "))
	end }`, func(w *world) {
		w.incoming(w.phone("1002", true), rings)
		c := w.caller("5")
		time.Sleep(5 * time.Second)
		w.hangup(c)
		r := w.record()
		want := "bridge caller, dial nil hangup, gather nil hangup, menu nil hangup, play nil hangup, record hangup, sleep nil hangup"
		if got := says(r); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		w.quiet()
	}, func(o *Options) { o.HTTP = slowly{time.Second} })
}

// Errors of functions beside the script go to the log and to the record, and the call goes on.
func TestErrorsBeside(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		call:answer()
		local function fails() error("on purpose") end
		spawn(function() fails() end)
		call:sleep(1)
		timer.after(0, function() local x = nil; x() end)
		call:sleep(1)
		log.info("goes on")
	end }`, func(w *world) {
		w.ended(w.caller("5"))
		r := w.record()
		if !strings.HasPrefix(r.Call.ScriptError, "50-main.lua:3: on purpose\nstack traceback") || !strings.Contains(says(r), "goes on") {
			t.Errorf("%s\n%s", r.Call.ScriptError, says(r))
		}
		for _, part := range []string{"in=spawn", "in=timer.after", "call=" + r.Call.ID, "50-main.lua:6:"} {
			if !strings.Contains(w.log.String(), part) {
				t.Errorf("%s is not in the log", part)
			}
		}
		w.quiet()
	})
}

// There is a bound to how many functions run beside a script.
func TestBoundsBeside(t *testing.T) {
	t.Parallel()
	inWorldOf(t, map[string]string{"50-main.lua": `return { on_call = function(call)
		call:answer()
		local n, why = 0
		repeat
			local ok
			ok, why = spawn(function() call:sleep(600) end)
			if ok then n = n + 1 end
		until not ok
		log.info(n .. " " .. why)
		local ok, late = timer.after(1, function() end)
		log.info(tostring(ok) .. " " .. late)
		log.info(tostring(originate{ to = "user:1002", on_answer = function() end }))
		call:sleep(600)
	end }`}, func(w *world) {
		c := w.caller("many")
		time.Sleep(time.Second)
		w.hangup(c)
		if got, want := says(w.record()), "64 too many functions beside this script\nnil too many functions beside this script\nnil"; got != want {
			t.Errorf("got %q", got)
		}
		w.quiet()
	})
}

// A function beside a script burns the same budgets.
func TestLoopBeside(t *testing.T) {
	t.Parallel()
	o := testOptions("")
	written := &logBuffer{}
	o.CallCPU, o.Log = 50*time.Millisecond, slog.New(slog.NewTextHandler(written, nil))
	e := newTestEngine(t, o)
	for _, text := range []string{"spawn(function() while true do end end)", "timer.after(0, function() while true do pcall(function() while true do end end) end end)"} {
		if _, err := eval(t, e, text); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); strings.Count(written.String(), "call_cpu") < 2; {
		if time.Now().After(deadline) {
			t.Fatalf("they run on:\n%s", written)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Nothing may be left behind by the top level of a file, by on_load or on_dial.
func TestBesideRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"spawn(function() end) return {}":                                            "spawn: cannot be used at the top level of a file",
		"timer.after(1, function() end) return {}":                                   "timer.after: cannot be used at the top level",
		"return { on_load = function() spawn(function() end) end }":                  "spawn: cannot be used in on_load",
		"return { on_load = function() timer.after(1, function() end) end }":         "timer.after: cannot be used in on_load",
		"return { on_load = function() timer.after(1e6, function() end) end }":       "seconds must be at most 86400",
		"return { on_load = function() spawn(7) end }":                               "fn must be a function",
		"return { on_load = function() originate{ to = 'user:1' } end }":             "on_answer is missing",
		"return { on_load = function() originate{ to = 'user:1', onanswer=1 } end }": "unknown option \"onanswer\"",
	} {
		e := newEngine(testOptions(scriptDir(t, map[string]string{"50-main.lua": text})))
		if errs := e.Reload(); len(errs) != 1 || !strings.Contains(errs[0].Message, want) {
			t.Errorf("%q: %v; want %q", text, errs, want)
		}
		e.Close()
	}
}

// A script calls somebody, and talks to who answers, beside the call that it serves.
func TestOriginate(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		local heard
		local id = originate{ to = "user:1001", from = "700", display = "Us", headers = { ["X-Job"] = "7" }, timeout = 20,
			on_answer = function(c)
				c:on("hangup", function() shared.set("hungup", c.state) end)
				c.vars.of = call.id
				log.info("answered " .. c.state .. " " .. c.from.user .. " " .. c.to.user .. " " .. tostring(c.user) .. " " .. c.source.transport)
				heard = c:gather{ max = 2, timeout = 30 }
				c:bridge("user:1002", { max = 3 })
			end }
		assert(id and id ~= call.id)
		call:answer()
		call:sleep(10)
		log.info("heard " .. tostring(heard) .. " by " .. id)
		call:hangup()
	end }`, func(w *world) {
		asked := w.answers(w.phone("1001", true), time.Second)
		other := w.answers(w.phone("1002", true), time.Second)
		c := w.caller("5")
		a := <-asked
		if v := a.Invite().From(); v.Address.User != "700" || v.DisplayName != "Us" || a.Invite().GetHeader("X-Job").Value() != "7" {
			t.Errorf("the INVITE is\n%s", a.Invite())
		}
		time.Sleep(time.Second)
		w.press(a, "42")
		b := <-other
		if v := b.Invite().From(); v.Address.User != "700" {
			t.Errorf("the second sees %s", v.Value())
		}
		w.ended(b)
		w.ended(a)
		made, first := w.record(), w.record()
		if first.Call.FromUser == "700" {
			made, first = first, made
		}
		w.ended(c)
		if says(first) != "heard 42 by "+made.Call.ID || made.Call.LinkedID != first.Call.ID {
			t.Errorf("%q; the new call is %s of %s", says(first), made.Call.ID, made.Call.LinkedID)
		}
		if got := says(made); got != "answered answered 700 1001 1001 udp" || !strings.Contains(made.Call.Vars, first.Call.ID) || made.Call.Script != "50-main.lua" ||
			made.Call.State != store.StateAnswered || made.Call.ToUser != "1001" || made.Call.ReleasedBy != "script" {
			t.Errorf("%q, record %+v", got, made.Call)
		}
		if w.shared("hungup") == "" {
			t.Error("on hangup did not run")
		}
		w.quiet()
	})
}

// The script of an on_message calls back; those who do not answer are told of by on_failure.
func TestOriginateInVain(t *testing.T) {
	inWorld(t, `local function try(n)
		originate{ to = "user:" .. n, from = "700", timeout = 5, on_answer = function() shared.set(n, "answered") end,
			on_failure = function(f)
				shared.set(n, f.code .. " " .. f.state)
				if n == 1003 then timer.after(60, function() try(1004) end) end
			end }
	end
	return { on_call = function(call)
		call:answer()
		for n = 1001, 1003 do try(n) end
	end }`, func(w *world) {
		w.incoming(w.phone("1001", true), rejects(486))
		w.incoming(w.phone("1002", true), rings)
		w.ended(w.caller("5"))
		w.quiet()
		for user, want := range map[string]string{"1001": "486 busy", "1002": "480 noanswer", "1003": "480 failed", "1004": "480 failed"} {
			if got := w.shared(user); got != want {
				t.Errorf("%s: %q; want %q", user, got, want)
			}
		}
		states := map[string]string{}
		for range 5 {
			r := w.record()
			states[r.Call.ToUser] = r.Call.State
		}
		if states["1001"] != "busy" || states["1002"] != "noanswer" || states["1004"] != "failed" {
			t.Errorf("records %v", states)
		}
	})
}

// The call that has begun it all answers for whom it calls: on_dial is asked with it.
func TestOriginateIsScreened(t *testing.T) {
	t.Parallel()
	inWorldOf(t, map[string]string{
		"10-guard.lua": `return { on_dial = function(call, target)
			log.info(call.id .. " dials " .. target)
			if target ~= "user:1001" then return false, 403, "No" end
		end }`,
		"50-main.lua": `return { on_call = function(call)
			originate{ to = { "user:1001", "user:1002" }, on_answer = function(c) log.info("got " .. c:bridge("user:1003").code) end }
			call:answer()
			call:sleep(8)
		end }`,
	}, func(w *world) {
		calls := w.answers(w.phone("1001", true), time.Second)
		for _, user := range []string{"1002", "1003"} {
			w.incoming(w.phone(user, true), func(*phone.Call) { t.Errorf("%s was called", user) })
		}
		c := w.caller("5")
		w.ended(<-calls)
		made := w.record()
		w.ended(c)
		first := w.record()
		got := says(first) + "\n" + says(made)
		for _, want := range []string{first.Call.ID + " dials user:1001", first.Call.ID + " dials user:1002", first.Call.ID + " dials user:1003", "got 403"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in\n%s", want, got)
			}
		}
		w.quiet()
	})
}

// An error of on_answer ends its call and no other.
func TestOriginateFails(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		originate{ to = "user:1001", on_answer = function(c) c:sleep(1) error("on purpose") end }
		call:answer()
		call:sleep(8)
		log.info("goes on")
	end }`, func(w *world) {
		calls := w.answers(w.phone("1001", true), time.Second)
		c := w.caller("5")
		w.ended(<-calls)
		made := w.record()
		w.ended(c)
		if first := w.record(); says(first) != "goes on" || first.Call.ScriptError != "" || !strings.Contains(made.Call.ScriptError, "on purpose") {
			t.Errorf("%q %q; %q", says(first), first.Call.ScriptError, made.Call.ScriptError)
		}
		w.quiet()
	})
}

// Two who answer at once are asked one after the other; who declines is hung up.
func TestOnAnswerTakesTurns(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		local asking = 0
		local result = call:bridge({ "user:1001", "user:1002" }, { timeout = 20, max = 2, on_answer = function(leg)
			assert(asking == 0)
			asking = asking + 1
			local key = leg:gather{ prompt = "silence:1", max = 1, timeout = 8 }
			asking = asking - 1
			log.info(leg.target .. " pressed " .. tostring(key))
			return key == "1"
		end })
		log.info(result.state)
	end }`, func(w *world) {
		one, two := w.answers(w.phone("1001", true), time.Second), w.answers(w.phone("1002", true), time.Second)
		done := make(chan struct{})
		go func() {
			_, _ = w.dial("5")
			close(done)
		}()
		a, b := <-one, <-two
		time.Sleep(2 * time.Second)
		_, _ = a.Press(w.ctx, "9"), b.Press(w.ctx, "1") // who is not wanted any more may be gone
		w.ended(a)
		w.ended(b)
		<-done
		r := w.record()
		got := says(r) + r.Call.ScriptError
		if !strings.Contains(got, "user:1002 pressed 1") || !strings.HasSuffix(got, "answered") {
			t.Errorf("the script says %s", got)
		}
		w.quiet()
	})
}
