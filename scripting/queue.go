package scripting

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
	"tandem/media"
)

func queueOptions() class {
	return class{name: "QueueOptions", doc: "Options of call:queue.", fields: []field{
		{"agents?", "string|string[]", "targets that serve the queue, besides those that queue.join has added; the list of whoever came last counts"},
		{"strategy?", `"ring-all"|"longest-idle"|"round-robin"`, "which free agents are rung: all, who has been without a call the longest, or one after the other; ring-all by default"},
		{"ring?", "number", "seconds an agent is rung, 20 by default"},
		{"retry?", "number", "seconds before an agent who has not answered is rung again, 5 by default"},
		{"wrap_up?", "number", "seconds an agent rests after a call, 0 by default"},
		{"max_wait?", "number", "seconds after which the caller leaves; no limit by default"},
		{"max?", "integer", "how many may wait; the one beyond gets why = \"full\""},
		{"priority?", "integer", "who has more is served first, 0 by default"},
		{"exit?", "string", "keys by which the caller leaves"},
		{"leave_empty?", "boolean", "leave while there is no agent: all have left, are paused or have no phone registered; false by default"},
		{"music?", "Source", "what the caller hears, again and again; silence by default"},
		{"announce?", "number", "seconds between two announcements of position and wait in recorded words, the first at once; none by default"},
		{"message?", "Source", "played behind each announcement, such as what the exit keys do"},
		headersField(),
		{"from?", "string", "the user part of our From towards agents; the caller's by default"},
		{"display?", "string", "the name shown to agents"},
		{"codecs?", "string[]", "to offer to agents, in this order"},
		{"max_talk?", "number", "seconds the talk may last"},
		{"on_answer?", "fun(leg: Leg): boolean?", "runs with the agent who answers, while the caller waits on: to whisper who is calling, say; returning false declines, and others are rung"},
	}}
}

func queueResult() class {
	return class{name: "QueueResult", doc: "How the caller's time in a queue went.", fields: []field{
		{"queue", "string", ""}, {"state", `"answered"|"noanswer"|"cancelled"|"failed"`, "noanswer is max_wait; failed: full or empty"},
		{"why", `"answered"|"hangup"|"exit"|"timeout"|"full"|"empty"|"removed"|"retrieved"|"moved"`, "removed by queue.remove, retrieved by the target call:ID"},
		{"by", `"caller"|"callee"|"script"|"system"`, "who ended it, or the talk"}, {"wait", "number", "seconds in the line"},
		{"position", "integer", "when the wait ended, from 1"}, {"key?", "string", "exit: which"}, {"agent?", "string", "answered: the target"},
		{"seconds", "number", "that the two talked"},
	}}
}

func queueFunction() function {
	return function{name: "queue", params: []field{{"name", "string", "of the queue, any"}, {"options?", "QueueOptions", ""}},
		returns: []field{{"result", "QueueResult", "when the caller has left the queue, or the talk is over"}},
		doc: "Lets the caller wait, with music, until an agent is free and answers, and joins the two until one of them leaves. First come, first served; an agent who talks is not rung, and never for two callers. " +
			"An unanswered call is answered first. If the agent leaves first, the script goes on with the caller. A queue belongs to no script: calls of all scripts wait in it.",
		example: "local r = call:queue(\"support\", { agents = { \"user:1001\", \"user:1002\" }, strategy = \"longest-idle\",\n" +
			"  music = \"tone:425/200,0/4800\", announce = 45, wrap_up = 10, max_wait = 600, exit = \"1\" })\nif r.why == \"exit\" or r.why == \"timeout\" then call:record(\"messages/\" .. call.id) end",
		run: callQueue}
}

func callQueue(s *state, L *lua.LState) int {
	a := method(L, "call:queue")
	c, name := a.call(), a.label(1, "name")
	o := a.options(2, queueOptions())
	var raised *ScriptError
	opts := s.queueOptions(a, o, &raised)
	var res b2bua.QueueResult
	var err error
	s.block(L, a.name, func(ctx context.Context) { res, err = c.Queue(ctx, name, opts) })
	if raised != nil {
		L.Error(lua.LString(raised.Message), 0)
	}
	if errors.Is(err, b2bua.ErrQueues) {
		return failed(L, err.Error())
	}
	if err != nil {
		return a.expected(err)
	}
	t := newTable(0, 9)
	t.RawSetString("queue", lua.LString(res.Queue))
	t.RawSetString("state", lua.LString(res.State))
	t.RawSetString("why", lua.LString(res.Why))
	t.RawSetString("by", lua.LString(res.By))
	t.RawSetString("wait", lua.LNumber(res.Wait.Seconds()))
	t.RawSetString("position", lua.LNumber(res.Position))
	t.RawSetString("key", orNil(res.Key))
	t.RawSetString("agent", orNil(res.Agent))
	t.RawSetString("seconds", lua.LNumber(res.Seconds))
	return push(L, t)
}

func (s *state) queueOptions(a arguments, o options, raised **ScriptError) b2bua.QueueOptions {
	opts := b2bua.QueueOptions{
		Ring: positive(o.seconds("ring", 20*time.Second)), Retry: positive(o.seconds("retry", 5*time.Second)), WrapUp: o.seconds("wrap_up", 0),
		MaxWait: o.seconds("max_wait", 0), Max: o.integer("max", 0, 0), Priority: o.integer("priority", 0, math.MinInt32),
		Exit: a.keys("option exit", o.str("exit", ""), false), Empty: o.boolean("leave_empty", false), Music: o.sources("music"),
	}
	opts.Strategy = b2bua.Strategy(o.oneOf("strategy", string(b2bua.RingAll), string(b2bua.LongestIdle), string(b2bua.RoundRobin)))
	if o.has("agents") {
		opts.Agents = a.targets("option agents", o.get("agents"))
	}
	message := o.sources("message")
	if o.has("announce") {
		opts.Every = max(o.seconds("announce", 0), time.Second)
		opts.Announce = func(position int, wait time.Duration) []media.Source {
			return append(s.spokenPlace(position, wait), message...)
		}
	} else if len(message) > 0 {
		a.fail("option message is played with announcements: give announce, too")
	}
	opts.Dial = b2bua.DialOptions{Headers: a.headers("option headers", o.table("headers")), From: o.str("from", ""), Display: o.str("display", ""),
		Codecs: o.strings("codecs"), Max: o.seconds("max_talk", 0)}
	r := runningIn(a.L)
	if fn := o.function("on_answer"); fn != nil {
		opts.Dial.OnAnswer = func(l *b2bua.Leg) bool { return s.onAnswer(r, fn, l, raised) }
	}
	if len(s.gen.asks["on_dial"]) > 0 {
		opts.Screen = func(target string) (*b2bua.Failure, time.Duration) { return s.screenAgent(r, target, raised) }
	}
	return opts
}

// screenAgent asks on_dial about an agent while the caller waits, in the goroutine that does.
func (s *state) screenAgent(r *running, target string, raised **ScriptError) (*b2bua.Failure, time.Duration) {
	thread, cancel := s.thread(r)
	defer cancel()
	var opts b2bua.DialOptions
	ask := thread.NewFunction(func(L *lua.LState) int {
		s.screen(args(L, "call:queue"), []string{target}, &opts)
		return 0
	})
	if err := s.runIn(thread, ask); err != nil {
		if *raised == nil {
			*raised = err
		}
		return b2bua.NewFailure(500, "on_dial failed"), 0
	}
	return opts.Each[target].Refused, opts.Max
}

// spokenPlace tells a caller the position in the line and, where it is known, the wait. It
// runs beside the script and touches nothing of it.
func (s *state) spokenPlace(position int, wait time.Duration) []media.Source {
	words := append([]string{"queue-position"}, cardinal(max(position, 1))...)
	if wait >= 0 {
		minutes := int(math.Ceil(wait.Minutes()))
		switch {
		case minutes <= 1:
			words = append(words, "queue-wait-short")
		default:
			words = slices.Concat(words, []string{"queue-wait"}, cardinal(minutes), []string{"queue-minutes"})
		}
	}
	out := make([]media.Source, 0, len(words))
	for _, word := range words {
		src, err := s.engine.sound(s.gen.files, word)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				s.log.Warn("a word of a queue's announcement cannot be played", "prompt", word, "position", strconv.Itoa(position), "err", err)
			}
			continue
		}
		out = append(out, src)
	}
	return out
}
