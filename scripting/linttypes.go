package scripting

import (
	"slices"
	"sort"
	"strings"

	"github.com/yuin/gopher-lua/ast"
)

// literal is the Lua type of an expression that shows it, else "".
func literal(e ast.Expr) string {
	switch e.(type) {
	case *ast.StringExpr:
		return "string"
	case *ast.NumberExpr:
		return "number"
	case *ast.TrueExpr, *ast.FalseExpr:
		return "boolean"
	case *ast.FunctionExpr:
		return "function"
	case *ast.TableExpr:
		return "table"
	}
	return ""
}

// resolve replaces the aliases in a type by what they stand for.
func (a *api) resolve(typ string) string {
	parts := strings.Split(typ, "|")
	for i, p := range parts {
		for _, t := range a.aliases {
			if p == t.name {
				parts[i] = t.typ
			}
		}
	}
	return strings.Join(parts, "|")
}

// accepts tells whether a literal of a Lua type fits a type written as LuaCATS does; types it
// does not know fit everything.
func (a *api) accepts(typ, got string) bool {
	for _, t := range strings.Split(strings.TrimSuffix(typ, "?"), "|") {
		switch {
		case strings.HasPrefix(t, "fun("):
			return got == "function" || strings.Contains(typ, "|")
		case strings.HasPrefix(t, `"`):
			t = "string"
		case strings.HasSuffix(t, "[]"), strings.HasPrefix(t, "table"), strings.HasPrefix(t, "{"), a.class(t).fields != nil:
			t = "table"
		case t == "integer":
			t = "number"
		}
		switch t {
		case "string":
			if got == "number" { // Lua turns one into the other
				return true
			}
		case "number", "boolean", "table":
		default:
			return true
		}
		if t == got {
			return true
		}
	}
	return false
}

func sortedNames(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for name := range set {
		if !strings.Contains(name, ".") {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return slices.Compact(out)
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
