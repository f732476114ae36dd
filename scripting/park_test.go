package scripting

import (
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
)

const parkScript = `
	local slot = call.number
	if slot:match("^call") then
		local other = parking.list()[1]
		local r = call:bridge("call:" .. other.id)
		say(r.state, r.code, r.by)
	elseif slot:match("^70") then
		local r, why = call:park(slot, { music = "tone:425/60000", timeout = slot == "709" and 20 or nil })
		if r then
			say(r.slot, r.why, r.by, r.seconds > 0.5, r.call ~= nil)
			if r.why == "timeout" then call:bridge("user:1001", { timeout = 5 }) end
			return
		end
		say(why)
		r = call:bridge("park:" .. slot, { max = 30 })
		say(r.state, r.by)
	else
		local r = call:bridge("park:" .. slot)
		say(r.state, r.code, r.reason)
	end
`

// talkBothWays checks that two phones hear each other, and nobody else.
func (w *world) talkBothWays(a, b *phone.Call) {
	w.t.Helper()
	w.hums(a, "400")
	w.hums(b, "700")
	time.Sleep(time.Second)
	assertTones(w.t, "the one", w.hears(a, time.Second), 700)
	assertTones(w.t, "the other", w.hears(b, time.Second), 400)
}

func TestPark(t *testing.T) {
	inWorld(t, report(parkScript), func(w *world) {
		a := w.joins("anne", "701")
		assertTones(t, "who is parked", w.hears(a, time.Second), 425)
		if list := w.server.Parked(); len(list) != 1 || list[0].Slot != "701" || list[0].From.User != "anne" {
			t.Errorf("parked: %+v", list)
		}
		b := w.joins("bert", "701")
		w.talkBothWays(a, b)
		if list := w.server.Parked(); len(list) != 0 {
			t.Errorf("still parked: %+v", list)
		}
		r := w.record()
		if says(r) != "701 retrieved callee true true" || r.Call.State != "answered" {
			t.Errorf("who was parked: %q, %s", says(r), r.Call.State)
		}
		w.hangup(b)
		w.ended(a)
		s := w.record()
		if says(s) != "taken\nanswered caller" || s.Call.LinkedID != r.Call.ID || len(s.Legs) != 2 {
			t.Errorf("who took it up: %q, linked to %s of %s, %d legs", says(s), s.Call.LinkedID, r.Call.ID, len(s.Legs))
		}

		// The slot is free again; a caller who is there already may hang up, too.
		a, b = w.joins("anne", "701"), w.joins("bert", "701")
		w.record()
		w.hangup(a)
		w.ended(b)
		if s := w.record(); says(s) != "taken\nanswered callee" {
			t.Errorf("the one who is left: %q", says(s))
		}
	})
}

func TestParkEnds(t *testing.T) {
	inWorld(t, report(parkScript), func(w *world) {
		back := w.answers(w.phone("1001", true), time.Second)
		a := w.joins("anne", "709")
		w.talkBothWays(a, <-back)
		w.hangup(a)
		if r := w.record(); says(r) != "709 timeout system true false" {
			t.Errorf("after the time is over: %q", says(r))
		}
		a = w.joins("anne", "702")
		time.Sleep(time.Second)
		w.hangup(a)
		if r := w.record(); says(r) != "702 hangup caller true false" {
			t.Errorf("after a hangup: %q", says(r))
		}
		if code := w.refused("799"); code != 404 {
			t.Errorf("an empty slot: %d", code)
		}
		if r := w.record(); says(r) != "failed 404 nobody is parked there" {
			t.Errorf("an empty slot: %q", says(r))
		}
	})
}

// TestCallTarget brings a caller who waits somewhere to whoever asks for the call by its id.
func TestCallTarget(t *testing.T) {
	inWorld(t, report(parkScript), func(w *world) {
		a := w.joins("anne", "703")
		b := w.joins("bert", "call")
		w.talkBothWays(a, b)
		if r := w.record(); says(r) != "703 retrieved callee false true" {
			t.Errorf("who was parked: %q", says(r))
		}
		w.hangup(a)
		w.ended(b)
		if r := w.record(); says(r) != "answered 200 callee" {
			t.Errorf("who asked for it: %q", says(r))
		}
	})
}

func TestCallTargetOfOthers(t *testing.T) {
	inWorld(t, report(`
		if call.number == "menu" then
			local keys, why = call:gather{ timeout = 600, max = 2 }
			say(keys, why)
		elseif call.number == "talk" then
			local r = call:bridge("user:1001")
			say(r.state, r.by)
		elseif call.number == "slow" then
			call:ring() call:sleep(600)
		else
			local other
			for _, c in ipairs(calls.list()) do if c.number == call.number:sub(6) then other = c.id end end
			local leg, why = call:dial("call:" .. (other or "nobody"), { on_answer = function(l) return not l:header("X-No") end })
			if not leg then say(why.code, why.state) return end
			say(leg.target == "call:" .. other, call:bridge(leg).by)
		end
	`), func(w *world) {
		w.answers(w.phone("1001", true), 0)
		a := w.joins("anne", "menu")
		taker := w.joins("bert", "from-menu")
		w.talkBothWays(a, taker)
		if r := w.record(); says(r) != "nil moved" {
			t.Errorf("the menu's script: %q", says(r))
		}
		w.hangup(taker)
		w.ended(a)
		if r := w.record(); says(r) != "true caller" {
			t.Errorf("who took the call: %q", says(r))
		}
		c := w.joins("carl", "talk")
		dora := w.phone("dora", false)
		go func() { _, _ = dora.Dial(w.ctx, "sip:slow@"+serverAddr, phone.DialOptions{}) }()
		time.Sleep(time.Second)
		for number, want := range map[string]string{"from-talk": "486 busy", "from-slow": "480 noanswer", "from-none": "404 failed"} {
			w.refused(number)
			if r := w.record(); says(r) != want {
				t.Errorf("%s: %q, want %q", number, says(r), want)
			}
		}
		w.hangup(c)
	})
}

// TestOperatorFetchesTheParked connects somebody who talks with somebody who is parked.
func TestOperatorFetchesTheParked(t *testing.T) {
	inWorld(t, report(`
		if call.number == "701" then
			say(call:park("701").why)
		else
			say(call:bridge("user:1001").by)
		end
	`), func(w *world) {
		calls := w.answers(w.phone("1001", true), 0)
		a := w.joins("anne", "701")
		b := w.joins("bert", "talk")
		first := <-calls
		for _, c := range w.server.Calls(w.ctx) {
			call, ok := w.server.Call(c.ID)
			if c.Number == "701" || !ok {
				continue
			}
			if err := call.Transfer(w.ctx, "park:799", "a"); err == nil || !strings.Contains(err.Error(), "404") {
				t.Errorf("nobody is there: %v", err)
			}
			if err := call.Transfer(w.ctx, "park:701", "a"); err != nil {
				t.Error(err)
			}
		}
		w.ended(first)
		w.talkBothWays(a, b)
		if r := w.record(); says(r) != "retrieved" {
			t.Errorf("who was parked: %q", says(r))
		}
		w.hangup(a)
		w.ended(b)
	})
}
