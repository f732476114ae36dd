package scripting

import "slices"

// aliases are types that several functions take.
func aliases() []alias {
	return []alias{
		{"Source", "string|string[]", "A sound: a prompt (`main-menu` is `prompts/main-menu.wav`), a recording's path, `tone:425/1000,0/4000` or `tone:busy`, `silence:2`, or a list of them played without a gap."},
		{"Target", "string|string[]", "Whom to call: `user:1001` (all its registered phones), `sip:bob@example.com;transport=tcp`, `route:700` (our own scripts, as if dialled), or a list of them."},
	}
}

// classes are the objects and tables that scripts get, and the tables of options they give.
func classes() []class {
	return []class{
		callClass(), legClass(), addressClass(), sourceClass(),
		answerOptions(), progressOptions(), playOptions(), gatherOptions(), menuOptions(), sayOptions(), recordOptions(), recordResult(),
		dialOptions(), bridgeResult(), failureClass(), sharedOptions, hoursClass(), handlersClass(),
	}
}

func callClass() class {
	return class{
		name: "Call", doc: "A call, as `on_call` gets it.",
		fields: []field{
			{"id", "string", "our id, as in the record"},
			{"from", "Address", "the caller"},
			{"to", "Address", "the To header"},
			{"number", "string", "what was dialled"},
			{"user", "string?", "the authenticated user"},
			{"trunk", "string?", "the trunk it came by"},
			{"source", "CallSource", "where it came from"},
			{"state", `"new"|"ringing"|"answered"|"ended"`, ""},
			{"vars", "table", "yours to fill; kept in the record as JSON"},
		},
		methods: slices.Concat(
			[]function{headerFunction("call"), headersFunction()},
			answerMethods(),
			[]function{playFunction("call"), gatherFunction("call"), menuFunction(), sayFunction("call"), recordFunction(),
				sendDTMFFunction("call"), flushFunction(), sleepFunction(), echoFunction()},
			dialMethods(), carryMethods(), []function{onFunction()},
			notBuilt("start_recording", "pause_recording", "resume_recording", "stop_recording", "park", "conference", "queue", "stream"),
		),
	}
}

// notBuilt are methods that are named already and raise an error that says so.
func notBuilt(names ...string) []function {
	out := make([]function, len(names))
	for i, name := range names {
		out[i] = function{name: name, params: []field{{"...", "any", ""}}, doc: "Not built yet: it raises an error that says so."}
	}
	return out
}

func legClass() class {
	return class{
		name: "Leg", doc: "A leg that call:dial made.",
		fields: []field{{"vars", "table", "yours to fill"}, {"target", "string", "whom it was dialled for"}},
		methods: []function{playFunction("leg"), gatherFunction("leg"), sayFunction("leg"), sendDTMFFunction("leg"),
			legHangup(), headerFunction("leg")},
	}
}

func addressClass() class {
	return class{name: "Address", doc: "A party, as SIP names it.", fields: []field{
		{"user", "string", ""}, {"host", "string", ""}, {"display", "string", "the name shown, or \"\""}, {"uri", "string", ""},
	}}
}

func sourceClass() class {
	return class{name: "CallSource", doc: "Where a call came from.", fields: []field{
		{"ip", "string", ""}, {"port", "integer", ""}, {"transport", `"udp"|"tcp"|"tls"|"ws"|"wss"`, ""},
	}}
}

func hoursClass() class {
	return class{name: "Hours", index: "[integer] string", doc: "Opening hours: a list such as `\"Mon-Fri 09:00-17:30\"`, and the zone they are in.", fields: []field{
		{"zone?", "string", "such as Europe/London; the server's by default"},
	}}
}

func handlersClass() class {
	return class{name: "Plugin", doc: "What a file of scripts/ returns.", fields: []field{
		{"on_call?", "fun(call: Call)", "an inbound call; goes to the next plugin while nobody has taken it"},
		{"on_register?", "fun(reg: table): boolean?, integer?", "a registration (not called yet)"},
		{"on_auth?", "fun(user: string, realm: string): table?", "a user kept elsewhere (not called yet)"},
		{"on_message?", "fun(msg: table): integer?", "a SIP MESSAGE (not called yet)"},
		{"on_hangup?", "fun(cdr: table)", "a finished record (not called yet)"},
		{"on_load?", "fun()", "once a generation, before it is used; an error refuses it"},
	}}
}
