package scripting

import (
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// generation is all scripts as they were at one moment. Calls keep the one they began with.
type generation struct {
	id      int64
	files   files
	plugins []*script
	lib     map[string]*script // by file name: "lib/queue.lua"
	loaded  time.Time
	print   string               // fingerprint of its files
	again   int64                // the generation of which this is the return, or 0
	asks    map[string][]*script // the plugins that have a handler, in their order
	calls   atomic.Int64         // in progress on it
	tables  csvTables            // that its scripts have read
}

// handlerNames are the functions that a plugin's table may hold.
func handlerNames() []string {
	return []string{"on_call", "on_register", "on_auth", "on_message", "on_dial", "on_hangup", "on_load"}
}

// build compiles and lints every script and runs each plugin's top level and, with hooks,
// its on_load in a fresh state. With errors, the generation must not be used.
func (e *Engine) build(id int64, hooks bool) (*generation, []FileError) {
	g, found := compileAll(e.api, e.files())
	if g == nil {
		return nil, found
	}
	g.id, g.loaded = id, e.o.Clock.Now()
	if errs, _ := split(found); len(errs) == 0 {
		found = append(found, e.rehearse(g, hooks)...)
	}
	sortErrors(found)
	return g, found
}

// compileAll compiles and lints every script; nil when the folder cannot be read.
func compileAll(a *api, f files) (*generation, []FileError) {
	g := &generation{files: f, lib: map[string]*script{}, asks: map[string][]*script{}}
	names, err := f.pluginNames()
	if err != nil {
		return nil, []FileError{{File: f.dir, Message: err.Error()}}
	}
	libs, err := f.tree("lib", true)
	if err != nil {
		return nil, []FileError{{File: f.dir, Message: err.Error()}}
	}
	var found []FileError
	for _, name := range names {
		if s, fe := compile(f, name); fe != nil {
			found = append(found, *fe)
		} else {
			g.plugins = append(g.plugins, s)
		}
	}
	for _, name := range libs {
		if s, fe := compile(f, name); fe != nil {
			found = append(found, *fe)
		} else {
			g.lib[name] = s
		}
	}
	found = append(found, lintAll(a, f, g)...)
	for _, s := range g.plugins {
		s.chunk, s.text = nil, ""
	}
	for _, s := range g.lib {
		s.chunk, s.text = nil, ""
	}
	return g, found
}

// bringBack makes a generation of what g was compiled from. Its on_load runs anew: it may have to
// undo what a later one has done.
func (e *Engine) bringBack(g *generation, id int64) (*generation, []FileError) {
	again := &generation{id: id, files: g.files, plugins: g.plugins, lib: g.lib, asks: map[string][]*script{},
		loaded: e.o.Clock.Now(), print: g.print, again: g.origin()}
	found := e.rehearse(again, true)
	sortErrors(found)
	return again, found
}

// origin is the generation that was made of these files first.
func (g *generation) origin() int64 {
	if g.again != 0 {
		return g.again
	}
	return g.id
}

// rehearse runs each plugin's top level, looks at the handlers it returns, and then runs the
// on_load hooks if asked to.
func (e *Engine) rehearse(g *generation, hooks bool) []FileError {
	s := newState(e.ctx, e, g, nil)
	defer s.release()
	var found []FileError
	for _, p := range g.plugins {
		handlers, err := s.handlers(s.L, p)
		if err != nil {
			found = append(found, runError(p.name, err, g.files.path))
			continue
		}
		found = append(found, checkHandlers(g.files, p, handlers)...)
		for _, name := range handlerNames() {
			if handlers.RawGetString(name).Type() == lua.LTFunction {
				g.asks[name] = append(g.asks[name], p)
			}
		}
	}
	if len(found) > 0 || !hooks {
		return found
	}
	s.loading = true
	for _, p := range g.plugins {
		handlers, err := s.handlers(s.L, p)
		if err == nil {
			if fn, ok := handlers.RawGetString("on_load").(*lua.LFunction); ok {
				err = s.runIn(s.L, fn)
			}
		}
		if err != nil {
			found = append(found, runError(p.name, err, g.files.path))
		}
	}
	return found
}

// checkHandlers finds entries of a plugin's table that nothing would ever call.
func checkHandlers(f files, p *script, handlers *lua.LTable) []FileError {
	var found []FileError
	handlers.ForEach(func(k, v lua.LValue) {
		name, isFunction := k.String(), v.Type() == lua.LTFunction
		line := 0
		if fn, ok := v.(*lua.LFunction); ok && fn.Proto != nil && fn.Proto.SourceName == p.name {
			line = fn.Proto.LineDefined
		}
		known := false
		for _, h := range handlerNames() {
			known = known || h == name
		}
		switch {
		case !known && isFunction:
			found = append(found, FileError{File: f.path(p.name), Line: line,
				Message: "unknown handler " + name + didYouMean(name, handlerNames())})
		case known && !isFunction:
			found = append(found, FileError{File: f.path(p.name), Line: line,
				Message: name + " must be a function, got " + v.Type().String()})
		}
	})
	return found
}
