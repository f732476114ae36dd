package scripting

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"tandem/scripting/pattern"
)

// matcher prepares a search that ends with the script's budget.
func matcher(L *lua.LState, src, pat string, anchors bool) *pattern.Matcher {
	p, err := pattern.Compile(pat, anchors)
	if err != nil {
		L.RaiseError("%s", err.Error())
	}
	ctx := L.Context()
	return pattern.NewMatcher(p, src, func() bool { return ctx.Err() != nil })
}

// next finds a match at from or after it.
func next(L *lua.LState, m *pattern.Matcher, from int) (pattern.Match, bool) {
	found, ok, err := m.Find(from)
	if err != nil {
		if cause := L.Context().Err(); cause != nil {
			err = cause
		}
		L.RaiseError("%s", err.Error())
	}
	return found, ok
}

// captured is a capture as Lua sees it: text, or a position.
func captured(src string, c pattern.Capture) lua.LValue {
	if c.End < 0 {
		return lua.LNumber(c.Start + 1)
	}
	return lua.LString(src[c.Start:c.End])
}

// pushCaptures pushes what a match captured, or all of it when there are no captures.
func pushCaptures(L *lua.LState, src string, m pattern.Match, whole bool) int {
	if len(m.Captures) == 0 && whole {
		L.Push(lua.LString(src[m.Start:m.End]))
		return 1
	}
	for _, c := range m.Captures {
		L.Push(captured(src, c))
	}
	return len(m.Captures)
}

// start reads the position to search from; ok is false when it lies behind the text.
func start(L *lua.LState, n, src int) (from int, ok bool) {
	i := L.OptInt(n, 1)
	if i < 0 {
		i = max(src+i+1, 1)
	}
	return max(i, 1) - 1, i <= src+1
}

func stringFind(L *lua.LState) int {
	src, pat := L.CheckString(1), L.CheckString(2)
	from, ok := start(L, 3, len(src))
	if !ok {
		L.Push(lua.LNil)
		return 1
	}
	if L.ToBool(4) || !strings.ContainsAny(pat, "^$*+?.([%-") {
		i := strings.Index(src[from:], pat)
		if i < 0 {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(lua.LNumber(from + i + 1))
		L.Push(lua.LNumber(from + i + len(pat)))
		return 2
	}
	found, ok := next(L, matcher(L, src, pat, true), from)
	if !ok {
		L.Push(lua.LNil)
		return 1
	}
	L.Push(lua.LNumber(found.Start + 1))
	L.Push(lua.LNumber(found.End))
	return 2 + pushCaptures(L, src, found, false)
}

func stringMatch(L *lua.LState) int {
	src, pat := L.CheckString(1), L.CheckString(2)
	if from, ok := start(L, 3, len(src)); ok {
		if found, ok := next(L, matcher(L, src, pat, true), from); ok {
			return pushCaptures(L, src, found, true)
		}
	}
	L.Push(lua.LNil)
	return 1
}

func stringGmatch(L *lua.LState) int {
	src := L.CheckString(1)
	m := matcher(L, src, L.CheckString(2), false)
	at := 0
	L.Push(L.NewFunction(func(L *lua.LState) int {
		if at > len(src) {
			return 0
		}
		found, ok := next(L, m, at)
		if !ok {
			at = len(src) + 1
			return 0
		}
		at = found.End
		if found.End == found.Start {
			at++
		}
		return pushCaptures(L, src, found, true)
	}))
	return 1
}

func stringGsub(L *lua.LState) int {
	src, pat := L.CheckString(1), L.CheckString(2)
	repl := L.Get(3)
	switch repl.Type() {
	case lua.LTString, lua.LTNumber, lua.LTTable, lua.LTFunction:
	default:
		L.ArgError(3, "string, function or table expected, got "+repl.Type().String())
	}
	limit := L.OptInt(4, len(src)+1)
	m := matcher(L, src, pat, true)
	anchored := strings.HasPrefix(pat, "^")
	var out strings.Builder
	count, at, copied := 0, 0, 0
	for count < limit && at <= len(src) {
		found, ok := next(L, m, at)
		if !ok {
			break
		}
		count++
		out.WriteString(src[copied:found.Start])
		found.Captures = append([]pattern.Capture(nil), found.Captures...) // the replacement may search too
		out.WriteString(replacement(L, src, found, repl))
		checkLength(L, out.Len())
		copied, at = found.End, found.End
		if found.End == found.Start {
			at++
		}
		if anchored {
			break
		}
	}
	out.WriteString(src[copied:])
	checkLength(L, out.Len())
	L.Push(lua.LString(out.String()))
	L.Push(lua.LNumber(count))
	return 2
}

// replacement is what gsub puts in the place of a match.
func replacement(L *lua.LState, src string, m pattern.Match, repl lua.LValue) string {
	whole := src[m.Start:m.End]
	var v lua.LValue
	switch r := repl.(type) {
	case *lua.LTable:
		v = L.GetTable(r, first(src, m))
	case *lua.LFunction:
		L.Push(r)
		n := pushCaptures(L, src, m, true)
		L.Call(n, 1)
		v = L.Get(-1)
		L.Pop(1)
	default:
		return expand(L, src, m, r.String())
	}
	switch v.Type() {
	case lua.LTString, lua.LTNumber:
		return v.String()
	case lua.LTNil:
		return whole
	case lua.LTBool:
		if v == lua.LFalse {
			return whole
		}
	}
	L.RaiseError("invalid replacement value (a %s)", v.Type())
	return ""
}

// first is the first capture, or the whole match.
func first(src string, m pattern.Match) lua.LValue {
	if len(m.Captures) > 0 {
		return captured(src, m.Captures[0])
	}
	return lua.LString(src[m.Start:m.End])
}

// expand puts captures in the place of %0 to %9.
func expand(L *lua.LState, src string, m pattern.Match, repl string) string {
	if !strings.Contains(repl, "%") {
		return repl
	}
	var b strings.Builder
	for i := 0; i < len(repl); i++ {
		c := repl[i]
		if c != '%' || i+1 == len(repl) {
			b.WriteByte(c)
			continue
		}
		i++
		switch d := repl[i]; {
		case d == '0':
			b.WriteString(src[m.Start:m.End])
		case d == '1' && len(m.Captures) == 0:
			b.WriteString(src[m.Start:m.End])
		case d >= '1' && d <= '9':
			n := int(d - '1')
			if n >= len(m.Captures) {
				L.RaiseError("invalid capture index %%%d in replacement string", n+1)
			}
			b.WriteString(captured(src, m.Captures[n]).String())
		default:
			b.WriteByte(d)
		}
	}
	return b.String()
}
