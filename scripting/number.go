package scripting

import (
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

const space = " \t\n\v\f\r"

// parseNumber reads a numeral as Lua does: decimal, with a fraction or exponent, or
// hexadecimal, with space around it; nil if it is none.
func parseNumber(text string) lua.LValue {
	s := strings.Trim(text, space)
	digits, negative := strings.CutPrefix(strings.TrimPrefix(s, "+"), "-")
	if hex, ok := cutHex(digits); ok {
		n, err := strconv.ParseUint(hex, 16, 64)
		if err != nil {
			return lua.LNil
		}
		if negative {
			return lua.LNumber(-float64(n))
		}
		return lua.LNumber(n)
	}
	if s == "" || strings.ContainsAny(s, "_xXpPnN") { // what Go takes and Lua does not
		return lua.LNil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(n, 0) {
		return lua.LNil
	}
	return lua.LNumber(n)
}

func cutHex(s string) (string, bool) {
	if len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' {
		return s[2:], true
	}
	return s, false
}

func parseBase(text string, base int) lua.LValue {
	s := strings.ToLower(strings.Trim(text, space))
	if base == 16 {
		s, _ = cutHex(s)
	}
	n, err := strconv.ParseInt(s, base, 64)
	if err != nil {
		return lua.LNil
	}
	return lua.LNumber(n)
}
