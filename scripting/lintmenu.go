package scripting

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// menu judges the table of a call:menu: its options, and whether each entry can be reached.
func (l *linter) menu(c class, t *ast.TableExpr) {
	l.options("menu", class{name: c.name, fields: c.fields, index: c.index}, t)
	entries := map[string]int{} // by key, and in which line
	position := 0
	for _, f := range t.Fields {
		if f.Key == nil {
			position++
		}
		key, line, ok := menuEntry(f, position)
		if !ok {
			l.menuOption(c, f)
			continue
		}
		if first, twice := entries[key]; twice {
			l.say(line, fmt.Sprintf("menu: two entries for %s: the one in line %d is never reached", key, first))
		}
		entries[key] = line
		l.menuValue(key, f.Value)
	}
	if len(entries) == 0 {
		l.say(t.Line(), "menu: no entry: one is one or more of 0-9 * #")
	}
	l.hurried(t, entries)
}

// menuEntry is what callers press for a field of a menu's table; false for what is no entry.
func menuEntry(f *ast.Field, position int) (key string, line int, ok bool) {
	line = f.Value.Line()
	switch k := f.Key.(type) {
	case nil:
		return strconv.Itoa(position), line, true
	case *ast.StringExpr:
		key, ok = menuKey(lua.LString(k.Value))
		return key, max(k.Line(), 1), ok
	case *ast.NumberExpr:
		n, err := strconv.ParseFloat(k.Value, 64)
		if err != nil {
			return "", line, false
		}
		key, ok = menuKey(lua.LNumber(n))
		return key, max(k.Line(), 1), ok
	}
	return "", line, false
}

// menuOption judges a key that callers cannot press.
func (l *linter) menuOption(c class, f *ast.Field) {
	var key string
	switch k := f.Key.(type) {
	case *ast.StringExpr:
		key = k.Value
	case *ast.NumberExpr:
		key = k.Value
	default: // computed
		return
	}
	if !slices.Contains(c.fieldNames(), key) {
		l.say(f.Key.Line(), fmt.Sprintf("menu: %q can never be pressed: an entry is one or more of 0-9 * #%s", key, didYouMean(key, c.fieldNames())))
	}
}

// menuValue judges what an entry does.
func (l *linter) menuValue(key string, v ast.Expr) {
	switch v := v.(type) {
	case *ast.StringExpr:
		if v.Value != "repeat" && v.Value != "back" {
			l.target("menu", v, "repeat", "back")
		}
	case *ast.TableExpr, *ast.StringConcatOpExpr:
		l.target("menu", v)
	case *ast.NumberExpr, *ast.TrueExpr, *ast.FalseExpr:
		l.say(v.Line(), fmt.Sprintf(`menu: entry %s must be a function, a target, "repeat" or "back", got a %s`, key, literal(v)))
	}
}

// hurried finds entries that begin with another one when there is no time to press more keys.
func (l *linter) hurried(t *ast.TableExpr, entries map[string]int) {
	if n, ok := numberOption(t, "digit_timeout"); !ok || n > 0 {
		return
	}
	for _, key := range sortedNames(keysOf(entries)) {
		for i := 1; i < len(key); i++ {
			if _, ok := entries[key[:i]]; ok {
				l.say(entries[key], fmt.Sprintf("menu: %s is never reached: with digit_timeout = 0 it ends at %s", key, key[:i]))
				break
			}
		}
	}
}

func keysOf(m map[string]int) map[string]bool {
	out := make(map[string]bool, len(m))
	for k := range m {
		out[k] = true
	}
	return out
}

// numberOption is a literal number in a table of options.
func numberOption(t *ast.TableExpr, name string) (float64, bool) {
	for _, f := range t.Fields {
		key, ok := f.Key.(*ast.StringExpr)
		value, isNumber := f.Value.(*ast.NumberExpr)
		if ok && isNumber && key.Value == name {
			n, err := strconv.ParseFloat(value.Value, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// targetKinds are what a target begins with.
func targetKinds() []string {
	return []string{"user", "trunk", "sip", "sips", "route", "call", "park"}
}

// target judges a literal that names whom to call, or the beginning of one that is put
// together. words are what may stand there besides.
func (l *linter) target(name string, e ast.Expr, words ...string) {
	switch e := e.(type) {
	case *ast.TableExpr:
		for _, f := range e.Fields {
			l.target(name, f.Value)
		}
	case *ast.StringConcatOpExpr:
		if left, ok := e.Lhs.(*ast.StringExpr); ok && strings.Contains(left.Value, ":") {
			l.targetText(name, left.Value, false, left.Line(), words)
		}
	case *ast.StringExpr:
		l.targetText(name, e.Value, true, e.Line(), words)
	}
}

func (l *linter) targetText(name, text string, whole bool, line int, words []string) {
	kind, rest, ok := strings.Cut(text, ":")
	switch {
	case !ok:
		l.say(line, fmt.Sprintf("%s: %q is not a target: it begins with user:, trunk:, route: or sip:%s", name, text, didYouMean(text, words)))
	case !slices.Contains(targetKinds(), kind):
		l.say(line, fmt.Sprintf("%s: %q is not a target: it begins with user:, trunk:, route: or sip:%s", name, text, didYouMean(kind, targetKinds())))
	case whole && kind == "trunk" && !strings.Contains(rest, "/"):
		l.say(line, fmt.Sprintf("%s: %q is not a trunk's number: write it as trunk:NAME/NUMBER", name, text))
	}
}
