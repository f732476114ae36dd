package scripting

import (
	"context"
	"errors"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

func superviseOptions() class {
	return class{name: "SuperviseOptions", doc: "Options of listen, whisper and barge.", fields: []field{
		{"to?", `"callee"|"caller"`, "who hears a whisper, the callee by default: the agent, where a queue has joined the two"},
		{"keys?", "boolean", "the supervisor's keys change what they do: 1 listens, 2 whispers, 3 barges in; false by default"},
	}}
}

func superviseResult() class {
	return class{name: "SuperviseResult", doc: "How listening to another call went.", fields: []field{
		{"by", `"caller"|"callee"|"script"|"system"`, "who ended it: caller is the supervisor, callee means that the call that was heard has ended"},
		{"seconds", "number", "that it lasted"},
	}}
}

func livePlayOptions() class {
	return class{name: "LivePlayOptions", doc: "Options of a LiveCall's play.", fields: []field{
		{"to?", `"both"|"caller"|"callee"`, "who hears it, both by default"},
	}}
}

func superviseMethods() []function {
	options := []field{{"options?", "SuperviseOptions", ""}}
	returns := []field{{"result", "SuperviseResult?", "when either call has ended; or nil"}, {"reason", "string?", "why not, such as \"hangup\" when it has ended"}}
	supervise := func(name, doc, example string) function {
		return function{name: name, params: options, returns: returns, doc: doc, example: example,
			run: func(s *state, L *lua.LState) int { return liveSupervise(s, L, b2bua.SuperviseMode(name)) }}
	}
	return []function{
		supervise("listen", "Lets the caller of this script hear both sides of that call, unheard, until either call ends. Prompts that the call's own script plays are not heard.",
			"local other = calls.get(call:header(\"X-Call\") or \"\")\nif other then other:listen{ keys = true } end"),
		supervise("whisper", "As listen, and the supervisor is heard by one side: the callee, or to = \"caller\".", `calls.list()[1]:whisper()`),
		supervise("barge", "As listen, and the supervisor is heard by both.", `calls.list()[1]:barge()`),
		{name: "play", params: []field{{"source", "Source", ""}, {"options?", "LivePlayOptions", ""}}, returns: okOrReason(),
			doc: "Plays a sound to one side of that call or to both, who do not hear each other meanwhile, and returns when it has ended. A call that is hearing something else is left alone.", example: `calls.list()[1]:play("tone:1400/200", { to = "callee" })`, run: livePlay},
	}
}

func liveSupervise(s *state, L *lua.LState, mode b2bua.SuperviseMode) int {
	a := method(L, "call:"+string(mode))
	id := a.liveID()
	o := a.options(1, superviseOptions())
	by := runningIn(L).call
	if by == nil {
		a.fail("there is no caller here who could hear it")
	}
	if id == by.c.ID() {
		a.fail("a call cannot listen to itself")
	}
	opts := b2bua.SuperviseOptions{Mode: mode, To: b2bua.Side(o.oneOf("to", string(b2bua.ByCallee), string(b2bua.ByCaller))), Keys: o.boolean("keys", false)}
	var res b2bua.SuperviseResult
	var err error
	s.block(L, a.name, func(ctx context.Context) { res, err = by.c.Supervise(ctx, id, opts) })
	switch {
	case errors.Is(err, b2bua.ErrConference):
		return failed(L, err.Error())
	case err != nil:
		return a.trouble(err)
	}
	t := newTable(0, 2)
	t.RawSetString("by", lua.LString(res.By))
	t.RawSetString("seconds", lua.LNumber(res.Seconds))
	return push(L, t)
}

func livePlay(s *state, L *lua.LState) int {
	a := method(L, "call:play")
	id := a.liveID()
	srcs := a.sources("source", a.at(1))
	o := a.options(2, livePlayOptions())
	to := o.oneOf("to", "both", string(b2bua.ByCaller), string(b2bua.ByCallee))
	if len(srcs) == 0 {
		return failed(L, "not found")
	}
	side := b2bua.Side(to)
	if to == "both" {
		side = ""
	}
	err := b2bua.ErrHangup
	if srv := s.engine.server.Load(); srv != nil {
		s.block(L, a.name, func(ctx context.Context) { err = srv.PlayTo(ctx, id, side, srcs) })
	}
	return a.done(err)
}
