package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// moment is something that happened in a spec: what it did itself, or an event of a call.
type moment struct {
	at   time.Time
	who  string // "spec" or "call 1"
	text string
}

// did notes what the spec does; the last steps are kept.
func (r *running) did(where, name, arguments string) {
	if len(r.steps) >= maxSteps {
		r.steps = slices.Delete(r.steps, 0, 1)
	}
	var at time.Time // before all that happens, while there is no world
	if r.world != nil {
		at = r.world.clock.Now()
	}
	r.steps = append(r.steps, moment{at, "spec", strings.TrimSpace(where + " " + name + arguments)})
}

const maxSteps = 200

// timeline tells what has happened so far, what the spec did and what came of it in each call.
func (r *running) timeline() []string {
	if r.world == nil {
		return nil
	}
	all := append([]moment{}, r.steps...)
	var calls []moment
	var heads []string
	if !r.world.restless {
		var err error
		if calls, heads, err = r.world.moments(); err != nil {
			heads = []string{"the calls do not end: " + err.Error()}
		}
	}
	all = append(all, calls...)
	slices.SortStableFunc(all, func(a, b moment) int { return a.at.Compare(b.at) })
	lines := heads
	for _, m := range all {
		lines = append(lines, fmt.Sprintf("%9.3f  %-6s  %s", max(m.at.Sub(r.world.began), 0).Seconds(), m.who, m.text))
	}
	return lines
}

// moments ends the calls that are left, so that their records are complete, and gives their
// events, and a line about each.
func (w *world) moments() (all []moment, heads []string, err error) {
	if err := w.run(time.Minute, func() error { return w.server.Close(w.ctx) }); err != nil {
		return nil, nil, err
	}
	w.records.mu.Lock()
	defer w.records.mu.Unlock()
	for i, id := range w.records.open {
		rec, ok := w.records.finished[id]
		if !ok {
			continue
		}
		who := fmt.Sprintf("call %d", i+1)
		head := fmt.Sprintf("%s from %s to %s: %s", who, rec.Call.FromUser, rec.Call.ToUser, rec.Call.State)
		if rec.Call.SIPCode != 0 {
			head += fmt.Sprintf(" %d", rec.Call.SIPCode)
		}
		if rec.Call.Script != "" {
			head += ", script " + rec.Call.Script
		}
		heads = append(heads, head)
		if rec.Call.ScriptError != "" {
			for line := range strings.SplitSeq(strings.TrimSpace(rec.Call.ScriptError), "\n") {
				heads = append(heads, "  "+line)
			}
		}
		for _, e := range rec.Events {
			all = append(all, moment{time.UnixMilli(e.AtMS), who, fmt.Sprintf("%-6s  %s", e.Kind, e.Text)})
		}
	}
	return all, heads, nil
}
