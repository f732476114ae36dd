package scripting

import (
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
)

// superviseScript bridges 1 and 2, and lets other numbers do to the call of 1 what they name.
const superviseScript = `
	if call.number == "1" then
		say(call:bridge("user:1001", { ringback = "none" }).by)
		call:play("tone:1800/400")
		return
	elseif call.number == "room" then
		call:conference("room")
		return
	elseif call.number == "ring" then
		call:ring() call:sleep(60)
		return
	end
	local other
	for _, c in ipairs(calls.list()) do
		if c.number == "1" or call.number:match(c.number) and c.id ~= call.id then other = c end
	end
	local r, why
	if call.number == "play" then
		say(other:play("tone:1400/2000", { to = "callee" }), select(2, other:play("nowhere")))
		say(other:play("tone:1400/2000"))
		say(pcall(other.listen, calls.get(call.id)))
		return
	elseif call.number == "whisper" then r, why = other:whisper()
	elseif call.number == "caller" then r, why = other:whisper{ to = "caller" }
	elseif call.number == "barge" then r, why = other:barge()
	else r, why = other:listen{ keys = true } end
	if r then say(r.by, r.seconds > 0.5) else say(why) end
`

func TestSupervise(t *testing.T) {
	inWorld(t, report(superviseScript), func(w *world) {
		calls := w.answers(w.phone("1001", true), 0)
		a := w.joins("anne", "1")
		agent := <-calls
		w.hums(a, "400")
		w.hums(agent, "700")
		boss := w.joins("boss", "listen")
		w.hums(boss, "1100")
		hears := func(what string, caller, agents, bosss []float64) {
			t.Helper()
			time.Sleep(time.Second)
			assertTones(t, what+": the caller", w.hears(a, time.Second), caller...)
			assertTones(t, what+": the agent", w.hears(agent, time.Second), agents...)
			assertTones(t, what+": the supervisor", w.hears(boss, time.Second), bosss...)
		}
		both := []float64{400, 700}
		hears("listening", []float64{700}, []float64{400}, both)
		w.press(boss, "2")
		hears("whispering", []float64{700}, []float64{400, 1100}, both)
		w.press(boss, "3")
		hears("barged in", []float64{700, 1100}, []float64{400, 1100}, both)
		w.press(boss, "1")
		hears("listening again", []float64{700}, []float64{400}, both)
		w.hangup(boss)
		if r := w.record(); says(r) != "caller true" {
			t.Errorf("the supervisor: %q", says(r))
		}
		time.Sleep(time.Second)
		assertTones(t, "the caller, alone with the agent,", w.hears(a, time.Second), 700)
		assertTones(t, "the agent, alone with the caller,", w.hears(agent, time.Second), 400)

		boss = w.joins("boss", "caller")
		w.hums(boss, "1100")
		hears("whispering to the caller", []float64{700, 1100}, []float64{400}, both)
		w.hangup(agent)
		w.ended(a)
		w.ended(boss)
		for range 2 {
			if r := w.record(); says(r) != "callee true" && says(r) != "callee" {
				t.Errorf("at the end: %q", says(r))
			}
		}
	})
}

// TestSuperviseFollows whom the call talks to, and finds nothing to hear elsewhere.
func TestSuperviseFollows(t *testing.T) {
	inWorld(t, report(superviseScript), func(w *world) {
		calls := w.answers(w.phone("1001", true), 5*time.Second)
		others := w.answers(w.phone("1002", true), 0)
		ring := w.phone("dora", false)
		go func() { _, _ = ring.Dial(w.ctx, "sip:ring@"+serverAddr, phone.DialOptions{}) }()
		time.Sleep(time.Second)
		boss := w.joins("boss", "on-ring")
		w.ended(boss)
		if r := w.record(); !strings.Contains(says(r), "not possible") {
			t.Errorf("a call that rings: %q", says(r))
		}
		room := w.joins("carl", "room")
		boss = w.joins("boss", "on-room")
		w.ended(boss)
		if r := w.record(); says(r) != "that call is in a conference" {
			t.Errorf("a conference: %q", says(r))
		}
		w.hangup(room)
		w.record()

		a := w.joins("anne", "1")
		agent := <-calls
		boss = w.joins("boss", "barge")
		for _, c := range w.server.Calls(w.ctx) {
			if call, ok := w.server.Call(c.ID); ok && c.Number == "1" {
				if err := call.Transfer(w.ctx, "user:1002", "a"); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.ended(agent)
		next := <-others
		w.hums(a, "400")
		w.hums(next, "700")
		w.hums(boss, "1100")
		time.Sleep(time.Second)
		assertTones(t, "the caller", w.hears(a, time.Second), 700, 1100)
		assertTones(t, "the next", w.hears(next, time.Second), 400, 1100)
		assertTones(t, "the supervisor", w.hears(boss, time.Second), 400, 700)
		w.hangup(a)
		w.ended(boss)
		if r := w.record(); says(r) != "callee true" && says(r) != "caller" {
			t.Errorf("at the end: %q", says(r))
		}
	})
}

func TestPlayToACall(t *testing.T) {
	inWorld(t, report(superviseScript), func(w *world) {
		calls := w.answers(w.phone("1001", true), 0)
		a := w.joins("anne", "1")
		agent := <-calls
		w.hums(a, "400")
		w.hums(agent, "700")
		boss := w.phone("boss", false)
		go func() { _, _ = boss.Dial(w.ctx, "sip:play@"+serverAddr, phone.DialOptions{}) }()
		time.Sleep(200 * time.Millisecond)
		assertTones(t, "the agent", w.hears(agent, 1500*time.Millisecond), 1400)
		time.Sleep(500 * time.Millisecond)
		assertTones(t, "the caller, both being played to,", w.hears(a, 1500*time.Millisecond), 1400)
		r := w.record()
		if got := says(r); !strings.Contains(got, "\ntrue not found\ntrue\nfalse call:listen: a call cannot listen to itself") {
			t.Errorf("who played: %q", got)
		}
		time.Sleep(time.Second)
		assertTones(t, "the caller", w.hears(a, time.Second), 700)
		w.hangup(a)
	})
}
