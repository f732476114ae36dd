package scripting

import (
	"fmt"
	"time"
)

// maxBefore is how many generations can be brought back one after the other.
const maxBefore = 16

// Reload reads all scripts again and, if nothing is wrong with them, hands them to the calls
// that come from now on. Otherwise it returns what is wrong, and nothing changes.
func (e *Engine) Reload() []FileError { return e.reload("asked") }

func (e *Engine) reload(why string) []FileError {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.print = e.fingerprint() // before they are read: a change meanwhile is one more reload
	g, found := e.build(e.lastID+1, true)
	errs := e.judge(found)
	if len(errs) == 0 {
		g.print = e.print
		if old := e.current.Load(); old != nil && old.print != g.print {
			e.before = append(e.before, old)
			e.before = e.before[max(0, len(e.before)-maxBefore):]
		}
		e.swap(g, why)
	}
	e.told()
	return errs
}

// Back puts the generation in force that was so before the present one, from memory: files do
// not matter. It becomes a new generation, and its on_load runs; when that fails, its errors
// are returned and nothing changes. The one given up is not returned to: once more goes one
// further back. The files as they lie are read by the next change of one, and by Reload.
func (e *Engine) Back() []FileError {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := len(e.before) - 1
	if last < 0 {
		return []FileError{{File: e.folderName(), Message: fmt.Sprintf("no generation to go back to: %d is the first since the start, or the oldest kept", e.current.Load().origin())}}
	}
	g, found := e.bringBack(e.before[last], e.lastID+1)
	errs := e.judge(found)
	if len(errs) == 0 {
		e.before[last] = nil
		e.before = e.before[:last]
		e.swap(g, fmt.Sprintf("generation %d brought back", g.again))
	}
	e.told()
	return errs
}

// judge keeps and logs what was found, and returns what refuses the generation. e.mu is held.
func (e *Engine) judge(found []FileError) []FileError {
	errs, warnings := split(found)
	e.errors, e.warnings, e.reloaded = errs, warnings, e.o.Clock.Now()
	for _, w := range warnings {
		e.o.Log.Warn("script: " + w.Error())
	}
	for _, fe := range errs {
		e.o.Log.Error("script: " + fe.Error())
	}
	if g := e.current.Load(); len(errs) > 0 && g != nil {
		e.o.Log.Error("scripts not reloaded; the old ones stay in force", "generation", g.id)
	}
	return errs
}

// swap puts g in force. e.mu is held.
func (e *Engine) swap(g *generation, why string) {
	e.lastID = g.id
	e.current.Store(g)
	e.live = append(e.live, g)
	e.o.Log.Info("scripts loaded", "generation", g.id, "plugins", len(g.plugins), "why", why)
}

// told tells of an attempt to reload. e.mu is held.
func (e *Engine) told() {
	e.forget()
	if e.o.OnReload != nil {
		e.o.OnReload(e.status())
	}
}

// forget drops old generations that no call uses any more. e.mu is held.
func (e *Engine) forget() {
	kept := e.live[:0]
	for _, g := range e.live {
		if g == e.current.Load() || g.calls.Load() > 0 {
			kept = append(kept, g)
		}
	}
	clear(e.live[len(kept):])
	e.live = kept
}

func (e *Engine) folderName() string {
	if e.o.Dir == "" {
		return "the shipped scripts"
	}
	return e.o.Dir
}

// Status is how the scripts stand.
type Status struct {
	Generation  int64              `json:"generation"`
	Again       int64              `json:"again"` // the generation that this one brought back, or 0
	Back        int64              `json:"back"`  // the generation that Back would bring back, or 0
	Dir         string             `json:"dir"`   // "" for the shipped scripts
	Files       []string           `json:"files"`
	Loaded      time.Time          `json:"loaded"`      // the generation in force
	LastReload  time.Time          `json:"last_reload"` // the last attempt
	Errors      []FileError        `json:"errors"`      // of the last attempt
	Warnings    []FileError        `json:"warnings"`
	Generations []GenerationStatus `json:"generations"`
}

// GenerationStatus tells how many calls a generation still serves.
type GenerationStatus struct {
	ID    int64 `json:"id"`
	Calls int64 `json:"calls"`
}

// Status tells which generation is in force and what was wrong at the last reload.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forget()
	return e.status()
}

func (e *Engine) status() Status {
	st := Status{Dir: e.o.Dir, Files: []string{}, LastReload: e.reloaded,
		Errors: append([]FileError{}, e.errors...), Warnings: append([]FileError{}, e.warnings...)}
	if g := e.current.Load(); g != nil {
		st.Generation, st.Again, st.Loaded = g.id, g.again, g.loaded
		for _, p := range g.plugins {
			st.Files = append(st.Files, p.name)
		}
	}
	if n := len(e.before); n > 0 {
		st.Back = e.before[n-1].origin()
	}
	for _, g := range e.live {
		st.Generations = append(st.Generations, GenerationStatus{ID: g.id, Calls: g.calls.Load()})
	}
	return st
}
