package scripting

import (
	"fmt"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// stringFormat is Lua's: %d %i %u %c %x %X %o %e %E %f %g %G %q %s and %%, with flags, a
// width and a precision of at most two digits each.
func stringFormat(L *lua.LState) int {
	f := L.CheckString(1)
	var b strings.Builder
	arg := 1
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b.WriteByte(f[i])
			continue
		}
		if i++; i < len(f) && f[i] == '%' {
			b.WriteByte('%')
			continue
		}
		spec, verb := directive(L, f[i:])
		i += len(spec)
		arg++
		b.WriteString(formatOne(L, spec, verb, arg))
		checkLength(L, b.Len())
	}
	L.Push(lua.LString(b.String()))
	return 1
}

// directive reads the flags, width and precision before a verb.
func directive(L *lua.LState, f string) (spec string, verb byte) {
	i := 0
	for i < len(f) && strings.IndexByte("-+ #0", f[i]) >= 0 {
		i++
	}
	if i > 5 {
		L.RaiseError("invalid format (repeated flags)")
	}
	digits := func() {
		from := i
		for i < len(f) && f[i] >= '0' && f[i] <= '9' {
			i++
		}
		if i-from > 2 {
			L.RaiseError("invalid format (width or precision too long)")
		}
	}
	digits()
	if i < len(f) && f[i] == '.' {
		i++
		digits()
	}
	if i == len(f) {
		L.RaiseError("invalid format: it ends in the middle of a directive")
	}
	return f[:i], f[i]
}

func formatOne(L *lua.LState, spec string, verb byte, arg int) string {
	switch verb {
	case 'd', 'i', 'u':
		return fmt.Sprintf("%"+spec+"d", int64(number(L, arg)))
	case 'x', 'X', 'o':
		return fmt.Sprintf("%"+spec+string(verb), uint64(int64(number(L, arg))))
	case 'c':
		return string([]byte{byte(int64(number(L, arg)))})
	case 'e', 'E', 'f', 'g', 'G':
		n := number(L, arg)
		if math.IsInf(n, 0) || math.IsNaN(n) {
			spec = strings.ReplaceAll(spec, "0", "")
		}
		return fmt.Sprintf("%"+precise(spec, verb)+string(verb), n)
	case 's':
		return fmt.Sprintf("%"+spec+"s", L.ToStringMeta(L.CheckAny(arg)).String())
	case 'q':
		return quote(L.CheckString(arg))
	}
	L.RaiseError("invalid option '%%%c' to 'format'", verb)
	return ""
}

// precise gives %g C's default precision of six digits; Go's is the shortest that reads back.
func precise(spec string, verb byte) string {
	if verb|0x20 == 'g' && !strings.Contains(spec, ".") {
		return spec + ".6"
	}
	return spec
}

// number is an argument of a numeric verb.
func number(L *lua.LState, arg int) float64 {
	switch v := L.CheckAny(arg).(type) {
	case lua.LNumber:
		return float64(v)
	case lua.LString:
		if n, ok := parseNumber(string(v)).(lua.LNumber); ok {
			return float64(n)
		}
	}
	L.ArgError(arg, "number expected, got "+L.Get(arg).Type().String())
	return 0
}

// quote writes a string so that Lua reads it back.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch c {
		case '"', '\\', '\n':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\r':
			b.WriteString(`\r`)
		case 0:
			b.WriteString(`\000`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
