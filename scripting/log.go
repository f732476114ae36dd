package scripting

import (
	"context"
	"log/slog"
	"sort"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

const levelInfo = slog.LevelInfo

func logModule() module {
	level := func(name string, level slog.Level, doc, example string) function {
		return function{
			example: example,
			name:    name,
			params:  []field{{"message", "string", "what to write"}, {"fields?", "table", "more facts, by name"}},
			doc:     doc,
			run: func(s *state, L *lua.LState) int {
				a := args(L, "log."+name)
				var fields *lua.LTable
				if a.at(2) != lua.LNil {
					fields = a.table(2, "fields")
				}
				s.logLine(L, level, L.ToStringMeta(L.Get(1)).String(), fields)
				return 0
			},
		}
	}
	return module{
		name: "log",
		doc:  "Lines for the server's log, which also appear in the call's timeline. `print` is `log.info`.",
		functions: []function{
			level("debug", slog.LevelDebug, "Writes a line that shows when the server logs at debug level.", `log.debug("asked for opening hours")`),
			level("info", slog.LevelInfo, "Writes a line to the server's log and to the call's timeline.", `log.info("caller chose sales", { digit = "1" })`),
			level("warn", slog.LevelWarn, "Writes a warning.", `log.warn("nobody is registered for support", { waiting = 4 })`),
			level("error", slog.LevelError, "Writes an error; the call goes on.", `log.error("the booking was not taken", { booking = 17 })`),
		},
	}
}

// maxLogLine bounds what a script writes in one line.
const maxLogLine = 4 << 10

// logLine writes for the script that L runs, with the place it was called from.
func (s *state) logLine(L *lua.LState, level slog.Level, msg string, fields *lua.LTable) {
	if len(msg) > maxLogLine {
		msg = msg[:maxLogLine] + "…"
	}
	attrs := []any{"script", strings.TrimSuffix(L.Where(1), ":")}
	note := msg
	for _, k := range sortedKeys(fields) {
		v := L.ToStringMeta(fields.RawGetString(k)).String()
		if len(v) > maxLogLine {
			v = v[:maxLogLine] + "…"
		}
		attrs = append(attrs, k, v)
		note += " " + k + "=" + v
	}
	r := runningIn(L)
	r.log().Log(context.Background(), level, msg, attrs...)
	if level >= slog.LevelInfo {
		r.note(note)
	}
}

// sortedKeys are the string keys of a table, which may be nil.
func sortedKeys(t *lua.LTable) []string {
	var keys []string
	if t != nil {
		t.ForEach(func(k, _ lua.LValue) {
			if s, ok := k.(lua.LString); ok {
				keys = append(keys, string(s))
			}
		})
	}
	sort.Strings(keys)
	return keys
}
