package scripting

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// stringFunctions are Lua's string library, made here: gopher-lua's formats by Go's rules,
// matches without a way to be stopped, and makes strings of any size.
func stringFunctions() map[string]lua.LGFunction {
	return map[string]lua.LGFunction{
		"byte": stringByte, "char": stringChar, "find": stringFind, "format": stringFormat, "gmatch": stringGmatch,
		"gsub": stringGsub, "len": stringLen, "lower": stringLower, "match": stringMatch, "rep": stringRep,
		"reverse": stringReverse, "sub": stringSub, "upper": stringUpper,
	}
}

func stringLen(L *lua.LState) int {
	L.Push(lua.LNumber(len(L.CheckString(1))))
	return 1
}

// span turns Lua's positions from i to j (1 is the first byte, -1 the last) into s[from:to].
func span(n, i, j int) (from, to int) {
	if i < 0 {
		i = max(n+i+1, 1)
	} else if i == 0 {
		i = 1
	}
	if j < 0 {
		j = n + j + 1
	}
	j = min(j, n)
	if i > j {
		return 0, 0
	}
	return i - 1, j
}

func stringSub(L *lua.LState) int {
	s := L.CheckString(1)
	from, to := span(len(s), L.CheckInt(2), L.OptInt(3, -1))
	L.Push(lua.LString(s[from:to]))
	return 1
}

func stringByte(L *lua.LState) int {
	s := L.CheckString(1)
	i := L.OptInt(2, 1)
	from, to := span(len(s), i, L.OptInt(3, i))
	if to-from > registryMax/2 {
		L.RaiseError("string slice too long")
	}
	for _, c := range []byte(s[from:to]) {
		L.Push(lua.LNumber(c))
	}
	return to - from
}

func stringChar(L *lua.LState) int {
	b := make([]byte, L.GetTop())
	for i := range b {
		c := L.CheckInt(i + 1)
		if c < 0 || c > 255 {
			L.ArgError(i+1, "invalid value")
		}
		b[i] = byte(c)
	}
	L.Push(lua.LString(b))
	return 1
}

func stringRep(L *lua.LState) int {
	s, n := L.CheckString(1), int(max(min(L.CheckNumber(2), maxString+1), 0))
	if n > 0 && len(s) > maxString/n {
		checkLength(L, maxString+1)
	}
	L.Push(lua.LString(strings.Repeat(s, n)))
	return 1
}

func stringReverse(L *lua.LState) int {
	s := L.CheckString(1)
	b := make([]byte, len(s))
	for i := range b {
		b[i] = s[len(s)-1-i]
	}
	L.Push(lua.LString(b))
	return 1
}

// stringLower and stringUpper change ASCII letters only, so that bytes of other alphabets stay whole.
func stringLower(L *lua.LState) int { return mapBytes(L, 'A', 'Z', 'a'-'A') }
func stringUpper(L *lua.LState) int { return mapBytes(L, 'a', 'z', -('a' - 'A')) }

func mapBytes(L *lua.LState, low, high byte, shift int) int {
	b := []byte(L.CheckString(1))
	for i, c := range b {
		if c >= low && c <= high {
			b[i] = byte(int(c) + shift)
		}
	}
	L.Push(lua.LString(b))
	return 1
}
