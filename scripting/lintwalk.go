package scripting

import (
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// walker goes through a syntax tree with the local variables in scope.
type walker struct {
	l      *linter
	scopes []map[string]string            // local name → class, "" when unknown
	given  map[*ast.FunctionExpr][]string // the classes of the parameters of functions that the API calls
	depth  int
	deep   int // the line where the nesting went over maxNesting, or 0
}

// maxNesting bounds statements and expressions within each other: the compiler takes time
// that grows with the square of it, and stack.
const maxNesting = 2000

// enter goes one level down, if that may be.
func (w *walker) enter(at ast.PositionHolder) bool {
	if w.depth++; w.depth > maxNesting && w.deep == 0 {
		w.deep = max(at.Line(), 1)
	}
	return w.deep == 0
}

// tooDeep is the line where a chunk is nested too deep, or 0.
func tooDeep(chunk []ast.Stmt) int {
	w := &walker{l: &linter{assigned: map[string]bool{}}}
	w.block(chunk)
	return w.deep
}

func (w *walker) open()  { w.scopes = append(w.scopes, map[string]string{}) }
func (w *walker) close() { w.scopes = w.scopes[:len(w.scopes)-1] }

// declare adds a local variable. One that is assigned anew anywhere may hold anything.
func (w *walker) declare(name, class string) {
	if w.l.assigned["local "+name] {
		class = ""
	}
	w.scopes[len(w.scopes)-1][name] = class
}

// local finds a local variable and the class of what it holds.
func (w *walker) local(name string) (class string, ok bool) {
	for i := len(w.scopes) - 1; i >= 0; i-- {
		if c, ok := w.scopes[i][name]; ok {
			return c, true
		}
	}
	return "", false
}

func (w *walker) block(stmts []ast.Stmt) {
	w.open()
	for _, s := range stmts {
		w.stmt(s)
	}
	w.close()
}

func (w *walker) stmt(s ast.Stmt) {
	defer func() { w.depth-- }()
	if !w.enter(s) {
		return
	}
	switch s := s.(type) {
	case *ast.AssignStmt:
		w.exprs(s.Rhs)
		for _, e := range s.Lhs {
			w.assign(e)
		}
	case *ast.LocalAssignStmt:
		w.localAssign(s)
	case *ast.FuncCallStmt:
		w.expr(s.Expr)
	case *ast.DoBlockStmt:
		w.block(s.Stmts)
	case *ast.WhileStmt:
		w.expr(s.Condition)
		w.block(s.Stmts)
	case *ast.RepeatStmt:
		w.open()
		for _, inner := range s.Stmts {
			w.stmt(inner)
		}
		w.expr(s.Condition) // sees the locals of the body
		w.close()
	case *ast.IfStmt:
		w.expr(s.Condition)
		w.block(s.Then)
		w.block(s.Else)
	case *ast.NumberForStmt:
		w.exprs([]ast.Expr{s.Init, s.Limit, s.Step})
		w.loop([]string{s.Name}, s.Stmts)
	case *ast.GenericForStmt:
		w.exprs(s.Exprs)
		w.loop(s.Names, s.Stmts)
	case *ast.FuncDefStmt:
		w.funcDef(s)
	case *ast.ReturnStmt:
		if len(s.Exprs) == 1 && w.l.report != nil {
			w.giveTable(w.l.api.class("Plugin"), s.Exprs[0])
		}
		w.exprs(s.Exprs)
	}
}

func (w *walker) loop(names []string, stmts []ast.Stmt) {
	w.open()
	for _, n := range names {
		w.declare(n, "")
	}
	w.block(stmts)
	w.close()
}

func (w *walker) localAssign(s *ast.LocalAssignStmt) {
	if len(s.Exprs) == 1 && len(s.Names) == 1 {
		if fn, ok := s.Exprs[0].(*ast.FunctionExpr); ok { // may call itself
			w.declare(s.Names[0], "")
			w.function(fn, nil)
			return
		}
	}
	w.exprs(s.Exprs)
	for i, n := range s.Names {
		class := ""
		if i < len(s.Exprs) {
			class = w.classOf(s.Exprs[i])
		}
		w.declare(n, class)
	}
}

// assign notes a global that is set.
func (w *walker) assign(e ast.Expr) {
	switch e := e.(type) {
	case *ast.IdentExpr:
		if _, ok := w.local(e.Value); ok {
			w.l.assigned["local "+e.Value] = true
		} else {
			w.l.assigned[e.Value] = true
		}
	case *ast.AttrGetExpr:
		if mod, key, ok := w.globalMember(e); ok {
			w.l.assigned[mod+"."+key] = true
		} else {
			w.expr(e.Object)
		}
		w.expr(e.Key)
	}
}

func (w *walker) funcDef(s *ast.FuncDefStmt) {
	var self []string
	if s.Name.Func != nil {
		w.assign(s.Name.Func)
	} else {
		w.expr(s.Name.Receiver)
		self = []string{"self"}
	}
	w.function(s.Func, self)
}

// function walks a body. Where the API does not say what a parameter is, one called call or
// leg is taken for what its name says.
func (w *walker) function(fn *ast.FunctionExpr, more []string) {
	w.open()
	given := w.given[fn]
	for i, n := range append(more, fn.ParList.Names...) {
		class := map[string]string{"call": "Call", "leg": "Leg"}[n]
		if i < len(given) {
			class = given[i]
		}
		w.declare(n, class)
	}
	if fn.ParList.HasVargs {
		w.declare("arg", "")
	}
	w.block(fn.Stmts)
	w.close()
}

func (w *walker) exprs(es []ast.Expr) {
	for _, e := range es {
		w.expr(e)
	}
}

func (w *walker) expr(e ast.Expr) {
	if e == nil { // the step of a loop may be left out
		return
	}
	defer func() { w.depth-- }()
	if !w.enter(e) {
		return
	}
	switch e := e.(type) {
	case *ast.IdentExpr:
		if _, ok := w.local(e.Value); !ok {
			w.l.global(e.Value, e.Line())
		}
	case *ast.AttrGetExpr:
		w.attribute(e)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			if f.Key != nil {
				w.expr(f.Key)
			}
			w.expr(f.Value)
		}
	case *ast.FuncCallExpr:
		w.call(e)
	case *ast.LogicalOpExpr:
		w.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.RelationalOpExpr:
		w.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.StringConcatOpExpr:
		w.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.ArithmeticOpExpr:
		w.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.UnaryMinusOpExpr:
		w.expr(e.Expr)
	case *ast.UnaryNotOpExpr:
		w.expr(e.Expr)
	case *ast.UnaryLenOpExpr:
		w.expr(e.Expr)
	case *ast.FunctionExpr:
		w.function(e, nil)
	}
}

// globalMember takes apart name.key where name is a global.
func (w *walker) globalMember(e *ast.AttrGetExpr) (name, key string, ok bool) {
	id, isName := e.Object.(*ast.IdentExpr)
	k, isKey := e.Key.(*ast.StringExpr)
	if !isName || !isKey {
		return "", "", false
	}
	if _, local := w.local(id.Value); local {
		return "", "", false
	}
	return id.Value, k.Value, true
}

func (w *walker) attribute(e *ast.AttrGetExpr) {
	if mod, key, ok := w.globalMember(e); ok {
		w.l.member(mod, key, e.Line())
	}
	if key, ok := e.Key.(*ast.StringExpr); ok {
		if c := w.classOf(e.Object); c != "" {
			w.l.property(w.l.api.class(c), key.Value, e.Line())
		}
	} else {
		w.expr(e.Key)
	}
	w.expr(e.Object)
}

func (w *walker) call(e *ast.FuncCallExpr) {
	if e.Receiver != nil {
		w.expr(e.Receiver)
		if c := w.classOf(e.Receiver); c != "" {
			w.l.method(w.l.api.class(c), e.Method, e.Args, e.Line())
		}
	} else {
		w.expr(e.Func)
		w.colon(e)
		if w.isGlobalCall(e) {
			w.l.call(e)
		}
	}
	if f, ok := w.called(e); ok {
		w.giveArguments(f, e.Args)
	}
	w.exprs(e.Args)
}

// colon finds call.play(…), where a method is called like a function.
func (w *walker) colon(e *ast.FuncCallExpr) {
	fn, ok := e.Func.(*ast.AttrGetExpr)
	if !ok {
		return
	}
	key, ok := fn.Key.(*ast.StringExpr)
	class := w.classOf(fn.Object)
	if !ok || class == "" {
		return
	}
	if c := w.l.api.class(class); slices.Contains(c.methodNames(), key.Value) {
		w.l.say(e.Line(), key.Value+" is a method: write "+lowerFirst(c.name)+":"+key.Value+"(…)")
	}
}

// isGlobalCall tells whether the function called is a global or a member of one.
func (w *walker) isGlobalCall(e *ast.FuncCallExpr) bool {
	fn := e.Func
	if a, ok := fn.(*ast.AttrGetExpr); ok {
		fn = a.Object
	}
	id, ok := fn.(*ast.IdentExpr)
	if !ok {
		return false
	}
	_, local := w.local(id.Value)
	return !local
}

// classOf is the class of what an expression yields, as far as it can be told.
func (w *walker) classOf(e ast.Expr) string {
	if w.l.report == nil { // only looking
		return ""
	}
	switch e := e.(type) {
	case *ast.IdentExpr:
		class, _ := w.local(e.Value)
		return class
	case *ast.FuncCallExpr:
		if f, ok := w.called(e); ok && len(f.returns) > 0 {
			return w.l.api.known(f.returns[0].typ)
		}
	}
	return ""
}
