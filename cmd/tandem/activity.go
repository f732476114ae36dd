package main

import (
	"fmt"
	"time"

	"tandem/scripting"
	"tandem/web"
)

// activityView is what a call's script does, for the API.
func activityView(does scripting.Activity, now time.Time) (state string, waiting []web.Waiting) {
	for _, w := range does.Waiting {
		out := web.Waiting{In: w.In, SinceMS: w.Since.UnixMilli(), ForMS: max(0, now.Sub(w.Since).Milliseconds()), Stack: []web.Frame{}}
		for _, f := range w.Frames {
			out.Stack = append(out.Stack, web.Frame{Script: f.Script, Line: f.Line, Function: f.Function})
		}
		if len(out.Stack) > 0 {
			first := out.Stack[0]
			out.Script, out.Line, out.Function = first.Script, first.Line, first.Function
		}
		waiting = append(waiting, out)
	}
	if does.Running {
		return "running", nil
	}
	return "waiting", waiting
}

// activityRows tell people where a script waits, the innermost place first.
func activityRows(c web.Call, row func(...any)) {
	if c.ScriptState == "running" {
		row("script does", "runs Lua")
	}
	for _, w := range c.Waiting {
		row("script waits", fmt.Sprintf("in %s for %s", w.In, span(w.ForMS)))
		for i, f := range w.Stack {
			at := "at"
			if i > 0 {
				at = "called from"
			}
			row("", fmt.Sprintf("%s %s:%d in %s", at, f.Script, f.Line, f.Function))
		}
	}
}
