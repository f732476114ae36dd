package scripting

import (
	"math/rand/v2"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// maxString is how long a string a host function makes at most, in bytes.
const maxString = 8 << 20

// maxLoadString bounds source text compiled at run time.
const maxLoadString = 64 << 10

// baseFunctions replace those of gopher-lua that touch the process, or that need care.
func baseFunctions() map[string]lua.LGFunction {
	return map[string]lua.LGFunction{
		"collectgarbage": baseCollectGarbage,
		"ipairs":         baseIpairs,
		"loadstring":     baseLoadString,
		"pairs":          basePairs,
		"print":          basePrint,
		"require":        baseRequire,
		"tonumber":       baseToNumber,
	}
}

// baseCollectGarbage exists for scripts written elsewhere; memory is the server's business.
func baseCollectGarbage(L *lua.LState) int {
	L.Push(lua.LNumber(0))
	return 1
}

func basePairs(L *lua.LState) int {
	t := L.CheckTable(1)
	L.Push(L.G.Global.RawGetString("next"))
	L.Push(t)
	L.Push(lua.LNil)
	return 3
}

func baseIpairs(L *lua.LState) int {
	t := L.CheckTable(1)
	L.Push(nextIndex)
	L.Push(t)
	L.Push(lua.LNumber(0))
	return 3
}

// nextIndex is the iterator of ipairs.
var nextIndex = goFunction(func(L *lua.LState) int {
	i := L.CheckInt(2) + 1
	v := L.CheckTable(1).RawGetInt(i)
	if v == lua.LNil {
		return 0
	}
	L.Push(lua.LNumber(i))
	L.Push(v)
	return 2
})

func baseLoadString(L *lua.LState) int {
	text := L.CheckString(1)
	if len(text) > maxLoadString {
		L.RaiseError("loadstring: the text has %d bytes; at most %d are taken", len(text), maxLoadString)
	}
	name := L.OptString(2, "=string")
	_, proto, err := compileText(text, strings.TrimLeft(name, "=@"))
	if err != nil {
		L.Push(lua.LNil)
		L.Push(lua.LString(strings.TrimSpace(err.Error())))
		return 2
	}
	L.Push(L.NewFunctionFromProto(proto))
	return 1
}

// basePrint writes to the log: a server has no terminal.
func basePrint(L *lua.LState) int {
	parts := make([]string, 0, L.GetTop())
	for i := 1; i <= L.GetTop(); i++ {
		parts = append(parts, L.ToStringMeta(L.Get(i)).String())
	}
	of(L).logLine(L, levelInfo, strings.Join(parts, "\t"), nil)
	return 0
}

// baseToNumber is Lua's; gopher-lua's does not know "1e5".
func baseToNumber(L *lua.LState) int {
	v := L.CheckAny(1)
	base := L.OptInt(2, 10)
	if base != 10 {
		if base < 2 || base > 36 {
			L.ArgError(2, "base out of range")
		}
		L.Push(parseBase(L.CheckString(1), base))
		return 1
	}
	switch v := v.(type) {
	case lua.LNumber:
		L.Push(v)
	case lua.LString:
		L.Push(parseNumber(string(v)))
	default:
		L.Push(lua.LNil)
	}
	return 1
}

// random is a state's own source, once it has been seeded.
type random struct{ *rand.Rand }

func mathRandomSeed(L *lua.LState) int {
	seed := uint64(int64(L.CheckNumber(1)))
	of(L).random = &random{rand.New(rand.NewPCG(seed, seed))}
	return 0
}

func mathRandom(L *lua.LState) int {
	float, upTo := rand.Float64, rand.Int64N
	if r := of(L).random; r != nil {
		float, upTo = r.Float64, r.Int64N
	}
	if L.GetTop() == 0 {
		L.Push(lua.LNumber(float()))
		return 1
	}
	low, high := int64(1), L.CheckInt64(1)
	if L.GetTop() > 1 {
		low, high = high, L.CheckInt64(2)
	}
	if low > high || high-low < 0 || high-low == 1<<63-1 {
		L.ArgError(L.GetTop(), "interval is empty")
	}
	L.Push(lua.LNumber(low + upTo(high-low+1)))
	return 1
}

func tableConcat(L *lua.LState) int {
	t := L.CheckTable(1)
	sep := L.OptString(2, "")
	from, to := L.OptInt(3, 1), L.OptInt(4, t.Len())
	var b strings.Builder
	for i := from; i <= to; i++ {
		v := t.RawGetInt(i)
		if v.Type() != lua.LTString && v.Type() != lua.LTNumber {
			L.RaiseError("invalid value (%s) at index %d in table for 'concat'", v.Type(), i)
		}
		b.WriteString(v.String())
		if i < to {
			b.WriteString(sep)
		}
		checkLength(L, b.Len())
	}
	L.Push(lua.LString(b.String()))
	return 1
}

// checkLength raises an error when a string grows too long.
func checkLength(L *lua.LState, n int) {
	if n > maxString {
		L.RaiseError("resulting string too large: over %d MB", maxString>>20)
	}
}
