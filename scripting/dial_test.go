package scripting

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/phone"
	"tandem/store"
)

func TestBridge(t *testing.T) {
	inWorld(t, report(`
		local r = call:bridge("user:1001", { timeout = 20, headers = { ["X-Queue"] = "sales", ["X-Two"] = { "a", "b" } }, display = "Sales", from = "900" })
		say(r.state, r.code, r.reason, math.floor(r.seconds + 0.5), r.by)
		say(call.state)
		if call.state == "answered" then say(call:play("goodbye")) end
	`), func(w *world) {
		calls := w.answers(w.phone("1001", true), 3*time.Second)
		c := w.caller("5")
		b := <-calls
		inv := b.Invite()
		if h := inv.GetHeader("X-Queue"); h == nil || h.Value() != "sales" || len(inv.GetHeaders("X-Two")) != 2 {
			t.Errorf("headers of the INVITE: %v", inv)
		}
		if f := inv.From(); f.Address.User != "900" || f.DisplayName != "Sales" {
			t.Errorf("From of the INVITE: %v", f)
		}
		time.Sleep(4 * time.Second)
		w.hangup(b)
		w.ended(c)
		if got, want := says(w.record()), "answered 200 OK 4 callee\nanswered\ndone"; got != want {
			t.Errorf("the callee leaves: %q; want %q", got, want)
		}
		c = w.caller("5")
		<-calls
		time.Sleep(6 * time.Second)
		w.hangup(c)
		if got, want := says(w.record()), "answered 200 OK 6 caller\nended"; got != want {
			t.Errorf("the caller leaves: %q; want %q", got, want)
		}
	})
}

func TestBridgeCancelled(t *testing.T) {
	inWorld(t, report(`
		local r = call:bridge("user:1001")
		say(r.state, r.by, call.state, select(2, call:play("goodbye")))
	`), func(w *world) {
		w.incoming(w.phone("1001", true), rings)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := w.phone("alice", false).Dial(ctx, "sip:5@"+serverAddr, phone.DialOptions{}); err == nil {
			t.Error("answered")
		}
		r := w.record()
		if got := says(r); got != "cancelled caller ended hangup" || r.Call.State != store.StateCancelled {
			t.Errorf("got %q, state %s", got, r.Call.State)
		}
	})
}

func TestDial(t *testing.T) {
	inWorld(t, report(`
		call:answer()
		local leg, f = call:dial("user:nobody")
		say(leg, f.code, f.reason, f.state)
		leg, f = call:dial("user:1002", { timeout = 3 })
		say(leg, f.code, f.state)
		leg, f = call:dial({ "user:1003", "user:1001" }, { strategy = "serial" })
		say(leg ~= nil, leg.target, leg:header("X-Desk"))
		leg.vars.seen = true
		say(leg:gather{ prompt = "goodbye", max = 2 })
		say(leg:play("goodbye"))
		say(leg:say(12, { as = "number" }))
		say(leg:send_dtmf("5"))
		local r = call:bridge(leg, { max = 4 })
		say(r.state, math.floor(r.seconds + 0.5), r.by, leg.vars.seen)
		say(leg:play("goodbye"))
		local again = call:bridge(leg)
		say(again.state)
		leg = call:dial("user:1001")
		say(leg:hangup())
		say(leg:play("goodbye"))
		say(pcall(function() return leg.foo end))
		say(pcall(function() leg.target = 1 end))
		call:sleep(1)
	`), func(w *world) {
		calls := w.answers(w.phone("1001", true), time.Second)
		w.incoming(w.phone("1002", true), rings)
		w.incoming(w.phone("1003", true), rejects(486, sip.NewHeader("X-Desk", "3")))
		c := w.caller("1")
		b := <-calls
		time.Sleep(2 * time.Second)
		w.press(b, "42")
		if got, err := b.WaitDigits(w.ctx, 1); got != "5" {
			t.Errorf("the leg's phone got the keys %q, %v", got, err)
		}
		w.ended(c)
		want := []string{
			"nil 480 not registered failed", "nil 480 noanswer", "true user:1001 nil", "42 max", "done", "done", "true",
			"answered 4 system true", "nil hangup", "failed", "true", "nil hangup",
			"false a leg has no property or method foo", "false leg.target cannot be set; keep things of your own in leg.vars",
		}
		if got := says(w.record()); got != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
}

// on_answer runs while call:bridge waits; what it changes the rest of the script sees.
func TestOnAnswer(t *testing.T) {
	inWorld(t, report(`
		local asked = {}
		local r = call:bridge({ "user:1001", "user:1002" }, { on_answer = function(leg)
			asked[#asked + 1] = leg.target
			if leg:gather{ prompt = "goodbye", timeout = 2 } ~= "1" then return false end
		end })
		say(r.state, #asked, asked[1], asked[2])
		if call.number == "2" then
			call:bridge("user:1001", { on_answer = function(leg) error("in on_answer") end })
		end
	`), func(w *world) {
		first := w.answers(w.phone("1001", true), time.Second)
		w.incoming(w.phone("1002", true), func(c *phone.Call) {
			time.Sleep(2 * time.Second)
			_ = c.Answer()
			time.Sleep(4 * time.Second)
			_ = c.Press(w.ctx, "1")
			time.Sleep(5 * time.Second)
			_ = c.Hangup(w.ctx)
		})
		c := w.caller("1")
		<-first
		w.ended(c)
		if got, want := says(w.record()), "answered 2 user:1001 user:1002"; got != want {
			t.Errorf("got %q; want %q", got, want)
		}
		w.ended(w.caller("2"))
		if r := w.record(); !strings.Contains(r.Call.ScriptError, "in on_answer") {
			t.Errorf("an error in on_answer: %q; said %q", r.Call.ScriptError, says(r))
		}
	})
}

// A target route: and our own address run the chain as a call of its own.
func TestRouteTarget(t *testing.T) {
	inWorld(t, report(`
		if call.number == "700" then
			say("inner", call.from.user)
			call:answer()
			call:sleep(2)
			return
		end
		local r = call:bridge(call.number == "1" and "route:700" or "sip:700@10.0.0.1:5060")
		say(r.state, r.by)
	`), func(w *world) {
		for _, number := range []string{"1", "2"} {
			w.ended(w.caller(number))
			a, b := w.record(), w.record()
			got := says(a) + "\n" + says(b)
			if !strings.Contains(got, "inner alice") || !strings.Contains(got, "answered callee") {
				t.Errorf("%s: %q", number, got)
			}
		}
	})
}

func TestDialMisuse(t *testing.T) {
	inWorld(t, report(`
		say(pcall(call.bridge, call))
		say(pcall(call.bridge, call, "1001"))
		say(pcall(call.bridge, call, {}))
		say(pcall(call.dial, call, { 5 }))
		say(pcall(call.bridge, call, call))
		say(pcall(call.dial, call, "user:1", { timout = 5 }))
		say(pcall(call.dial, call, "user:1", { strategy = "random" }))
		say(pcall(call.dial, call, "user:1", { headers = { Via = "x" } }))
		say(pcall(call.dial, call, "user:1", { headers = { ["X-A"] = "x\r\nEvil: y" } }))
		say(pcall(call.dial, call, "user:1", { media = "sideways" }))
		say(pcall(call.dial, call, "user:1", { on_answer = 1 }))
		say(pcall(call.park, call, ""))
		say(pcall(call.stream, call, "wss://example.com"))
		say(pcall(function() return call.numbr end))
		say(pcall(function() call.number = "1" end))
		say(pcall(call.reject, call, 200))
		say(pcall(call.reject, call, 486, "a\nb"))
		say(pcall(call.redirect, call, "nonsense"))
		say(pcall(call.sleep, call, -1))
		say(pcall(call.sleep, call, 0/0))
		say(pcall(call.send_dtmf, call, "x"))
		call:reject(486)
	`), func(w *world) {
		if code := w.refused("1"); code != 486 {
			t.Errorf("code %d", code)
		}
		got := events(w.record(), "script")
		for i, want := range []string{
			`call:bridge: to must be a target such as "user:1001", or a list of them, got nil`,
			`call:bridge: "1001" is not a target`,
			"call:bridge: to: the list is empty",
			`call:dial: targets must be a list of targets such as "user:1001", got number`,
			"call:bridge: to must be a leg or a target",
			`call:dial: unknown option "timout" (did you mean timeout?)`,
			`call:dial: option strategy: "random" is not one of`,
			"call:dial: option headers: header Via is set by the server",
			"call:dial: option headers: header X-A: its value has a line break",
			`call:dial: option media: "sideways" is not one of ["relay" "direct"]`,
			"call:dial: option on_answer must be a function, got number",
			"call:park: slot must be a name of 1 to 128 bytes",
			"call:stream is not built yet",
			"a call has no property or method numbr (did you mean number?)",
			"call.number cannot be set",
			"call:reject: code must be a whole number from 300 to 699, got 200",
			"call:reject: the reason has a line break",
			`call:redirect: "nonsense" is not a SIP URI`,
			"call:sleep: seconds must be a number of seconds, got -1",
			"call:sleep: seconds must be a number of seconds, got NaN",
			`call:send_dtmf: digits: "x" has something that is no key`,
		} {
			if i >= len(got) || !strings.HasPrefix(got[i], "false "+want) {
				t.Fatalf("line %d of\n%s\nwant %s", i, strings.Join(got, "\n"), want)
			}
		}
	})
}

func TestAnswerMethods(t *testing.T) {
	inWorld(t, report(`
		if call.number == "ring" then
			say(call:ring(), call.state, call:progress{ play = "goodbye" }, call:progress())
			say(call:progress{ play = "nowhere" })
			say(call:reject(480, "Later", { ["Retry-After"] = "60" }))
			say(call.state, call:answer())
		elseif call.number == "move" then
			say(call:redirect("sip:a@example.com", "sip:b@example.com"))
		elseif call.number == "answer" then
			say(call:answer{ headers = { ["X-Hello"] = "yes" } })
			say(call:answer(), call:reject(486))
			say(call:ring())
			say(call:hangup(17))
			say(call.state)
		elseif call.number == "cause" then
			call:hangup(17)
		elseif call.number == "facts" then
			say(call.from.user, call.from.host ~= "", call.to.user, call.user, call.trunk, call.source.ip, call.source.transport, #call.id > 8)
			say(call:header("user-agent") ~= "", call:header("X-None"), #call:headers("Via"), call:header("from") == call:header("From"))
			call.vars = { a = 1, list = { 1, 2 } }
			call.vars.b = "two"
			call.vars.bad = print
			call:reject(486)
		end
	`), func(w *world) {
		if code := w.refused("ring"); code != 480 {
			t.Errorf("ring: %d", code)
		}
		if got := says(w.record()); got != "true ringing true true\n50-main.lua:6: prompt not found: nowhere\nnil not found\ntrue\nended nil hangup" {
			t.Errorf("ring: %q", got)
		}
		if code := w.refused("move"); code != 302 {
			t.Errorf("move: %d", code)
		}
		w.record()
		c := w.caller("answer")
		if h := c.Answer2xx().GetHeader("X-Hello"); h == nil {
			t.Error("the 200 lacks the header that was given")
		}
		w.ended(c)
		if got := says(w.record()); !strings.HasPrefix(got, "true\ntrue nil not possible") || !strings.HasSuffix(got, "true\nended") {
			t.Errorf("answer: %q", got)
		}
		if code := w.refused("cause"); code != 486 {
			t.Errorf("a Q.850 cause before the answer: %d", code)
		}
		w.record()
		w.refused("facts")
		r := w.record()
		if got := says(r); !strings.HasPrefix(got, "alice true facts nil nil 10.0.1.") || !strings.Contains(got, "udp true\ntrue nil 1 true") {
			t.Errorf("facts: %q", got)
		}
		if r.Call.Vars != `{"a":1,"b":"two","list":[1,2]}` {
			t.Errorf("vars in the record: %s", r.Call.Vars)
		}
	})
}
