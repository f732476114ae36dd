package scripting

import (
	"slices"

	"tandem/store"
)

// aliases are types that several functions take.
func aliases() []alias {
	return []alias{
		{"Source", "string|string[]", "A sound: a prompt (`main-menu` is `prompts/main-menu.wav`), a recording's path, `tone:425/1000,0/4000` or `tone:busy`, `silence:2`, `say:number:42` (or `digits`, `date`, `time`), `https://example.com/hello.mp3`, or a list of them played without a gap."},
		{"Target", "string|string[]", "Whom to call: `user:1001` (all its registered phones), `sip:bob@example.com;transport=tcp`, `route:700` (our own scripts, as if dialled), `park:701` (whoever is parked there), `call:ID` (the caller of a call in progress who talks to nobody: parked, in a queue or a menu), or a list of them."},
	}
}

// classes are the objects and tables that scripts get, and the tables of options they give.
func classes() []class {
	return []class{
		callClass(), legClass(), databaseClass(), transactionClass(), recordFilter(), fileEntryClass(), mailOptions(), attachmentClass(), timerClass(), originateOptions(), addressClass(), sourceClass(),
		answerOptions(), progressOptions(), playOptions(), gatherOptions(), menuOptions(), sayOptions(), recordOptions(), recordResult(), tapeOptions(),
		dialOptions(), bridgeResult(), failureClass(), sharedOptions, hoursClass(), handlersClass(), httpOptions(), responseClass(), contactClass(), notifyOptions(), liveCallClass(),
		conferenceOptions(), conferenceResult(), conferenceMember(),
		parkOptions(), parkResult(), parkedCall(),
		queueOptions(), queueResult(), queueInfo(), queueCaller(), queueAgent(),
		superviseOptions(), superviseResult(), livePlayOptions(),
		registrationClass(), credentialClass(), messageClass(), recordClass(),
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
			{"secret", "boolean", "set it to true while the caller presses what nobody is to read, such as a card's number: the record then tells that keys were pressed and not which, until it is false again"},
		},
		methods: slices.Concat(
			[]function{headerFunction("call"), headersFunction()},
			answerMethods(),
			[]function{playFunction("call"), gatherFunction("call"), menuFunction(), sayFunction("call"), recordFunction(),
				sendDTMFFunction("call"), flushFunction(), sleepFunction(), echoFunction()},
			playingFunctions(), tapeFunctions(), dialMethods(), carryMethods(), []function{conferenceFunction(), parkFunction(), queueFunction(), onFunction()},
			notBuilt("stream"),
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
		{"holidays?", "string[]", "days that are closed: `2026-04-03`, or `12-25` of every year"},
	}}
}

func handlersClass() class {
	return class{name: "Plugin", doc: "What a file of scripts/ returns.", fields: []field{
		{"on_call?", "fun(call: Call)", "an inbound call; goes to the next plugin while nobody has taken it"},
		{"on_register?", "fun(reg: Registration): boolean?, integer?", "a REGISTER of a known user; false and a code refuse it, true ends the chain"},
		{"on_auth?", "fun(user: string, realm: string): Credential|false|nil", "a user who is neither in the file nor in the store; false ends the chain. The answer is kept for a minute"},
		{"on_message?", "fun(msg: Message): integer|boolean|nil", "a SIP MESSAGE outside of any call; a code from 200 to 699 answers it, true is 200, false 403"},
		{"on_dial?", "fun(call: Call, target: string): boolean|table|nil, integer?, string?", "whatever a script of a call dials, before it does, and never an emergency number: false, a code and a reason refuse it, `{ max = seconds }` limits the bridge, true ends the chain. It may not wait"},
		{"on_hangup?", "fun(cdr: Record)", "a finished record, in every plugin, in a fresh state; ends after 5 s. No call waits for it"},
		{"on_load?", "fun()", "once a generation, before it is used; an error refuses it"},
	}}
}

func registrationClass() class {
	return class{name: "Registration", doc: "A REGISTER, as `on_register` gets it.", fields: []field{
		{"user", "string", "whose password was right"}, {"contacts", "string[]", "their URIs, or `*`"},
		{"expires", "number", "seconds asked for; 0 to be removed"}, {"source", "CallSource", "where it came from"}, {"user_agent", "string", ""},
	}}
}

func credentialClass() class {
	return class{name: "Credential", doc: "How to check a user's password, as `on_auth` returns it: the password, or what RFC 7616 calls H(A1), H(user:realm:password).", fields: []field{
		{"password?", "string", ""}, {"ha1?", "string", "of MD5, 32 hexadecimal digits"}, {"ha1_sha256?", "string", "of SHA-256, 64 of them"},
		{"display?", "string", "the user's name"},
	}}
}

func messageClass() class {
	return class{name: "Message", doc: "A SIP MESSAGE, as `on_message` gets it.", fields: []field{
		{"from", "Address", ""}, {"to", "Address", ""}, {"user", "string?", "the authenticated user"}, {"source", "CallSource", "where it came from"},
		{"content_type", "string", ""}, {"body", "string", ""},
	}}
}

func recordClass() class {
	c := class{name: "Record", doc: "A call's record: the columns of `calls` (see records.md); what is not known is nil."}
	for _, f := range new(store.Call).Fields() {
		typ := map[store.Kind]string{store.Text: "string", store.Int: "integer", store.Opt: "integer?", store.Real: "number?", store.JSON: "table"}[f.Kind]
		c.fields = append(c.fields, field{f.Name, typ, ""})
	}
	return c
}
