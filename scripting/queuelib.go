package scripting

import (
	"errors"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

func queueInfo() class {
	return class{name: "QueueInfo", doc: "A queue as it stands.", fields: []field{
		{"name", "string", ""}, {"callers", "QueueCaller[]", "in the order they are served"}, {"agents", "QueueAgent[]", "in the order of the list"},
		{"answered", "integer", "callers since the start, here and in the next ones"}, {"abandoned", "integer", "who hung up"}, {"exited", "integer", "who left by a key"},
		{"timed_out", "integer", ""}, {"refused", "integer", "full, or no agent there"}, {"waited", "number", "seconds, by all who were answered"},
		{"talked", "number", "seconds, with all of them"}, {"handle?", "number", "seconds that a caller takes an agent of late, wrap-up included; nil before the first"},
	}}
}

func queueCaller() class {
	return class{name: "QueueCaller", doc: "Somebody who waits in a queue.", fields: []field{
		{"id", "string", "of the call"}, {"from", "Address", ""}, {"number", "string", "what was dialled"}, {"wait", "number", "seconds"},
		{"priority", "integer", ""}, {"rings", "string[]", "the agents who are being rung"},
	}}
}

func queueAgent() class {
	return class{name: "QueueAgent", doc: "Somebody who serves a queue.", fields: []field{
		{"target", "string", ""},
		{"state", `"free"|"ringing"|"talking"|"wrap-up"|"busy"|"resting"|"paused"|"left"|"absent"`, "busy: talks to somebody else; resting: has just missed a call; absent: no phone is registered"},
		{"since", "number", "of the state, as time.now() counts"}, {"joined", "boolean", "by queue.join"},
		{"answered", "integer", "calls of all queues"}, {"missed", "integer", "likewise"},
	}}
}

func queueModule() module {
	name := field{"name", "string", "of the queue"}
	target := field{"target", "string", "such as user:1001"}
	yes := func(no string) []field { return []field{{"ok", "boolean", "false when " + no}} }
	return module{
		name: "queue",
		doc:  "The queues, of all scripts.",
		functions: []function{
			{name: "get", params: []field{name}, returns: []field{{"queue", "QueueInfo?", "nil when it has not been used"}},
				doc: "Tells how a queue stands.", example: "local q = queue.get(\"support\")\nif q and #q.callers > 20 then call:play(\"busy\") end", run: queueGet},
			{name: "join", params: []field{name, target}, returns: okOrReason(),
				doc: "Makes somebody an agent of a queue until queue.leave or the server's end.", example: `queue.join("support", "user:" .. call.user)`, run: queueJoin},
			{name: "leave", params: []field{name, target}, returns: yes("it is no agent of it"),
				doc: "Takes an agent out of a queue, also one that a script lists; a call that it has goes on.", example: `queue.leave("support", "user:" .. call.user)`, run: queueLeave},
			{name: "pause", params: []field{target, {"on?", "boolean", "false ends it; true by default"}}, returns: yes("it serves no queue"),
				doc: "Keeps an agent from being rung, in all queues.", example: `queue.pause("user:" .. call.user)`, run: queuePause},
			{name: "remove", params: []field{name, {"id", "string", "of the call that waits"}}, returns: yes("it does not wait there"),
				doc: "Makes a caller leave the queue; its script goes on with why = \"removed\".", example: "for _, c in ipairs(queue.get(\"support\").callers) do\n  queue.remove(\"support\", c.id)\nend", run: queueRemove},
		},
	}
}

func queueGet(s *state, L *lua.LState) int {
	name := args(L, "queue.get").label(1, "name")
	srv := s.engine.server.Load()
	if srv == nil {
		return push(L, lua.LNil)
	}
	q, ok := srv.QueueOf(name)
	if !ok {
		return push(L, lua.LNil)
	}
	t := newTable(0, 11)
	t.RawSetString("name", lua.LString(q.Name))
	callers, agents := newTable(len(q.Callers), 0), newTable(len(q.Agents), 0)
	for _, c := range q.Callers {
		callers.Append(queueCallerTable(c))
	}
	for _, a := range q.Agents {
		agents.Append(queueAgentTable(a))
	}
	t.RawSetString("callers", callers)
	t.RawSetString("agents", agents)
	for key, n := range map[string]int64{"answered": q.Counts.Answered, "abandoned": q.Counts.Abandoned, "exited": q.Counts.Exited,
		"timed_out": q.Counts.TimedOut, "refused": q.Counts.Refused} {
		t.RawSetString(key, lua.LNumber(n))
	}
	t.RawSetString("waited", lua.LNumber(q.Counts.Waited.Seconds()))
	t.RawSetString("talked", lua.LNumber(q.Counts.Talked.Seconds()))
	if q.Handle > 0 {
		t.RawSetString("handle", lua.LNumber(q.Handle.Seconds()))
	}
	return push(L, t)
}

func queueCallerTable(c b2bua.QueueCaller) *lua.LTable {
	t := newTable(0, 6)
	t.RawSetString("id", lua.LString(c.ID))
	t.RawSetString("from", addressTable(c.From))
	t.RawSetString("number", lua.LString(c.Number))
	t.RawSetString("wait", lua.LNumber(c.Wait.Seconds()))
	t.RawSetString("priority", lua.LNumber(c.Priority))
	rings := newTable(len(c.Rings), 0)
	for _, target := range c.Rings {
		rings.Append(lua.LString(target))
	}
	t.RawSetString("rings", rings)
	return t
}

func queueAgentTable(a b2bua.QueueAgent) *lua.LTable {
	t := newTable(0, 6)
	t.RawSetString("target", lua.LString(a.Target))
	t.RawSetString("state", lua.LString(a.State))
	t.RawSetString("since", lua.LNumber(float64(a.Since.UnixMicro())/1e6))
	t.RawSetString("joined", lua.LBool(a.Joined))
	t.RawSetString("answered", lua.LNumber(a.Answered))
	t.RawSetString("missed", lua.LNumber(a.Missed))
	return t
}

func queueJoin(s *state, L *lua.LState) int {
	a := args(L, "queue.join")
	name, target := a.label(1, "name"), a.str(2, "target")
	srv := s.engine.server.Load()
	if srv == nil {
		return failed(L, "there is no server")
	}
	switch err := srv.JoinQueue(name, target); {
	case errors.Is(err, b2bua.ErrQueues):
		return failed(L, err.Error())
	case err != nil:
		a.fail("%s", err)
	}
	return push(L, lua.LTrue)
}

func queueLeave(s *state, L *lua.LState) int {
	a := args(L, "queue.leave")
	name, target := a.label(1, "name"), a.str(2, "target")
	srv := s.engine.server.Load()
	return push(L, lua.LBool(srv != nil && srv.LeaveQueue(name, target)))
}

func queuePause(s *state, L *lua.LState) int {
	a := args(L, "queue.pause")
	target := a.str(1, "target")
	on := a.at(2) == lua.LNil || lua.LVAsBool(a.at(2))
	srv := s.engine.server.Load()
	return push(L, lua.LBool(srv != nil && srv.PauseAgent(target, on)))
}

func queueRemove(s *state, L *lua.LState) int {
	a := args(L, "queue.remove")
	name, id := a.label(1, "name"), a.str(2, "id")
	srv := s.engine.server.Load()
	return push(L, lua.LBool(srv != nil && srv.RemoveFromQueue(name, id, b2bua.ByScript)))
}
