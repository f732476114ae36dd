package scripting

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/b2bua/phone"
)

// desk notes who is rung, in order, and hands over the calls that agents have answered.
type desk struct {
	mu    sync.Mutex
	rung  []string
	calls chan *phone.Call
}

// agents are phones of users that answer each call after a while; never if that is 0.
func (w *world) agents(after time.Duration, users ...string) *desk {
	d := &desk{calls: make(chan *phone.Call, 16)}
	d.seat(w, after, users...)
	return d
}

// seat adds agents.
func (d *desk) seat(w *world, after time.Duration, users ...string) {
	for _, user := range users {
		w.incoming(w.phone(user, true), func(c *phone.Call) {
			d.mu.Lock()
			d.rung = append(d.rung, user)
			d.mu.Unlock()
			_ = c.Ring()
			if after == 0 {
				return
			}
			time.Sleep(after)
			if c.Answer() == nil {
				d.calls <- c
			}
		})
	}
}

// order is who has been rung since it was last asked.
func (d *desk) order() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := strings.Join(d.rung, " ")
	d.rung = nil
	return s
}

// queued is a script that queues with options, "support" unless another number is dialled.
func queued(options string) string {
	return report(`
		local function shown(r) say(r.why, r.state, r.by, r.position, r.key or "-", r.agent or "-", math.floor(r.wait + 0.5), math.floor(r.seconds + 0.5)) end
		` + options + `
		shown(call:queue("support", o))`)
}

func TestQueue(t *testing.T) {
	inWorld(t, queued(`local o = { agents = { "user:1001" }, music = "tone:425/60000", wrap_up = 10 }`), func(w *world) {
		d := w.agents(3*time.Second, "1001")
		a := w.joins("anne", "5")
		assertTones(t, "who waits", w.hears(a, time.Second), 425)
		b := w.joins("bert", "5")
		c := w.joins("carl", "5")
		talk := <-d.calls
		w.talkBothWays(a, talk)
		assertTones(t, "who still waits", w.hears(b, time.Second), 425)
		q, _ := w.server.QueueOf("support")
		if len(q.Callers) != 2 || q.Callers[0].From.User != "bert" || q.Agents[0].State != "talking" || q.Counts.Answered != 1 {
			t.Errorf("the queue: %+v", q)
		}
		if got := d.order(); got != "1001" {
			t.Errorf("rung: %q: a busy agent is not", got)
		}
		w.hangup(talk)
		w.ended(a)
		if r := w.record(); says(r) != "answered answered callee 1 - user:1001 3 4" {
			t.Errorf("anne: %q", says(r))
		}
		time.Sleep(9 * time.Second)
		if got := d.order(); got != "" {
			t.Errorf("rung in wrap-up: %q", got)
		}
		if q, _ = w.server.QueueOf("support"); q.Agents[0].State != "wrap-up" {
			t.Errorf("after the call: %+v", q.Agents)
		}
		talk = <-d.calls
		w.talkBothWays(b, talk)
		w.hangup(b)
		w.ended(talk)
		if r := w.record(); says(r) != "answered answered caller 1 - user:1001 19 3" {
			t.Errorf("bert: %q", says(r))
		}
		w.hangup(c)
		if r := w.record(); says(r) != "hangup cancelled caller 1 - - 22 0" || r.Call.ReleasedBy != "caller" {
			t.Errorf("carl: %q", says(r))
		}
		if q, _ = w.server.QueueOf("support"); len(q.Callers) != 0 || q.Counts.Answered != 2 || q.Counts.Abandoned != 1 || q.Handle < 12*time.Second {
			t.Errorf("at the end: %+v", q)
		}
	})
}

func TestQueueStrategies(t *testing.T) {
	for _, test := range []struct {
		strategy string
		rung     []string // for each caller in turn
	}{
		{"longest-idle", []string{"1001", "1002", "1003", "1001"}},
		{"round-robin", []string{"1001", "1002", "1003", "1001"}},
		{"ring-all", []string{"1001 1002 1003", "1001 1002 1003"}},
	} {
		t.Run(test.strategy, func(t *testing.T) {
			inWorld(t, queued(`local o = { agents = { "user:1001", "user:1002", "user:1003" }, strategy = "`+test.strategy+`" }`), func(w *world) {
				d := w.agents(2*time.Second, "1001")
				d.seat(w, 3*time.Second, "1002")
				d.seat(w, 4*time.Second, "1003")
				for _, want := range test.rung {
					c := w.joins("anne", "5")
					talk := <-d.calls
					got := strings.Fields(d.order())
					slices.Sort(got)
					if strings.Join(got, " ") != want {
						t.Errorf("rung: %q, want %q", got, want)
					}
					time.Sleep(5 * time.Second)
					if len(d.calls) > 0 {
						t.Error("two agents have the caller")
					}
					w.hangup(c)
					w.ended(talk)
				}
			})
		})
	}
}

// TestQueueTriesOthers: an agent who does not answer or declines is not rung again at once.
func TestQueueTriesOthers(t *testing.T) {
	inWorld(t, queued(`local o = { agents = { "user:1001", "user:1002", "user:1003", "user:1004" }, strategy = "longest-idle", ring = 10, retry = 30 }`), func(w *world) {
		silent := w.agents(0, "1001")
		declines := &desk{}
		w.incoming(w.phone("1002", true), func(c *phone.Call) {
			declines.mu.Lock()
			declines.rung = append(declines.rung, "1002")
			declines.mu.Unlock()
			_ = c.Reject(603)
		})
		a := w.joins("anne", "5")
		time.Sleep(25 * time.Second)
		if got := silent.order() + " " + declines.order(); got != "1001 1002" {
			t.Errorf("rung: %q", got)
		}
		q, _ := w.server.QueueOf("support")
		var states []string
		for _, x := range q.Agents {
			states = append(states, x.State)
		}
		if got := strings.Join(states, " "); got != "resting resting absent absent" || q.Agents[0].Missed != 1 {
			t.Errorf("the agents: %s, %+v", got, q.Agents)
		}
		time.Sleep(30 * time.Second)
		if got := silent.order() + " " + declines.order(); got != "1001 1002" {
			t.Errorf("rung again: %q", got)
		}
		// Who registers meanwhile is found.
		d := w.agents(time.Second, "1004")
		talk := <-d.calls
		w.hangup(talk)
		w.ended(a)
		if r := w.record(); !strings.HasPrefix(says(r), "answered answered callee 1 - user:1004") {
			t.Errorf("anne: %q", says(r))
		}
	})
}

// TestQueueFairness: two callers, two agents: each caller rings one, in the order of coming.
func TestQueueFairness(t *testing.T) {
	inWorld(t, queued(`local o = { agents = { "user:1001", "user:1002" }, strategy = "round-robin", priority = call.number == "9" and 1 or 0 }`), func(w *world) {
		d := w.agents(20*time.Second-time.Millisecond, "1001", "1002")
		a, b := w.joins("anne", "5"), w.joins("bert", "5")
		c, vip := w.joins("carl", "5"), w.joins("dora", "9")
		q, _ := w.server.QueueOf("support")
		var line []string
		for _, x := range q.Callers {
			line = append(line, x.From.User+":"+strings.Join(x.Rings, ","))
		}
		if got := strings.Join(line, " "); got != "dora: anne:user:1001 bert:user:1002 carl:" {
			t.Errorf("the line: %s", got)
		}
		first, second := <-d.calls, <-d.calls
		d.order()
		time.Sleep(time.Second)
		w.hangup(a)
		w.ended(first)
		w.hangup(b)
		w.ended(second)
		<-d.calls
		<-d.calls
		time.Sleep(time.Second)
		w.talking(vip, "dora")
		w.talking(c, "carl")
	})
}

// talking checks that a caller is in no line any more.
func (w *world) talking(c *phone.Call, who string) {
	w.t.Helper()
	for _, q := range w.server.Queues() {
		for _, x := range q.Callers {
			if x.From.User == who {
				w.t.Errorf("%s still waits", who)
			}
		}
	}
	w.hangup(c)
}

// TestQueueIsLeft: by key, in time, full, empty, by order.
func TestQueueIsLeft(t *testing.T) {
	inWorld(t, queued(`
		local o = { agents = { "user:1001" }, exit = "1*", max_wait = 30, max = 2, leave_empty = call.number == "9" }
		if call.number == "8" then
			call:answer()
			local q = queue.get("support")
			say(#q.callers, q.callers[1].from.user, q.agents[1].state, q.abandoned, queue.get("nothing"))
			say(queue.remove("support", q.callers[1].id), queue.remove("support", "x"), queue.remove("nothing", "x"))
			call:sleep(1)
			return
		end`), func(w *world) {
		a := w.joins("anne", "5")
		time.Sleep(4 * time.Second)
		_ = a.Press(w.ctx, "2*") // the call ends within the second
		w.ended(a)
		if r := w.record(); !strings.HasPrefix(says(r), "exit cancelled caller 1 * - ") {
			t.Errorf("by key: %q", says(r))
		}
		a, b := w.joins("anne", "5"), w.joins("bert", "5")
		full := w.joins("carl", "5")
		w.ended(full)
		if r := w.record(); says(r) != "full failed system 0 - - 0 0" {
			t.Errorf("one too many: %q", says(r))
		}
		boss := w.joins("carl", "8")
		w.ended(boss)
		if r := w.record(); !strings.HasPrefix(says(r), "removed cancelled script 1") {
			t.Errorf("removed: %q", says(r))
		}
		if r := w.record(); says(r) != "2 anne absent 0 nil\ntrue false false" {
			t.Errorf("who removed: %q", says(r))
		}
		w.ended(a)
		w.ended(b)
		if r := w.record(); says(r) != "timeout noanswer system 1 - - 30 0" {
			t.Errorf("in time: %q", says(r))
		}
		empty := w.joins("carl", "9")
		w.ended(empty)
		if r := w.record(); !strings.HasPrefix(says(r), "empty failed system 0") {
			t.Errorf("nobody there: %q", says(r))
		}
		// The last agent leaves while somebody waits.
		w.agents(0, "1001")
		c := w.joins("carl", "9")
		w.server.PauseAgent("user:1001", true)
		w.ended(c)
		if r := w.record(); !strings.HasPrefix(says(r), "empty failed system 1") {
			t.Errorf("nobody there any more: %q", says(r))
		}
	})
}

// TestQueueAgentsComeAndGo at run time.
func TestQueueAgentsComeAndGo(t *testing.T) {
	inWorld(t, queued(`
		local o = { agents = { "user:1001" } }
		if call.number:match("^%*") then
			call:answer()
			local me = "user:" .. (call.number == "*3" and "1001" or "1002")
			if call.number == "*1" then say(queue.join("support", me))
			elseif call.number == "*4" then say(queue.pause(me), queue.pause("user:9"))
			elseif call.number == "*5" then say(queue.pause(me, false))
			else say(queue.leave("support", me), queue.leave("support", me)) end
			return
		end`), func(w *world) {
		d := w.agents(time.Second, "1001", "1002")
		does := func(number, want string) {
			t.Helper()
			c := w.joins("boss", number)
			w.ended(c)
			if r := w.record(); says(r) != want {
				t.Errorf("%s: %q, want %q", number, says(r), want)
			}
		}
		rings := func(want string) {
			t.Helper()
			c := w.joins("anne", "5")
			time.Sleep(500 * time.Millisecond)
			got := strings.Fields(d.order())
			slices.Sort(got)
			if strings.Join(got, " ") != want {
				t.Errorf("rung: %q, want %q", got, want)
			}
			w.hangup(c)
			w.record()
			time.Sleep(10 * time.Second)
		}
		does("*1", "true")
		rings("1001 1002")
		does("*3", "true false")
		rings("1002")
		does("*4", "true false")
		rings("")
		does("*5", "true")
		rings("1002")
		does("*2", "true false")
		rings("")
	})
}

// TestQueueWhispers to the agent, who may decline, while the caller hears music.
func TestQueueWhispers(t *testing.T) {
	inWorld(t, queued(`
		local tries = 0
		local o = { agents = { "user:1001" }, music = "tone:425/60000", retry = 1, on_answer = function(leg)
			tries = tries + 1
			leg:play("tone:900/3000")
			return tries > 1
		end }`), func(w *world) {
		d := w.agents(time.Second, "1001")
		a := w.joins("anne", "5")
		agent := <-d.calls
		assertTones(t, "the agent", w.hears(agent, 2*time.Second), 900)
		assertTones(t, "the caller", w.hears(a, 500*time.Millisecond), 425)
		w.ended(agent)
		agent = <-d.calls
		time.Sleep(4 * time.Second)
		w.talkBothWays(a, agent)
		// The caller leaves while the agent listens to the whisper.
		b := w.joins("bert", "5")
		w.hangup(agent)
		w.ended(a)
		agent = <-d.calls
		time.Sleep(time.Second)
		w.hangup(b)
		w.ended(agent)
	})
}

// TestQueueAsksTheGuard about each agent, those who have joined too.
func TestQueueAsksTheGuard(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"10-guard.lua": `return { on_dial = function(call, target)
			if target == "user:1001" then return false, 403, "not today" end
			if target == "user:1002" then return { max = 5 } end
		end }`,
		"50-main.lua": queued(`local o = { agents = { "user:1001" } }
			queue.join("support", "user:1002")`),
	}
	inWorldOf(t, files, func(w *world) {
		d := w.agents(time.Second, "1001", "1002")
		a := w.joins("anne", "5")
		talk := <-d.calls
		w.ended(talk)
		w.ended(a)
		if got := d.order(); got != "1002" {
			t.Errorf("rung: %q", got)
		}
		r := w.record()
		if !strings.HasSuffix(says(r), "answered answered system 1 - user:1002 1 5") {
			t.Errorf("anne: %q", says(r))
		}
	})
}

func TestQueueAnnounces(t *testing.T) {
	inWorld(t, queued(`local o = { agents = { "user:1001" }, announce = 20, message = "queue-callback", music = "tone:425/60000" }`), func(w *world) {
		w.joins("anne", "5")
		b := w.joins("bert", "5")
		assertHeard(t, w.hears(b, 4*time.Second), "queue-position", "number-2", "queue-callback")
		time.Sleep(2 * time.Second)
		assertTones(t, "bert", w.hears(b, time.Second), 425)
		time.Sleep(12 * time.Second)
		assertHeard(t, w.hears(b, 3*time.Second), "number-2")
	})
}

// TestQueueCrossings: the caller hangs up at the very moment at which the agent answers.
func TestQueueCrossings(t *testing.T) {
	inWorld(t, queued(`local o = { agents = { "user:1001", "user:1002" }, wrap_up = 2 }`), func(w *world) {
		d := w.agents(3*time.Second, "1001", "1002")
		for _, early := range []time.Duration{0, 1, 1000, time.Millisecond, 5 * time.Millisecond} {
			a := w.joins("anne", "5")
			time.Sleep(3*time.Second - 10*time.Millisecond - early)
			w.hangup(a)
			w.record()
			time.Sleep(10 * time.Second)
			for len(d.calls) > 0 {
				w.ended(<-d.calls)
			}
			q, _ := w.server.QueueOf("support")
			for _, x := range q.Agents {
				if x.State != "free" {
					t.Errorf("afterwards: %+v", x)
				}
			}
		}
		// Both agents pick up at once: one has the caller, the other is let go.
		a := w.joins("anne", "5")
		time.Sleep(5 * time.Second)
		up := 0
		for len(d.calls) > 0 {
			select {
			case <-(<-d.calls).Done():
			default:
				up++
			}
		}
		if up != 1 {
			t.Errorf("%d of two agents have the caller", up)
		}
		w.hangup(a)
	})
}

// TestQueueOutlivesAReload, and the end of one caller's script.
func TestQueueOutlivesAReload(t *testing.T) {
	inWorld(t, queued(`local o = { agents = { "user:1001" } }`), func(w *world) {
		d := w.agents(2*time.Second, "1001")
		a := w.joins("anne", "5")
		first := <-d.calls
		b := w.joins("bert", "5")
		if err := w.engine.Reload(); err != nil {
			t.Fatal(err)
		}
		c := w.joins("carl", "5")
		for _, x := range w.server.Queues()[0].Callers {
			if x.From.User == "bert" {
				w.server.HangupCall(x.ID)
			}
		}
		w.ended(b)
		if r := w.record(); !strings.HasPrefix(says(r), "hangup cancelled system 1") {
			t.Errorf("whose call an operator has ended: %q", says(r))
		}
		w.hangup(first)
		w.ended(a)
		w.record()
		talk := <-d.calls
		w.hangup(talk)
		w.ended(c)
		if r := w.record(); !strings.HasPrefix(says(r), "answered answered callee 1 - user:1001") {
			t.Errorf("who came after the reload: %q", says(r))
		}
	})
}

// TestCallTargetFromAQueue intercepts somebody who waits.
func TestCallTargetFromAQueue(t *testing.T) {
	inWorld(t, queued(`
		local o = { agents = { "user:1001" } }
		if call.number == "9" then
			say(call:bridge("call:" .. queue.get("support").callers[1].id).by)
			return
		end`), func(w *world) {
		w.agents(0, "1001")
		a := w.joins("anne", "5")
		boss := w.joins("boss", "9")
		w.talkBothWays(a, boss)
		if r := w.record(); !strings.HasPrefix(says(r), "retrieved cancelled callee 1") {
			t.Errorf("who waited: %q", says(r))
		}
		w.hangup(a)
		w.ended(boss)
		if q, _ := w.server.QueueOf("support"); len(q.Callers) != 0 || q.Agents[0].State == "ringing" {
			t.Errorf("the queue: %+v", q)
		}
	})
}

func TestQueueMisuse(t *testing.T) {
	inWorld(t, report(`
		for _, args in ipairs{ {}, { "" }, { "x", { agents = "1001" } }, { "x", { agents = {} } }, { "x", { strategy = "best" } },
			{ "x", { exit = "x" } }, { "x", { message = "goodbye" } }, { "x", { agent = "user:1" } } } do
			say(pcall(call.queue, call, args[1], args[2]))
		end
		say(pcall(queue.join, "x", "1001"))
		say(pcall(queue.join, "x"))
		say(call.state)
		call:reject(486)
	`), func(w *world) {
		if code := w.refused("5"); code != 486 {
			t.Errorf("refused with %d", code)
		}
		lines := strings.Split(says(w.record()), "\n")
		for i, want := range []string{"name", "name", `"1001" is not a target`, "the list is empty", "strategy", "exit", "message", "agents", `"1001" is not a target`, "target"} {
			if i >= len(lines) || !strings.HasPrefix(lines[i], "false call:queue: ") && !strings.HasPrefix(lines[i], "false queue.join: ") || !strings.Contains(lines[i], want) {
				t.Fatalf("%d of %q, want %q", i, lines, want)
			}
		}
		if lines[10] != "new" {
			t.Errorf("%q", lines)
		}
	})
}

// TestQueueCallsBack with the shipped application: who asks for it is called, and talks to the agent.
func TestQueueCallsBack(t *testing.T) {
	inWorld(t, `local queues = require "queue"
		return { on_call = function(call)
			queues.enter(call, "support", { agents = "user:1001", ring = 5, leave_empty = false, keys = { ["3"] = "callback" },
				callback = function(c) return "user:" .. c.from.user end })
		end }`, func(w *world) {
		anne := w.phone("anne", true)
		calls := w.answers(anne, time.Second)
		c, err := anne.Dial(w.ctx, "sip:620@"+serverAddr, phone.DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Press(w.ctx, "3") // the call ends soon
		w.ended(c)
		d := w.agents(2*time.Second, "1001")
		time.Sleep(time.Minute)
		if len(calls) == 0 || len(d.calls) == 0 {
			t.Errorf("%d are called back, %d agents answer\n%+v", len(calls), len(d.calls), w.server.Queues())
			return
		}
		back, agent := <-calls, <-d.calls
		w.talkBothWays(back, agent)
		w.hangup(agent)
		w.ended(back)
		first, made := w.record(), w.record()
		if first.Call.FromUser != "anne" || first.Call.LinkedID != first.Call.ID || made.Call.LinkedID != first.Call.ID || made.Call.ToUser != "anne" || len(made.Legs) != 2 {
			t.Errorf("the call: %+v\nthe one back: %+v with %d legs", first.Call, made.Call, len(made.Legs))
		}
	})
}
