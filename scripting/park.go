package scripting

import (
	"context"
	"errors"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

func parkOptions() class {
	return class{name: "ParkOptions", doc: "Options of call:park.", fields: []field{
		{"music?", "Source", "what the caller hears, again and again; silence by default"},
		{"timeout?", "number", "seconds after which the script goes on with the caller; no limit by default"},
	}}
}

func parkResult() class {
	return class{name: "ParkResult", doc: "How the caller's time in a parking slot went.", fields: []field{
		{"slot", "string", ""}, {"why", `"retrieved"|"timeout"|"hangup"|"moved"`, "retrieved: somebody has taken the call up, and this script is over; moved: the caller was transferred"},
		{"by", `"caller"|"callee"|"script"|"system"`, "who ended it; callee is whoever took the call up"}, {"call?", "string", "id of the call that has taken it up"},
		{"seconds", "number", "that it lasted"},
	}}
}

func parkedCall() class {
	return class{name: "ParkedCall", doc: "Somebody in a parking slot.", fields: []field{
		{"slot", "string", ""}, {"id", "string", "of the call"}, {"from", "Address", ""}, {"number", "string", "what was dialled"},
		{"since", "number", "as time.now() counts"},
	}}
}

func parkFunction() function {
	return function{name: "park", params: []field{{"slot", "string", "any name; phones that watch it see a lamp"}, {"options?", "ParkOptions", ""}},
		returns: []field{{"result", "ParkResult?", "when the caller has left the slot; or nil"}, {"reason", "string?", "\"taken\" when somebody else is there"}},
		doc:     "Keeps the caller in a slot, with music, until somebody dials the target `park:SLOT`, the time is over, or they hang up. An unanswered call is answered first.",
		example: "local result, why = call:park(\"701\", { music = \"tone:425/200,0/4800\", timeout = 120 })\n" +
			"if why == \"taken\" then call:bridge(\"park:701\") elseif result.why == \"timeout\" then call:bridge(\"user:1001\") end",
		run: callPark}
}

func callPark(s *state, L *lua.LState) int {
	a := method(L, "call:park")
	c := a.call()
	slot := a.label(1, "slot")
	o := a.options(2, parkOptions())
	opts := b2bua.ParkOptions{Music: o.sources("music"), Timeout: o.seconds("timeout", 0)}
	var res b2bua.ParkResult
	var err error
	s.block(L, a.name, func(ctx context.Context) { res, err = c.Park(ctx, slot, opts) })
	if errors.Is(err, b2bua.ErrTaken) {
		return failed(L, err.Error())
	}
	if err != nil {
		return a.trouble(err)
	}
	t := newTable(0, 5)
	t.RawSetString("slot", lua.LString(res.Slot))
	t.RawSetString("why", lua.LString(res.Why))
	t.RawSetString("by", lua.LString(res.By))
	t.RawSetString("seconds", lua.LNumber(res.Seconds))
	t.RawSetString("call", orNil(res.Call))
	return push(L, t)
}

// label reads a name that things of the server are kept under.
func (a arguments) label(n int, what string) string {
	name := a.str(n, what)
	if name == "" || len(name) > maxName {
		a.fail("%s must be a name of 1 to %d bytes", what, maxName)
	}
	return name
}

// maxName bounds the name of a conference, a parking slot or a queue.
const maxName = 128

func parkingModule() module {
	return module{
		name: "parking",
		doc:  "The parking slots in use, of all scripts.",
		functions: []function{
			{name: "list", returns: []field{{"parked", "ParkedCall[]", "by slot"}}, doc: "Lists who is parked.",
				example: `log.info("parked", { calls = #parking.list() })`, run: parkingList},
		},
	}
}

func parkingList(s *state, L *lua.LState) int {
	list := newTable(0, 0)
	if srv := s.engine.server.Load(); srv != nil {
		for _, p := range srv.Parked() {
			t := newTable(0, 5)
			t.RawSetString("slot", lua.LString(p.Slot))
			t.RawSetString("id", lua.LString(p.ID))
			t.RawSetString("from", addressTable(p.From))
			t.RawSetString("number", lua.LString(p.Number))
			t.RawSetString("since", lua.LNumber(float64(p.Since.UnixMicro())/1e6))
			list.Append(t)
		}
	}
	return push(L, list)
}
