package scripting

import (
	"path"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"
)

// lintAll looks over every file of a generation. Globals that any file sets count as known
// in all of them.
func lintAll(a *api, f files, g *generation) []FileError {
	all := slices.Clone(g.plugins)
	for _, s := range g.lib {
		all = append(all, s)
	}
	known := map[string]bool{}
	for _, name := range globalNames(a) {
		known[name] = true
	}
	assigned := map[*script]map[string]bool{}
	for _, s := range all {
		w := &walker{l: &linter{api: a, assigned: map[string]bool{}}}
		w.block(s.chunk)
		for name := range w.l.assigned {
			if !strings.HasPrefix(name, "local ") {
				known[name] = true
			}
		}
		assigned[s] = w.l.assigned
	}
	var found []FileError
	for _, s := range all {
		l := &linter{api: a, files: f, globals: known, modules: g.moduleNames(), assigned: assigned[s], module: func(name string) bool { return g.module(name) != nil }}
		quiet := silenced(s.text)
		l.report = func(line int, msg string) {
			if quiet[line] {
				return
			}
			found = append(found, FileError{File: f.path(s.name), Line: line, Message: msg, Warning: true})
		}
		(&walker{l: l}).block(s.chunk)
	}
	return found
}

// silenced are the lines of a script that the linter keeps silent about, by the comments that
// the Lua language server goes by: ---@diagnostic disable-line, and disable-next-line.
func silenced(text string) map[int]bool {
	quiet := map[int]bool{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		_, comment, _ := strings.Cut(line, "---@diagnostic ")
		switch {
		case strings.HasPrefix(comment, "disable-line"):
			quiet[n] = true
		case strings.HasPrefix(comment, "disable-next-line"):
			quiet[n+1] = true
		}
	}
	return quiet
}

// globalNames are those that every state has.
func globalNames(a *api) []string {
	b := newBuiltin(a)
	out := []string{"_G"}
	for name := range b.globals {
		out = append(out, name)
	}
	for _, m := range b.modules {
		out = append(out, m.name)
	}
	return out
}

// linter judges what the walker meets in one file. Without report it only collects globals.
type linter struct {
	api      *api
	files    files
	globals  map[string]bool
	modules  []string
	module   func(name string) bool
	assigned map[string]bool // globals, members of globals, and locals as "local NAME"
	report   func(line int, msg string)
	at       int // the line of the call that is being judged
}

func (l *linter) say(line int, msg string) {
	if l.report != nil {
		l.report(line, msg)
	}
}

// global judges the reading of a global.
func (l *linter) global(name string, line int) {
	if l.report != nil && !l.globals[name] {
		l.say(line, "undefined global "+name+didYouMean(name, sortedNames(l.globals)))
	}
}

// member judges module.name.
func (l *linter) member(mod, name string, line int) {
	if l.report == nil {
		return
	}
	if m, ok := l.api.module(mod); ok && !slices.Contains(functionNames(m.functions), name) && !l.assigned[mod+"."+name] {
		l.say(line, mod+" has no function "+name+didYouMean(name, functionNames(m.functions)))
	}
}

// method judges receiver:name(…) where the receiver is known to be of a class.
func (l *linter) method(c class, name string, args []ast.Expr, line int) {
	i := slices.IndexFunc(c.methods, func(f function) bool { return f.name == name })
	if i < 0 {
		l.say(line, "a "+c.name+" has no method "+name+didYouMean(name, c.methodNames()))
		return
	}
	l.at = line
	l.arguments(c.methods[i], args)
}

// property judges receiver.name where the receiver is known to be of a class.
func (l *linter) property(c class, name string, line int) {
	if len(c.fields) == 0 || c.index != "" || slices.Contains(c.fieldNames(), name) || slices.Contains(c.methodNames(), name) {
		return
	}
	l.say(line, "a "+c.name+" has no property "+name+didYouMean(name, c.fieldNames()))
}

// call judges the arguments of module.name(…), and what require asks for.
func (l *linter) call(e *ast.FuncCallExpr) {
	if l.report == nil {
		return
	}
	switch fn := e.Func.(type) {
	case *ast.IdentExpr:
		for _, f := range l.api.globals {
			if f.name == fn.Value {
				l.arguments(f, e.Args)
			}
		}
		if fn.Value != "require" || len(e.Args) == 0 {
			return
		}
		if name, ok := e.Args[0].(*ast.StringExpr); ok && !l.module(name.Value) {
			l.say(e.Line(), "no module "+name.Value+" in lib/"+didYouMean(name.Value, l.modules))
		}
	case *ast.AttrGetExpr:
		mod, ok := fn.Object.(*ast.IdentExpr)
		key, isName := fn.Key.(*ast.StringExpr)
		if !ok || !isName {
			return
		}
		m, _ := l.api.module(mod.Value)
		for _, f := range m.functions {
			if f.name == key.Value {
				l.at = e.Line()
				l.arguments(f, e.Args)
			}
		}
	}
}

// prompts judges the sounds that a literal names. A name with a slash may be a recording.
func (l *linter) prompts(typ string, e ast.Expr) {
	if typ != "Source" || l.report == nil {
		return
	}
	switch e := e.(type) {
	case *ast.TableExpr:
		for _, f := range e.Fields {
			l.prompts(typ, f.Value)
		}
	case *ast.StringExpr:
		name := e.Value
		if strings.ContainsAny(name, ":/") || name == "none" {
			return
		}
		if path.Ext(name) == "" && slices.Contains(l.files.promptNames(), name) {
			return
		}
		if _, _, err := l.files.open("prompts/" + name); err != nil {
			l.say(e.Line(), "no prompt "+e.Value+" in prompts/"+didYouMean(e.Value, l.files.promptNames()))
		}
	}
}
