package scripting

import (
	"context"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

func dialOptions() class {
	return class{name: "DialOptions", doc: "Options of call:dial and call:bridge.", fields: []field{
		{"timeout?", "number", "seconds to ring, 30 by default; with serial, for each target"},
		{"strategy?", `"parallel"|"serial"`, "all targets at once, or one after the other; parallel by default"},
		headersField(),
		{"from?", "string", "the user part of our From; the caller's by default"},
		{"display?", "string", "the name shown"},
		{"ringback?", "Source", "what the caller hears meanwhile, or \"none\""},
		{"early_media?", "boolean", "pass the far end's early media on, true by default"},
		{"codecs?", "string[]", "to offer, in this order"},
		{"media?", `"relay"|"direct"`, "relay by default; direct lets the phones send to each other, so nothing is heard or recorded here meanwhile"},
		{"max?", "number", "seconds a bridge may last"},
		{"redirects?", "boolean", "follow a 3xx, true by default; else its contacts are in the failure"},
		{"privacy?", "boolean", "hide the caller from whom is called"},
		{"on_answer?", "fun(leg: Leg): boolean?", "runs with each leg that answers, before it is joined; returning false declines, and the others ring on"},
	}}
}

func failureClass() class {
	return class{name: "Failure", doc: "Why nobody was reached.", fields: []field{
		{"code", "integer", "SIP status"}, {"reason", "string", ""}, {"state", `"busy"|"noanswer"|"cancelled"|"failed"`, ""}, {"contacts?", "string[]", "of a 3xx that was not followed"},
	}}
}

func bridgeResult() class {
	return class{name: "BridgeResult", doc: "How a bridge went.", fields: []field{
		{"state", `"answered"|"busy"|"noanswer"|"cancelled"|"failed"`, ""}, {"code", "integer", "SIP status"}, {"reason", "string", ""},
		{"seconds", "number", "that the two talked"}, {"by", `"caller"|"callee"|"script"|"system"`, "who ended it"},
	}}
}

func dialMethods() []function {
	targets := field{"targets", "Target", "whom to call"}
	opts := field{"options?", "DialOptions", ""}
	return []function{
		{name: "dial", params: []field{targets, opts}, returns: []field{{"leg", "Leg?", "or nil"}, {"failure", "Failure|string|nil", "why nobody was reached"}},
			doc:     "Calls somebody and returns the leg that answered, not yet joined with the caller.",
			example: "local leg, failure = call:dial(\"user:1001\", { timeout = 20 })\nif leg then\n  leg:say(\"5\", { as = \"digits\" })\n  call:bridge(leg)\nend", run: callDial},
		{name: "bridge", params: []field{{"to", "Leg|Target", "a leg of call:dial, or whom to call"}, opts}, returns: []field{{"result", "BridgeResult", "always a table"}},
			doc:     "Joins the caller with a leg, or with whoever answers, until one of them leaves. If the callee leaves first, the script goes on with the caller.",
			example: "local result = call:bridge(\"user:1001\", { timeout = 25 })\nif result.state == \"busy\" then call:play(\"busy\") end", run: callBridge},
		{name: "route", params: []field{{"number", "string", ""}}, returns: okOrReason(),
			doc: "Runs the chain of scripts anew, as if number had been dialled, and returns when that has ended: nil, \"not found\" when no script took it.", example: `call:route("700")`, run: callRoute},
	}
}

// targets reads whom to call: one target or a list of them.
func (a arguments) targets(what string, v lua.LValue) []string {
	t, ok := v.(*lua.LTable)
	if !ok {
		if v.Type() != lua.LTString {
			a.wrong(what, "a target such as \"user:1001\", or a list of them", v)
		}
		return []string{v.String()}
	}
	out := make([]string, 0, t.Len())
	for i := 1; i <= t.Len(); i++ {
		item, ok := t.RawGetInt(i).(lua.LString)
		if !ok {
			a.wrong(what, "a list of targets such as \"user:1001\"", t.RawGetInt(i))
		}
		out = append(out, string(item))
	}
	if len(out) == 0 {
		a.fail("%s: the list is empty", what)
	}
	return out
}

// dialOptions reads the options; raised gets the error of on_answer, which ends the dialling.
func (s *state) dialOptions(a arguments, o options, raised **ScriptError) b2bua.DialOptions {
	opts := b2bua.DialOptions{
		Timeout: positive(o.seconds("timeout", 30*time.Second)),
		Headers: a.headers("option headers", o.table("headers")),
		From:    o.str("from", ""), Display: o.str("display", ""),
		NoEarlyMedia: !o.boolean("early_media", true),
		Codecs:       o.strings("codecs"),
		Max:          o.seconds("max", 0),
	}
	opts.Serial = o.oneOf("strategy", "parallel", "serial") == "serial"
	opts.Direct = o.oneOf("media", "relay", "direct") == "direct"
	opts.NoRedirects = !o.boolean("redirects", true)
	opts.Privacy = o.boolean("privacy", false)
	if o.get("ringback") == lua.LString("none") {
		opts.RingbackNone = true
	} else {
		opts.Ringback = o.sources("ringback")
	}
	if fn := o.function("on_answer"); fn != nil {
		r := runningIn(a.L)
		opts.OnAnswer = func(l *b2bua.Leg) bool { return s.onAnswer(r, fn, l, raised) }
	}
	return opts
}

// onAnswer runs the script's function while the dialling waits, in the same goroutine.
func (s *state) onAnswer(r *running, fn *lua.LFunction, l *b2bua.Leg, raised **ScriptError) bool {
	thread, cancel := s.thread(r)
	defer cancel()
	s.baton.Lock()
	leg := s.legValue(l)
	s.baton.Unlock()
	v, err := s.callIn(thread, fn, leg)
	if err != nil {
		if *raised == nil {
			*raised = err
		}
		return false
	}
	return v != lua.LFalse
}

// oneOf reads a word; the first one is the default.
func (o options) oneOf(key string, words ...string) string {
	v := o.str(key, words[0])
	for _, w := range words {
		if v == w {
			return v
		}
	}
	o.a.fail("option %s: %q is not one of %q", key, v, words)
	return ""
}

// strings reads a list of strings.
func (o options) strings(key string) []string {
	t := o.table(key)
	if t == nil {
		return nil
	}
	out := make([]string, 0, t.Len())
	for i := 1; i <= t.Len(); i++ {
		v, ok := t.RawGetInt(i).(lua.LString)
		if !ok {
			o.wrong(key, "a list of strings")
		}
		out = append(out, string(v))
	}
	return out
}

func callDial(s *state, L *lua.LState) int {
	a := method(L, "call:dial")
	c, targets := a.call(), a.targets("targets", a.at(1))
	var raised *ScriptError
	opts := s.dialOptions(a, a.options(2, dialOptions()), &raised)
	s.screen(a, targets, &opts)
	var leg *b2bua.Leg
	var err error
	s.block(L, a.name, func(ctx context.Context) { leg, err = c.Dial(ctx, targets, opts) })
	if raised != nil {
		L.Error(lua.LString(raised.Message), 0)
	}
	if f, ok := err.(*b2bua.Failure); ok {
		return push(L, lua.LNil, failureTable(f))
	}
	if err != nil {
		return a.expected(err)
	}
	return push(L, s.legValue(leg))
}

func failureTable(f *b2bua.Failure) *lua.LTable {
	t := newTable(0, 3)
	if len(f.Contacts) > 0 {
		contacts := newTable(len(f.Contacts), 0)
		for _, u := range f.Contacts {
			contacts.Append(lua.LString(u))
		}
		t.RawSetString("contacts", contacts)
	}
	t.RawSetString("code", lua.LNumber(f.Code))
	t.RawSetString("reason", lua.LString(f.Reason))
	t.RawSetString("state", lua.LString(f.State))
	return t
}

func callBridge(s *state, L *lua.LState) int {
	a := method(L, "call:bridge")
	c := a.call()
	var raised *ScriptError
	opts := s.dialOptions(a, a.options(2, dialOptions()), &raised)
	if ud, ok := a.at(1).(*lua.LUserData); ok {
		o, ok := ud.Value.(*legObject)
		if !ok {
			a.fail("to must be a leg or a target")
		}
		s.limitOf(o.leg, &opts)
		return s.bridge(a, &raised, func(ctx context.Context) (b2bua.BridgeResult, error) { return c.Bridge(ctx, o.leg, opts) })
	}
	targets := a.targets("to", a.at(1))
	s.screen(a, targets, &opts)
	return s.bridge(a, &raised, func(ctx context.Context) (b2bua.BridgeResult, error) { return c.BridgeTo(ctx, targets, opts) })
}

// bridge waits for a bridge to end and pushes its table.
func (s *state) bridge(a arguments, raised **ScriptError, join func(context.Context) (b2bua.BridgeResult, error)) int {
	var res b2bua.BridgeResult
	var err error
	s.block(a.L, a.name, func(ctx context.Context) { res, err = join(ctx) })
	if *raised != nil {
		a.L.Error(lua.LString((*raised).Message), 0)
	}
	return a.bridged(res, err)
}

// bridged pushes the table that tells how a bridge went.
func (a arguments) bridged(res b2bua.BridgeResult, err error) int {
	if err != nil {
		a.fail("%s", err)
	}
	t := newTable(0, 5)
	t.RawSetString("state", lua.LString(res.State))
	t.RawSetString("code", lua.LNumber(res.Code))
	t.RawSetString("reason", lua.LString(res.Reason))
	t.RawSetString("seconds", lua.LNumber(res.Seconds))
	t.RawSetString("by", lua.LString(res.By))
	return push(a.L, t)
}

func callRoute(s *state, L *lua.LState) int {
	a := method(L, "call:route")
	c, number := a.call(), a.str(1, "number")
	var err error
	s.block(L, a.name, func(ctx context.Context) { err = c.Route(ctx, number) })
	return a.done(err)
}
