package scripting

import (
	"context"
	"errors"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

func originateOptions() class {
	return class{name: "OriginateOptions", doc: "What originate calls, and how.", fields: []field{
		{"to", "Target", "whom to call"},
		{"on_answer", "fun(call: Call)", "serves the call once somebody has answered; when it returns, the call ends"},
		{"on_failure?", "fun(failure: Failure)", "runs when nobody has answered, or the call was hung up before"},
		{"from?", "string", "the number shown"},
		{"display?", "string", "the name shown"},
		{"timeout?", "number", "seconds to ring, 30 by default; with serial, for each target"},
		{"strategy?", `"parallel"|"serial"`, "all targets at once, or one after the other; parallel by default"},
		headersField(),
		{"codecs?", "string[]", "to offer, in this order"},
		{"max?", "number", "seconds the call may last"},
		{"redirects?", "boolean", "follow a 3xx, true by default"},
		{"privacy?", "boolean", "hide the number shown"},
	}}
}

func originateFunction() function {
	return function{name: "originate", params: []field{{"options", "OriginateOptions", ""}}, returns: []field{{"id", "string?", "of the new call, or nil"}, {"reason", "string?", "why there is none"}},
		doc: "Makes a call of our own. It returns at once; on_answer gets the call when somebody answers, as on_call gets one that comes in. " +
			"The function shares the script's variables, and goes on whatever becomes of the call that the script serves. `on_dial` is asked about the targets, with the call that it all began with.",
		example: "originate{\n  to = \"user:1001\", from = \"700\", timeout = 20,\n  on_answer = function(call)\n    call:play(\"one-moment\")\n    call:bridge(\"user:1002\")\n  end,\n  on_failure = function(failure) log.info(\"not reached: \" .. failure.state) end,\n}",
		run:     originate}
}

// origination is a call that a script has begun.
type origination struct {
	s      *state
	by     *callObject // whose script has begun it, or nil
	answer *lua.LFunction
	fail   *lua.LFunction // may be nil
}

func originate(s *state, L *lua.LState) int {
	a := args(L, "originate")
	if a.at(1) == lua.LNil {
		a.wrong("options", "a table", a.at(1))
	}
	o := a.options(1, originateOptions())
	targets := a.targets("option to", o.get("to"))
	t := &origination{s: s, by: runningIn(L).call, answer: o.function("on_answer"), fail: o.function("on_failure")}
	if t.answer == nil {
		a.fail("option on_answer is missing: the function that serves the call")
	}
	order := b2bua.Origination{Targets: targets, By: "script", Handler: t, Ended: t.ended, Dial: b2bua.DialOptions{
		Timeout: positive(o.seconds("timeout", 30*time.Second)), Headers: a.headers("option headers", o.table("headers")),
		From: o.str("from", ""), Display: o.str("display", ""), Codecs: o.strings("codecs"), Max: o.seconds("max", 0),
		Serial: o.oneOf("strategy", "parallel", "serial") == "serial", NoRedirects: !o.boolean("redirects", true), Privacy: o.boolean("privacy", false),
	}}
	s.mayBegin(a)
	srv := s.engine.server.Load()
	if srv == nil {
		return failed(L, "no server")
	}
	if t.by != nil {
		s.screen(a, targets, &order.Dial)
		order.Parent = t.by.payer.c
	} else {
		order.Screen = s.engine.Screen
	}
	if why := s.claim(); why != "" {
		return failed(L, why)
	}
	c, err := srv.Originate(order)
	if err != nil {
		s.unclaim()
		if errors.Is(err, b2bua.ErrTarget) {
			a.fail("%s", err)
		}
		return failed(L, err.Error())
	}
	return push(L, lua.LString(c.ID()))
}

// ServeCall runs on_answer. An error ends the call.
func (t *origination) ServeCall(_ context.Context, c *b2bua.Call) error {
	s := t.s
	o := newCallObject(c, s.engine.builtin)
	if t.by != nil {
		o.payer = t.by.payer
	}
	s.baton.Lock()
	s.active = append(s.active, o)
	s.baton.Unlock()
	s.engine.serving.add(o, s)
	defer s.finish(o)
	c.SetScript(t.answer.Proto.SourceName, s.gen.id)
	err := s.service(o).runAs(t.answer, o.self)
	if err == nil {
		return nil
	}
	c.Log().Error("script: "+err.Message, "in", "on_answer", "generation", s.gen.id, "traceback", err.Traceback)
	c.ScriptError(err.Message, err.Traceback)
	return err
}

// ended runs once the call has been served, or cannot be.
func (t *origination) ended(f *b2bua.Failure) {
	defer t.s.unclaim()
	if f != nil && t.fail != nil {
		r := &running{Context: t.s.ctx, s: t.s, call: t.by, free: true}
		r.run("on_failure", t.fail, failureTable(f))
	}
}
