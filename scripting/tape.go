package scripting

import (
	"context"
	"errors"
	"path"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
	"tandem/media"
)

// fileParameter is the name of a recording to make.
func fileParameter() field {
	return field{"file", "string", "below the recordings folder; .wav or .opus says the format, .wav is added if there is no ending"}
}

// recordingName is the file that a script means.
func recordingName(file string) string {
	if path.Ext(file) == "" {
		return file + ".wav"
	}
	return file
}

func tapeOptions() class {
	return class{name: "TapeOptions", doc: "Options of start_recording.", fields: []field{
		{"stereo?", "boolean", "the caller left and what the caller hears right; mixed by default"},
		{"only?", `"caller"|"callee"`, "one side: what the caller says, or what the caller hears"},
		{"pause?", `"silence"|"skip"`, "what a pause leaves in the file, silence by default; skip leaves nothing"},
	}}
}

// tapeFunctions record a conversation beside everything else.
func tapeFunctions() []function {
	return []function{
		{name: "start_recording", params: []field{fileParameter(), {"options?", "TapeOptions", ""}}, returns: okOrReason(),
			doc:     "Records the caller and what the caller hears, from now on and also while bridged, until stop_recording or the hangup. It does not answer the call.",
			example: `call:start_recording("calls/" .. call.id .. ".opus", { stereo = true })`, run: startRecording},
		steering("pause_recording", "Keeps what follows out of the recording, such as a card's number.", "call:pause_recording()", (*b2bua.Leg).PauseRecording),
		steering("resume_recording", "Ends a pause of the recording.", "call:resume_recording()", (*b2bua.Leg).ResumeRecording),
		{name: "stop_recording", returns: []field{{"recording", "Recording?", "or nil and what went wrong, such as a full disk"}},
			doc: "Ends the recording that start_recording began.", example: "local recording = call:stop_recording()", run: stopRecording},
	}
}

func startRecording(s *state, L *lua.LState) int {
	a := method(L, "call:start_recording")
	leg, file := a.receiver(), a.str(1, "file")
	o := a.options(2, tapeOptions())
	opts := b2bua.TapeOptions{File: recordingName(file), Side: media.SideBoth, Stereo: o.boolean("stereo", false)}
	if o.has("only") {
		if opts.Side = media.SidePeer; o.oneOf("only", "caller", "callee") == "callee" {
			opts.Side = media.SideHeard
		}
		if opts.Stereo {
			a.fail("option stereo needs both sides; leave out option only")
		}
	}
	opts.Skip = o.oneOf("pause", "silence", "skip") == "skip"
	var err error
	s.block(L, a.name, func(ctx context.Context) { err = leg.StartRecording(ctx, opts) })
	switch {
	case errors.Is(err, b2bua.ErrPath):
		a.fail("file: %s", err)
	case err != nil:
		return a.trouble(err)
	}
	return push(L, lua.LTrue)
}

func stopRecording(s *state, L *lua.LState) int {
	a := method(L, "call:stop_recording")
	leg := a.receiver()
	var res b2bua.RecordResult
	var err error
	s.block(L, a.name, func(ctx context.Context) { res, err = leg.StopRecording(ctx) })
	if err != nil {
		return a.trouble(err)
	}
	return push(L, recordingTable(res))
}

func recordingTable(r b2bua.RecordResult) *lua.LTable {
	t := newTable(0, 3)
	t.RawSetString("path", lua.LString(r.Path))
	t.RawSetString("seconds", lua.LNumber(r.Seconds))
	t.RawSetString("why", lua.LString(r.Why))
	return t
}
