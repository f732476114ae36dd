package scripting

import (
	"time"

	lua "github.com/yuin/gopher-lua"
)

func timeModule() module {
	return module{
		name: "time",
		doc:  "The time of day, zones and opening hours.",
		functions: []function{
			{name: "now", returns: []field{{"seconds", "number", "since 1970 UTC, with fraction"}}, doc: "The present moment.",
				example: `local started = time.now()`, run: timeNow},
			{name: "format",
				params: []field{{"seconds", "number", "since 1970 UTC"}, {"format", "string", "as strftime: `%Y-%m-%d %H:%M`"},
					{"zone?", "string", "such as Europe/London; the server's by default"}},
				returns: []field{{"text", "string", ""}}, doc: "Writes a moment as text.",
				example: `local hour = time.format(time.now(), "%H", "Europe/London")`, run: timeFormat},
			{name: "hours", params: []field{{"hours", "Hours", "opening hours, and their zone"}},
				returns: []field{{"open", "boolean", ""}},
				doc:     "Tells whether it is within the hours named, and no holiday. A span that ends before it begins reaches into the next day.",
				example: "if not time.hours{ \"Mon-Fri 09:00-17:30\", \"Sat 10:00-12:00\", zone = \"Europe/London\", holidays = { \"12-25\", \"2026-04-03\" } } then\n  return call:play(\"closed\")\nend",
				run:     timeHours},
		},
	}
}

func timeNow(s *state, L *lua.LState) int {
	return push(L, lua.LNumber(float64(s.now().UnixMicro())/1e6))
}

// holidays reads days on which nobody is there.
func (a arguments) holidays(v lua.LValue) []string {
	t, ok := v.(*lua.LTable)
	if !ok {
		a.wrong("holidays", "a list of days", v)
	}
	var days []string
	for i := 1; i <= t.Len(); i++ {
		day := t.RawGetInt(i).String()
		if err := checkHoliday(day); err != nil {
			a.fail("holidays: %s", err)
		}
		days = append(days, day)
	}
	return days
}

// zone loads a time zone by its name.
func zone(a arguments, name string) *time.Location {
	if name == "" {
		return time.Local
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		a.fail("unknown zone %q", name)
	}
	return loc
}

func timeFormat(_ *state, L *lua.LState) int {
	a := args(L, "time.format")
	seconds, format := a.num(1, "seconds"), a.str(2, "format")
	if len(format) > 1<<10 {
		a.fail("format has over 1024 bytes")
	}
	return push(L, lua.LString(strftime(fromSeconds(seconds).In(zone(a, a.optStr(3, "zone", ""))), format)))
}

func timeHours(s *state, L *lua.LState) int {
	a := args(L, "time.hours")
	t := a.table(1, "hours")
	loc := time.Local
	var spans []openSpan
	var holidays []string
	t.ForEach(func(k, v lua.LValue) {
		text, isText := v.(lua.LString)
		switch {
		case k == lua.LString("holidays"):
			holidays = a.holidays(v)
		case !isText:
			a.wrong("each entry of hours", "a string", v)
		case k == lua.LString("zone"):
			loc = zone(a, string(text))
		case k.Type() == lua.LTNumber:
			span, err := parseHours(string(text))
			if err != nil {
				a.fail("%q: %s", string(text), err)
			}
			spans = append(spans, span...)
		default:
			a.fail("unknown option %q%s", k.String(), didYouMean(k.String(), []string{"zone", "holidays"}))
		}
	})
	return push(L, lua.LBool(isOpen(spans, holidays, s.now().In(loc))))
}
