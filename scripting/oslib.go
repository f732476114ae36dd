package scripting

import (
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// osFunctions are the harmless part of Lua's os library.
func osFunctions() map[string]lua.LGFunction {
	return map[string]lua.LGFunction{"time": osTime, "date": osDate, "clock": osClock, "difftime": osDiffTime}
}

func (s *state) now() time.Time { return s.engine.o.Clock.Now() }

func osClock(L *lua.LState) int {
	s := of(L)
	L.Push(lua.LNumber(s.now().Sub(s.gen.loaded).Seconds()))
	return 1
}

func osDiffTime(L *lua.LState) int {
	L.Push(L.CheckNumber(1) - lua.LNumber(L.OptNumber(2, 0)))
	return 1
}

func osTime(L *lua.LState) int {
	if L.GetTop() == 0 || L.Get(1) == lua.LNil {
		L.Push(lua.LNumber(of(L).now().Unix()))
		return 1
	}
	t := L.CheckTable(1)
	field := func(name string, missing int) int {
		v := t.RawGetString(name)
		if v == lua.LNil && missing >= 0 {
			return missing
		}
		n, ok := v.(lua.LNumber)
		if !ok {
			L.RaiseError("os.time: field %q must be a number, got %s", name, v.Type())
		}
		return int(n)
	}
	when := time.Date(field("year", -1), time.Month(field("month", -1)), field("day", -1),
		field("hour", 12), field("min", 0), field("sec", 0), 0, time.Local)
	L.Push(lua.LNumber(when.Unix()))
	return 1
}

func osDate(L *lua.LState) int {
	format := L.OptString(1, "%c")
	when := of(L).now()
	if L.GetTop() > 1 {
		when = fromSeconds(float64(L.CheckNumber(2)))
	}
	format, utc := strings.CutPrefix(format, "!")
	if utc {
		when = when.UTC()
	} else {
		when = when.Local()
	}
	if !strings.HasPrefix(format, "*t") {
		L.Push(lua.LString(strftime(when, format)))
		return 1
	}
	t := L.CreateTable(0, 9)
	for k, v := range map[string]int{"year": when.Year(), "month": int(when.Month()), "day": when.Day(), "hour": when.Hour(),
		"min": when.Minute(), "sec": when.Second(), "wday": int(when.Weekday()) + 1, "yday": when.YearDay()} {
		t.RawSetString(k, lua.LNumber(v))
	}
	t.RawSetString("isdst", lua.LBool(when.IsDST()))
	L.Push(t)
	return 1
}
