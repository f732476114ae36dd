package scripting

import (
	"context"
	"errors"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

func recordOptions() class {
	return class{name: "RecordOptions", doc: "Options of call:record.", fields: []field{
		{"max?", "number", "seconds at most, 60 by default"},
		{"silence?", "number", "seconds of silence that end it, 3 by default; 0 for none"},
		{"finish?", "string", "keys that end it, # by default; \"\" for none"},
		{"beep?", "boolean", "before it starts, true by default"},
		{"keep?", "boolean", "for what must outlive the call's record, such as a greeting: the record does not name it, so it is not removed with it; false by default"},
	}}
}

func recordResult() class {
	return class{name: "Recording", doc: "What record and stop_recording made.", fields: []field{
		{"path", "string", "to play it by"},
		{"seconds", "number", "how long it is"},
		{"why", `"finish"|"silence"|"max"|"hangup"|"stopped"`, "what ended it"},
	}}
}

func recordFunction() function {
	return function{name: "record", params: []field{fileParameter(), {"options?", "RecordOptions", ""}},
		returns: []field{{"recording", "Recording?", "or nil and what went wrong"}},
		doc:     "Records what the caller says. When the caller hangs up the file is kept, and why is \"hangup\".",
		example: "local message = call:record(\"messages/\" .. call.id, { max = 120 })\nif message and message.seconds > 1 then log.info(\"message\", { file = message.path }) end",
		run:     callRecord}
}

func callRecord(s *state, L *lua.LState) int {
	a := method(L, "call:record")
	leg, file := a.receiver(), a.str(1, "file")
	o := a.options(2, recordOptions())
	opts := b2bua.RecordOptions{
		File: recordingName(file), Max: positive(o.seconds("max", defaultRecord)), Silence: o.seconds("silence", defaultSilence),
		Finish: a.keys("option finish", o.str("finish", "#"), false), Beep: o.boolean("beep", true), Keep: o.boolean("keep", false),
	}
	if opts.Silence == 0 {
		opts.Silence = -1
	}
	var res b2bua.RecordResult
	var err error
	s.block(L, a.name, func(ctx context.Context) { res, err = leg.Record(ctx, opts) })
	switch {
	case errors.Is(err, b2bua.ErrPath):
		a.fail("file: %s", err)
	case errors.Is(err, b2bua.ErrHangup): // before it could begin
		res = b2bua.RecordResult{Path: opts.File, Why: "hangup"}
	case err != nil:
		return a.trouble(err)
	}
	return push(L, recordingTable(res))
}

const (
	defaultRecord  = 60 * time.Second
	defaultSilence = 3 * time.Second
)
