package scripting

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"tandem/b2bua"
)

// arguments judges literal arguments: tables of options by their keys, others by their type;
// and whether any is missing.
func (l *linter) arguments(f function, args []ast.Expr) {
	for i, arg := range args {
		if i >= len(f.params) || f.params[i].name == "..." {
			return
		}
		p := f.params[i]
		name, _ := p.optional()
		if !l.value(f.name, name, p.typ, arg, arg.Line()) {
			continue
		}
		if t, ok := arg.(*ast.TableExpr); ok {
			switch c := l.api.class(p.typ); {
			case c.name == "MenuOptions":
				l.menu(c, t)
			case len(c.fields) > 0 && c.index == "":
				l.options(f.name, c, t)
			}
		}
	}
	l.missing(f, args)
}

// missing judges a call that leaves out what must be given. The last argument may be several.
func (l *linter) missing(f function, args []ast.Expr) {
	if len(args) > 0 {
		switch args[len(args)-1].(type) {
		case *ast.FuncCallExpr, *ast.Comma3Expr:
			return
		}
	}
	for i := len(args); i < len(f.params); i++ {
		p := f.params[i]
		if name, optional := p.optional(); !optional && name != "..." && !strings.Contains(p.typ, "nil") && p.typ != "any" && f.run != nil {
			l.say(l.at, f.name+": "+name+" is missing")
			return
		}
	}
}

// value judges a literal where a value of a type is wanted; false when it is of a wrong one.
func (l *linter) value(function, name, typ string, v ast.Expr, line int) bool {
	l.prompts(typ, v)
	typ, want := l.api.resolve(typ), typ
	got := literal(v)
	if got != "" && !l.api.accepts(typ, got) {
		l.say(line, function+": "+name+" must be "+want+", got a "+got)
		return false
	}
	if slices.Contains(strings.Split(want, "|"), "Target") {
		l.target(function, v)
	}
	if s, ok := v.(*ast.StringExpr); ok {
		if words := enumerated(typ); len(words) > 0 && !slices.Contains(words, s.Value) {
			l.say(line, fmt.Sprintf("%s: %s must be one of %s, got %q%s", function, name, strings.Join(words, ", "), s.Value, didYouMean(s.Value, words)))
		}
	}
	return true
}

// enumerated are the strings that a type allows when it allows no others.
func enumerated(typ string) []string {
	var words []string
	for _, t := range strings.Split(strings.TrimSuffix(typ, "?"), "|") {
		switch {
		case strings.HasPrefix(t, `"`):
			words = append(words, strings.Trim(t, `"`))
		case t != "nil" && t != "boolean" && t != "number" && t != "integer" && !strings.HasPrefix(t, "fun("):
			return nil
		}
	}
	return words
}

// options judges a table of options.
func (l *linter) options(name string, c class, t *ast.TableExpr) {
	seen := map[string]bool{}
	for _, f := range t.Fields {
		key, ok := f.Key.(*ast.StringExpr)
		if !ok {
			continue
		}
		i := slices.Index(c.fieldNames(), key.Value)
		if i < 0 {
			if c.index == "" {
				l.say(key.Line(), name+": unknown option "+key.Value+didYouMean(key.Value, c.fieldNames()))
			}
			continue
		}
		if seen[key.Value] {
			l.say(key.Line(), name+": option "+key.Value+" is given twice")
		}
		seen[key.Value] = true
		if l.value(name, "option "+key.Value, c.fields[i].typ, f.Value, key.Line()) {
			l.meaning(name, key.Value, f.Value)
		}
	}
	if least, ok := numberOption(t, "min"); ok && c.name == "GatherOptions" {
		if most, ok := numberOption(t, "max"); ok && least > most {
			l.say(t.Line(), fmt.Sprintf("%s: option min (%v) is more than max (%v)", name, least, most))
		}
	}
}

// meaning judges options whose text is of a kind of its own.
func (l *linter) meaning(name, key string, v ast.Expr) {
	s, ok := v.(*ast.StringExpr)
	if !ok {
		return
	}
	switch {
	case name == "gather" && key == "pattern":
		if _, err := b2bua.WholePattern(s.Value); err != nil {
			l.say(s.Line(), fmt.Sprintf("gather: option pattern is not an RE2 pattern: %q", s.Value))
		}
	case key == "stop" && s.Value == "any":
	case key == "stop" || key == "finish":
		if strings.Trim(s.Value, "0123456789*#ABCD") != "" {
			l.say(s.Line(), fmt.Sprintf("%s: option %s: %q can never be pressed: keys are 0-9 * #", name, key, s.Value))
		}
	}
}
