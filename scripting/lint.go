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
	for _, s := range all {
		w := &walker{l: &linter{api: a, assigned: map[string]bool{}}}
		w.block(s.chunk)
		for name := range w.l.assigned {
			known[name] = true
		}
	}
	var found []FileError
	for _, s := range all {
		l := &linter{api: a, files: f, globals: known, modules: g.moduleNames(), assigned: map[string]bool{}, module: func(name string) bool { return g.module(name) != nil }}
		l.report = func(line int, msg string) {
			found = append(found, FileError{File: f.path(s.name), Line: line, Message: msg, Warning: true})
		}
		(&walker{l: l}).block(s.chunk)
	}
	return found
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
	assigned map[string]bool
	report   func(line int, msg string)
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
	l.arguments(c.methods[i], args)
}

// property judges receiver.name where the receiver is known to be of a class.
func (l *linter) property(c class, name string, line int) {
	if len(c.fields) == 0 || slices.Contains(c.fieldNames(), name) || slices.Contains(c.methodNames(), name) {
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
				l.arguments(f, e.Args)
			}
		}
	}
}

// arguments judges literal arguments: tables of options by their keys, others by their type.
func (l *linter) arguments(f function, args []ast.Expr) {
	for i, arg := range args {
		if i >= len(f.params) || f.params[i].name == "..." {
			return
		}
		p := f.params[i]
		l.prompts(p.typ, arg)
		if t, ok := arg.(*ast.TableExpr); ok {
			if c := l.api.class(p.typ); len(c.fields) > 0 && c.index == "" {
				l.options(f.name, c, t)
			}
			continue
		}
		if got := literal(arg); got != "" && !accepts(l.api.resolve(p.typ), got) {
			name, _ := p.optional()
			l.say(arg.Line(), f.name+": "+name+" must be "+p.typ+", got a "+got)
		}
	}
}

func (l *linter) options(name string, c class, t *ast.TableExpr) {
	for _, f := range t.Fields {
		key, ok := f.Key.(*ast.StringExpr)
		if !ok {
			continue
		}
		i := slices.Index(c.fieldNames(), key.Value)
		if i < 0 {
			l.say(key.Line(), name+": unknown option "+key.Value+didYouMean(key.Value, c.fieldNames()))
			continue
		}
		l.prompts(c.fields[i].typ, f.Value)
		if got := literal(f.Value); got != "" && !accepts(l.api.resolve(c.fields[i].typ), got) {
			l.say(key.Line(), name+": option "+key.Value+" must be "+c.fields[i].typ+", got a "+got)
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
