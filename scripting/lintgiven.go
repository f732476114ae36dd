package scripting

import (
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"
)

// called is the function of the API that an expression calls, as far as it can be told.
func (w *walker) called(e *ast.FuncCallExpr) (function, bool) {
	if w.l.report == nil {
		return function{}, false
	}
	var fns []function
	name := e.Method
	if e.Receiver != nil {
		fns = w.l.api.class(w.classOf(e.Receiver)).methods
	} else if fn, ok := e.Func.(*ast.AttrGetExpr); ok {
		if mod, key, ok := w.globalMember(fn); ok && !w.l.assigned[mod+"."+key] {
			m, _ := w.l.api.module(mod)
			fns, name = m.functions, key
		}
	}
	if i := slices.IndexFunc(fns, func(f function) bool { return f.name == name }); i >= 0 {
		return fns[i], true
	}
	return function{}, false
}

// known is the class that a type names, or "".
func (a *api) known(typ string) string {
	name := strings.TrimSuffix(typ, "?")
	if c := a.class(name); len(c.fields) > 0 || len(c.methods) > 0 {
		return name
	}
	return ""
}

// giveArguments notes the classes of what the API hands to functions among the arguments.
func (w *walker) giveArguments(f function, args []ast.Expr) {
	for i, arg := range args {
		if i < len(f.params) {
			w.give(f.params[i].typ, arg)
			w.giveTable(w.l.api.class(f.params[i].typ), arg)
		}
	}
}

// giveTable does so for the functions in a table of a class.
func (w *walker) giveTable(c class, e ast.Expr) {
	t, ok := e.(*ast.TableExpr)
	if !ok {
		return
	}
	for _, f := range t.Fields {
		key, ok := f.Key.(*ast.StringExpr)
		if !ok {
			continue
		}
		if i := slices.Index(c.fieldNames(), key.Value); i >= 0 {
			w.give(c.fields[i].typ, f.Value)
		}
	}
}

// give notes the classes of the parameters of a function, from a type such as fun(leg: Leg): boolean?.
func (w *walker) give(typ string, e ast.Expr) {
	fn, ok := e.(*ast.FunctionExpr)
	list, found := strings.CutPrefix(typ, "fun(")
	if !ok || !found {
		return
	}
	list, _, _ = strings.Cut(list, ")")
	var classes []string
	for _, p := range strings.Split(list, ", ") {
		_, t, _ := strings.Cut(p, ": ")
		classes = append(classes, w.l.api.known(t))
	}
	if w.given == nil {
		w.given = map[*ast.FunctionExpr][]string{}
	}
	w.given[fn] = classes
}
