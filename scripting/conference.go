package scripting

import (
	"context"
	"errors"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
	"tandem/media"
)

func conferenceOptions() class {
	return class{name: "ConferenceOptions", doc: "Options of call:conference.", fields: []field{
		{"pin?", "string", "digits that the caller has to enter first, within three tries; each caller's script may ask for another"},
		{"muted?", "boolean", "only listens, false by default"},
		{"max?", "integer", "how many may be in; the one beyond gets nil, \"full\""},
		{"announce?", "boolean|Source", "tells the others who come and go, false by default; a sound is played in place of \"a new caller is here\""},
		{"record?", "string", "file below the recordings folder that keeps what all say until the room is empty, .wav or .opus as in start_recording; nothing happens if the room is being recorded already"},
		{"rate?", "integer", "Hz at which it is mixed: 8000, 16000 by default, 48000; whoever comes first decides"},
	}}
}

func conferenceResult() class {
	return class{name: "ConferenceResult", doc: "How the caller's time in a conference went.", fields: []field{
		{"room", "string", ""}, {"seconds", "number", "that it lasted"}, {"by", `"caller"|"script"|"system"`, "who ended it: a kick by a script is script's"},
	}}
}

func conferenceMember() class {
	return class{name: "ConferenceMember", doc: "Somebody in a conference.", fields: []field{
		{"id", "string", "of the call"}, {"from", "Address", ""}, {"number", "string", "what was dialled"},
		{"muted", "boolean", ""}, {"speaking", "boolean", "at this moment"}, {"since", "number", "as time.now() counts"},
	}}
}

func conferenceFunction() function {
	return function{name: "conference", params: []field{{"room", "string", "any name"}, {"options?", "ConferenceOptions", ""}},
		returns: []field{{"result", "ConferenceResult?", "when the caller has left; or nil"}, {"reason", "string?", "\"full\", \"wrong pin\", \"moved\""}},
		doc:     "Brings the caller into a conference, until they hang up or are made to leave. All hear each other, those who only listen and those on hold are not heard, and neither is a line's noise. An unanswered call is answered first. The room is there while somebody is in it.",
		example: "local result, why = call:conference(\"sales\", { pin = \"4711\", max = 20, announce = true })\n" +
			"if why == \"full\" then call:play(\"conference-full\") end", run: callConference}
}

func callConference(s *state, L *lua.LState) int {
	a := method(L, "call:conference")
	c := a.call()
	room := a.room(1)
	o := a.options(2, conferenceOptions())
	opts := b2bua.ConferenceOptions{PIN: a.keys("option pin", o.str("pin", ""), false), Muted: o.boolean("muted", false),
		Max: o.integer("max", 0, 0), Rate: o.integer("rate", 0, 0)}
	switch opts.Rate {
	case 0, 8000, 16000, 48000:
	default:
		a.fail("option rate must be 8000, 16000 or 48000, got %d", opts.Rate)
	}
	if o.has("record") {
		opts.Record = recordingName(o.str("record", ""))
	}
	prompt := func(name string) []media.Source { return a.sources(name, lua.LString(name)) }
	if opts.PIN != "" {
		opts.Ask = b2bua.GatherOptions{Prompt: prompt("conference-pin"), Invalid: prompt("conference-wrong-pin")}
	}
	if v := o.get("announce"); v != lua.LNil && v != lua.LFalse {
		opts.Alone, opts.Joined, opts.Left = prompt("conference-alone"), prompt("conference-joined"), prompt("conference-left")
		if v != lua.LTrue {
			opts.Joined = o.sources("announce")
		}
	}
	var res b2bua.ConferenceResult
	var err error
	s.block(L, a.name, func(ctx context.Context) { res, err = c.Conference(ctx, room, opts) })
	switch {
	case errors.Is(err, b2bua.ErrPath):
		a.fail("option record: %s", err)
	case errors.Is(err, b2bua.ErrConferenceFull), errors.Is(err, b2bua.ErrPIN):
		return failed(L, err.Error())
	case err != nil:
		return a.trouble(err)
	}
	t := newTable(0, 3)
	t.RawSetString("room", lua.LString(res.Room))
	t.RawSetString("seconds", lua.LNumber(res.Seconds))
	t.RawSetString("by", lua.LString(res.By))
	return push(L, t)
}

func (a arguments) room(n int) string { return a.label(n, "room") }

func conferenceModule() module {
	room := field{"room", "string", ""}
	id := field{"id", "string", "of the member's call"}
	return module{
		name: "conference",
		doc:  "The conferences in use, of all scripts.",
		functions: []function{
			{name: "list", params: []field{room}, returns: []field{{"members", "ConferenceMember[]", "the longest there first; none if nobody is in it"}},
				doc: "Lists who is in a conference.", example: `log.info("in it", { members = #conference.list("sales") })`, run: conferenceList},
			{name: "kick", params: []field{room, id}, returns: []field{{"ok", "boolean", "false when it is not in"}},
				doc: "Makes a member leave; its script goes on after call:conference.", example: "for _, m in ipairs(conference.list(\"sales\")) do\n  conference.kick(\"sales\", m.id)\nend", run: conferenceKick},
			{name: "mute", params: []field{room, id, {"on?", "boolean", "false lets it be heard again; true by default"}}, returns: []field{{"ok", "boolean", "false when it is not in"}},
				doc: "Makes a member a listener.", example: `conference.mute("sales", call.id)`, run: conferenceMute},
			{name: "record", params: []field{room, fileParameter()}, returns: okOrReason(),
				doc: "Records what all in a conference say, from now on until stop_recording or until it is empty.", example: `conference.record("sales", "rooms/sales.opus")`, run: conferenceRecord},
			{name: "stop_recording", params: []field{room}, returns: []field{{"recording", "Recording?", "or nil and what went wrong"}},
				doc: "Ends the recording of a conference; the file is complete then.", example: `local recording = conference.stop_recording("sales")`, run: conferenceStopRecording},
		},
	}
}

func conferenceList(s *state, L *lua.LState) int {
	room := args(L, "conference.list").room(1)
	list := newTable(0, 0)
	if srv := s.engine.server.Load(); srv != nil {
		info, _ := srv.ConferenceOf(room)
		for _, m := range info.Members {
			t := newTable(0, 6)
			t.RawSetString("id", lua.LString(m.ID))
			t.RawSetString("from", addressTable(m.From))
			t.RawSetString("number", lua.LString(m.Number))
			t.RawSetString("muted", lua.LBool(m.Muted))
			t.RawSetString("speaking", lua.LBool(m.Speaks))
			t.RawSetString("since", lua.LNumber(float64(m.Since.UnixMicro())/1e6))
			list.Append(t)
		}
	}
	return push(L, list)
}

func conferenceKick(s *state, L *lua.LState) int {
	a := args(L, "conference.kick")
	room, id := a.room(1), a.str(2, "id")
	srv := s.engine.server.Load()
	return push(L, lua.LBool(srv != nil && srv.KickFromConference(room, id, b2bua.ByScript)))
}

func conferenceMute(s *state, L *lua.LState) int {
	a := args(L, "conference.mute")
	room, id := a.room(1), a.str(2, "id")
	on := a.at(3) == lua.LNil || lua.LVAsBool(a.at(3))
	srv := s.engine.server.Load()
	return push(L, lua.LBool(srv != nil && srv.MuteInConference(room, id, on)))
}

func conferenceRecord(s *state, L *lua.LState) int {
	a := args(L, "conference.record")
	room, file := a.room(1), recordingName(a.str(2, "file"))
	err := b2bua.ErrNoConference
	if srv := s.engine.server.Load(); srv != nil {
		var by *b2bua.Call
		if o := runningIn(L).call; o != nil {
			by = o.c
		}
		s.block(L, a.name, func(context.Context) { err = srv.RecordConference(by, room, file) })
	}
	switch {
	case errors.Is(err, b2bua.ErrPath):
		a.fail("file: %s", err)
	case errors.Is(err, b2bua.ErrNoConference):
		return failed(L, err.Error())
	case err != nil:
		return a.trouble(err)
	}
	return push(L, lua.LTrue)
}

func conferenceStopRecording(s *state, L *lua.LState) int {
	a := args(L, "conference.stop_recording")
	room := a.room(1)
	var res b2bua.RecordResult
	err := b2bua.ErrNoConference
	if srv := s.engine.server.Load(); srv != nil {
		s.block(L, a.name, func(context.Context) { res, err = srv.StopConferenceRecording(room) })
	}
	switch {
	case errors.Is(err, b2bua.ErrNoConference):
		return failed(L, err.Error())
	case err != nil:
		return a.trouble(err)
	}
	return push(L, recordingTable(res))
}
