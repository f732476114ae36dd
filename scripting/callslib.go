package scripting

import (
	"context"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

// askTime bounds how long calls.list and calls.get wait for busy calls.
const askTime = 2 * time.Second

func callsModule() module {
	return module{
		name: "calls",
		doc:  "The calls in progress, of all scripts.",
		functions: []function{
			{name: "list", returns: []field{{"calls", "LiveCall[]", "the newest first"}}, doc: "Lists the calls in progress.",
				example: `log.info("busy", { calls = #calls.list() })`, run: callsList},
			{name: "get", params: []field{{"id", "string", ""}}, returns: []field{{"call", "LiveCall?", "nil when there is none"}},
				doc: "Finds a call in progress.", example: "local other = calls.get(shared.get(\"operator\"))\nif other then other:hangup() end", run: callsGet},
		},
	}
}

func liveCallClass() class {
	return class{name: "LiveCall", doc: "A call in progress, as it was when it was asked for.",
		fields: []field{{"id", "string", ""}, {"linked_id", "string", "of the first of the calls that belong together"}, {"from", "Address", ""}, {"to", "Address", ""},
			{"number", "string", "what was dialled"}, {"user", "string?", "the authenticated user"}, {"trunk", "string?", ""}, {"source", "CallSource", ""},
			{"state", `"new"|"ringing"|"answered"|"ended"`, ""}, {"started", "number", "as time.now() counts"}, {"answered", "number?", "as time.now() counts"}},
		methods: append([]function{{name: "hangup", returns: okOrReason(), doc: "Ends the call: true, or nil and \"hangup\" when it has ended by itself.", example: `calls.list()[1]:hangup()`, run: liveHangup}},
			superviseMethods()...)}
}

// liveCallMeta is the metatable of a LiveCall.
var liveCallMeta = func() *lua.LTable {
	methods := newTable(0, 4)
	for _, f := range liveCallClass().methods {
		methods.RawSetString(f.name, goFunction(f.entry("call:"+f.name)))
	}
	methods.Metatable = lua.LNil
	return sealed(methods)
}()

func callsList(s *state, L *lua.LState) int {
	list := newTable(0, 0)
	srv := s.engine.server.Load()
	if srv == nil {
		return push(L, list)
	}
	var all []b2bua.Snapshot
	s.briefly(L, "calls.list", func(ctx context.Context) { all = srv.Calls(ctx) })
	for _, c := range all {
		list.Append(liveCallTable(c))
	}
	return push(L, list)
}

func callsGet(s *state, L *lua.LState) int {
	id := args(L, "calls.get").str(1, "id")
	srv := s.engine.server.Load()
	if srv == nil {
		return push(L, lua.LNil)
	}
	var c b2bua.Snapshot
	var found bool
	s.briefly(L, "calls.get", func(ctx context.Context) { c, found = srv.Snapshot(ctx, id) })
	if !found {
		return push(L, lua.LNil)
	}
	return push(L, liveCallTable(c))
}

// briefly blocks until calls have answered, or too long.
func (s *state) briefly(L *lua.LState, name string, fn func(context.Context)) {
	s.block(L, name, func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer s.engine.o.Clock.AfterFunc(askTime, cancel).Stop()
		fn(ctx)
	})
}

func liveHangup(s *state, L *lua.LState) int {
	id := method(L, "call:hangup").liveID()
	if srv := s.engine.server.Load(); srv == nil || !srv.HangupCall(id) {
		return failed(L, "hangup")
	}
	return push(L, lua.LTrue)
}

// liveID is the id of the call that a method was called on.
func (a arguments) liveID() string {
	if t, ok := a.L.Get(1).(*lua.LTable); ok {
		if id, ok := t.RawGetString("id").(lua.LString); ok {
			return string(id)
		}
	}
	a.fail("call it with a colon on what calls.list or calls.get returned")
	return ""
}

func liveCallTable(c b2bua.Snapshot) *lua.LTable {
	t := newTable(0, 12)
	t.RawSetString("id", lua.LString(c.ID))
	t.RawSetString("linked_id", lua.LString(c.LinkedID))
	t.RawSetString("from", addressTable(c.From))
	t.RawSetString("to", addressTable(c.To))
	t.RawSetString("number", lua.LString(c.Number))
	t.RawSetString("user", orNil(c.User))
	t.RawSetString("trunk", orNil(c.Trunk))
	t.RawSetString("source", sourceTable(c.Source.IP, c.Source.Port, c.Source.Transport))
	t.RawSetString("state", lua.LString(c.State))
	t.RawSetString("started", lua.LNumber(float64(c.Started.UnixMilli())/1000))
	if !c.Answered.IsZero() {
		t.RawSetString("answered", lua.LNumber(float64(c.Answered.UnixMilli())/1000))
	}
	t.Metatable = liveCallMeta
	return t
}
