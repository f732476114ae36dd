package scripting

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestModules(t *testing.T) {
	t.Parallel()
	e := emptyEngine(t, func(o *Options) {
		o.Settings = map[string]any{"greeting": "main-menu", "limits": map[string]any{"calls": int64(5)}, "list": []any{"a", true}}
	})
	tests := []struct{ text, want string }{
		// json
		{`json.encode({ 1, "two", { three = 3.5 } })`, `[1,"two",{"three":3.5}]`},
		{`json.encode({})`, `{}`},
		{`json.encode(json.decode('{"a":[],"b":{},"c":null,"d":[1,[]]}'))`, `{"a":[],"b":{},"d":[1,[]]}`},
		{`json.encode({ [1] = "a", [3] = "c" })`, `["a",null,"c"]`},
		{`json.encode("<é\n\"")`, `"<é\n\""`},
		{`json.encode(1e15) .. json.encode(-0.5) .. json.encode(2^60)`, `1000000000000000-0.51152921504606847000`},
		{`select(2, json.decode("{"))`, "unexpected end of JSON input"},
		{`select(2, pcall(json.encode, 0/0))`, "json.encode: NaN is not a JSON number"},
		{`json.decode('"x"') .. tostring(json.decode("true")) .. json.decode("7")`, "xtrue7"},
		// config
		{`config.get("greeting")`, "main-menu"},
		{`config.get("limits.calls")`, "5"},
		{`config.get("limits").calls`, "5"},
		{`config.get("list")[2]`, "true"},
		{`config.get("nothing")`, "nil"},
		{`config.get("nothing", 7)`, "7"},
		// re
		{`re.match("+442079460000", [[^\+44(20|161)(\d+)$]])`, "20"},
		{`select(2, re.match("+442079460000", [[^\+44(20|161)(\d+)$]]))`, "79460000"},
		{`re.match("abc", "b.")`, "bc"},
		{`re.match("abc", "x")`, "nil"},
		{`re.match("ac", "a(b)?c")`, "nil"},
		{`table.concat({ re.find("one 42 two", "[0-9]+") }, ",")`, "5,6"},
		{`table.concat({ re.find("k=v", "(\\w)=(\\w)") }, ",")`, "1,3,k,v"},
		{`re.find("aXbX", "X", 3)`, "4"},
		{`re.replace("0044 20", "^00", "+")`, "+44 20"},
		{`re.replace("john smith", "(\\w+) (\\w+)", "$2 ${1}")`, "smith john"},
		{`re.replace("aaa", "b*", "-")`, "-a-a-a-"},
		// time
		{`time.format(0, "%Y-%m-%d %H:%M:%S %a %j", "UTC")`, "1970-01-01 00:00:00 Thu 001"},
		{`time.format(1795348800, "%A %e %B, %I:%M %p %%", "Europe/London")`, "Sunday 22 November, 12:00 PM %"},
		{`time.format(1782907200, "%H:%M %Z", "Europe/London")`, "13:00 BST"},
		{`math.abs(time.now() - os.time()) < 2`, "true"},
		{`os.date("!%Y-%m-%d", 86400)`, "1970-01-02"},
		{`os.date("!*t", 86400).day`, "2"},
		{`select(2, pcall(time.format, 0, "%H", "Nowhere/Land"))`, `time.format: unknown zone "Nowhere/Land"`},
		{`type(time.hours{ "Mon-Sun 00:00-24:00" })`, "boolean"},
		{`time.hours{ "Mon-Sun 00:00-24:00", zone = "Europe/London" }`, "true"},
		{`time.hours{}`, "false"},
		{`select(2, pcall(time.hours, { "Mon-Fry 9:00-10:00" }))`, `time.hours: "Mon-Fry 9:00-10:00": "Fry" is not a day such as Mon`},
		{`select(2, pcall(time.hours, { "Mon 9-10" }))`, `time.hours: "Mon 9-10": "9" is not a time of day such as 09:30`},
		{`time.hours{ "Mon-Sun", holidays = { "02-29" } }`, "true"},
		{`select(2, pcall(time.hours, { holidays = { "25.12." } }))`, `time.hours: holidays: "25.12." is not a day such as 2026-04-03, or 12-25 for every year`},
		{`select(2, pcall(time.hours, { holidays = "12-25" }))`, "time.hours: holidays must be a list of days, got string"},
		{`select(2, pcall(time.hours, { zon = "UTC" }))`, `time.hours: unknown option "zon" (did you mean zone?)`},
		// log does not fail, whatever it is given
		{`select("#", log.info("hello", { a = 1, b = {}, c = print }))`, "0"},
		{`select("#", print(1, nil, "x"))`, "0"},
	}
	for _, tt := range tests {
		text := tt.text
		if strings.HasPrefix(text, "select(2, pcall") {
			text = "(" + text + "):gsub('^test.lua:1: ', '')"
		}
		got, err := eval(t, e, "return "+text)
		if err != nil || got != tt.want {
			t.Errorf("%s = %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestStrings(t *testing.T) {
	t.Parallel()
	e := emptyEngine(t, nil)
	tests := []struct{ text, want string }{
		{`("hello"):find("l+")`, "3"},
		{`select("#", ("hello"):find("(l)(l)"))`, "4"},
		{`("a.b"):find(".", 1, true)`, "2"},
		{`("a.b"):find("%.")`, "2"},
		{`("abc"):find("", 10)`, "nil"},
		{`("abc"):find("", 4)`, "4"},
		{`("abc"):find("b", -1)`, "nil"},
		{`("key=val"):match("(%w+)=(%w+)")`, "key"},
		{`("key"):match("()k")`, "1"},
		{`("  x "):match("^%s*(.-)%s*$")`, "x"},
		{`("abc"):gsub("%w", "%0%0")`, "aabbcc"},
		{`("hello world"):gsub("o", { o = "0" })`, "hell0 w0rld"},
		{`("hello"):gsub("", "-")`, "-h-e-l-l-o-"},
		{`("abc"):gsub("%w*", "x")`, "xx"},
		{`("abc"):gsub("b", function() return nil end)`, "abc"},
		{`("abc abc"):gsub("^abc", "x")`, "x abc"},
		{`select(2, ("aaa"):gsub("a", "b", 2))`, "2"},
		{`("$name"):gsub("%$(%w+)", { name = "x" })`, "x"},
		{`(function() local t = {} for k, v in ("a=1, b=2"):gmatch("(%w)=(%w)") do t[#t+1] = k .. v end return table.concat(t) end)()`, "a1b2"},
		{`(function() local n = 0 for _ in ("abc"):gmatch("") do n = n + 1 end return n end)()`, "4"},
		{`("%d|%5.1f|%-5s|%05d|%x|%c|%q|%%|%g"):format(42.7, 3.14159, "ab", 42, 255, 65, 'a"b', 0.1)`, `42|  3.1|ab   |00042|ff|A|"a\"b"|%|0.1`},
		{`("%s %s"):format(nil, true)`, "nil true"},
		{`("%s"):format(setmetatable({}, { __tostring = function() return "obj" end }))`, "obj"},
		{`("%g"):format(100000000)`, "1e+08"},
		{`("abc"):sub(-2) .. ("abc"):sub(2, 10) .. ("abc"):sub(0, 1) .. ("abc"):sub(3, 2)`, "bcbca"},
		{`("abc"):byte() .. ":" .. select("#", ("abc"):byte(1, -1)) .. ":" .. select("#", ("abc"):byte(9))`, "97:3:0"},
		{`string.char(72, 105) .. ("ab"):rep(2) .. ("abc"):reverse() .. ("aÉ"):upper() .. #"é"`, "HiababcbaAÉ2"},
		{`tonumber("1e3") .. tonumber("0x10") .. tonumber(" 5 ") .. tonumber("ff", 16) .. tostring(tonumber("x")) .. tostring(tonumber("1_0"))`, "1000165255nilnil"},
		{`tostring(tonumber("")) .. tostring(tonumber("inf")) .. tonumber("-0x10") .. tonumber(".5")`, "nilnil-160.5"},
		{`table.concat({ 1, 2, 3 }, ", ") .. table.concat({}) .. table.concat({ 1, 2, 3 }, "", 2, 3)`, "1, 2, 323"},
		{`(function() local t = {} for i, v in ipairs({ 1, 2, nil, 4 }) do t[#t+1] = v end return #t end)()`, "2"},
		{`(function() local n = 0 for k, v in pairs({ a = 1, b = 2, 3 }) do n = n + v end return n end)()`, "6"},
		{`(function() local t = {} local c = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return c(1) .. c(10) end)()`, "220"},
		{`select(2, coroutine.resume(coroutine.create(function() return "x" end)))`, "x"},
		{`tostring(coroutine.resume(coroutine.create(function() error("x") end)))`, "false"},
		{`math.huge == 1/0 and math.random(5) <= 5 and math.random() < 1`, "true"},
		{`(function() math.randomseed(7) local a = math.random(1000) math.randomseed(7) return a == math.random(1000) end)()`, "true"},
		{`assert(loadstring("return 1 + 1"))()`, "2"},
		{`select(2, loadstring("x ="))`, "string at EOF:   syntax error"},
		{`collectgarbage("count")`, "0"},
	}
	for _, tt := range tests {
		got, err := eval(t, e, "return "+tt.text)
		if err != nil || got != tt.want {
			t.Errorf("%s = %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
	for text, want := range map[string]string{
		`("%d"):format("x")`:        "bad argument #2 to format (number expected, got string)",
		`("%y"):format(1)`:          "invalid option '%y' to 'format'",
		`("%"):format(1)`:           "invalid format",
		`("%d"):format()`:           "bad argument #2 to format",
		`("x"):find("[a")`:          "malformed pattern (missing ']')",
		`("x"):rep()`:               "bad argument #2 to rep",
		`("abc"):gsub("(a)", "%2")`: "invalid capture index %2 in replacement string",
		`("abc"):gsub("a", true)`:   "string, function or table expected, got boolean",
		`string.char(256)`:          "invalid value",
		`math.random(0)`:            "interval is empty",
	} {
		if _, err := eval(t, e, "return "+text); err == nil || !strings.Contains(err.Message, want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

func TestShared(t *testing.T) {
	t.Parallel()
	e := emptyEngine(t, nil)
	for _, tt := range []struct{ text, want string }{
		{`shared.get("x")`, "nil"},
		{`tostring(shared.set("x", { a = { 1, 2 } }))`, "true"},
		{`json.encode(shared.get("x"))`, `{"a":[1,2]}`},
		{`(function() local v = shared.get("x") v.a[1] = 99 return shared.get("x").a[1] end)()`, "1"},
		{`shared.incr("n") .. shared.incr("n", 2) .. shared.incr("n", -1)`, "132"},
		{`select(2, pcall(shared.incr, "x"))`, `test.lua:1: shared.incr: "x" is not a number`},
		{`tostring(shared.set("x", nil)) .. tostring(shared.get("x"))`, "truenil"},
		{`tostring(shared.delete("n")) .. tostring(shared.get("n"))`, "truenil"},
		{`shared.update("l", function(l) l = l or {} l[#l + 1] = "a" return l end)[1]`, "a"},
		{`#shared.update("l", function(l) l[#l + 1] = "b" return l end)`, "2"},
		{`(function() shared.set("u", 1) pcall(shared.update, "u", function() error("x") end) return shared.get("u") end)()`, "1"},
		{`select(2, pcall(shared.update, "u", function() http.get("http://x") end))`, "test.lua:1: http.get waits, and cannot be used inside shared.update"},
		{`select(2, pcall(shared.set, "k", 1, { persist = 1 }))`, "test.lua:1: shared.set: option persist must be true or false, got number"},
		{`select(2, pcall(shared.set, ("k"):rep(2000), 1))`, "test.lua:1: shared.set: key has over 1024 bytes"},
		{`select(2, pcall(shared.set, "k", ("k"):rep(300000)))`, "test.lua:1: shared.set: the value is too large: over 256 KB"},
	} {
		text := tt.text
		got, err := eval(t, e, "return "+text)
		got = strings.Replace(got, "test.lua:1: ", "", 1)
		if err != nil || got != strings.Replace(tt.want, "test.lua:1: ", "", 1) {
			t.Errorf("%s = %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestSharedExpires(t *testing.T) {
	t.Parallel()
	dir := scriptDir(t, map[string]string{"50-main.lua": "return {}"})
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(testOptions(dir))
		defer e.Close()
		s := e.shared
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(s.set("a", "x", life{ttl: 10 * time.Second}))
		_, err := s.incr("n", 1, life{ttl: 10 * time.Second})
		must(err)
		time.Sleep(5 * time.Second)
		if n, err := s.incr("n", 1, life{}); n != 2 || err != nil {
			t.Errorf("incr: %v, %v", n, err)
		}
		time.Sleep(6 * time.Second)
		if v, ok := s.get("a"); ok {
			t.Errorf("a lives on: %v", v)
		}
		if n, err := s.incr("n", 1, life{}); n != 1 || err != nil {
			t.Errorf("incr after its end: %v, %v", n, err)
		}
		s.sweep()
		if len(s.all) != 1 {
			t.Errorf("left: %v", s.all)
		}
	})
}

// Calls that count the same key at once lose nothing.
func TestSharedTogether(t *testing.T) {
	t.Parallel()
	e := emptyEngine(t, nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := eval(t, e, `for i = 1, 50 do
				shared.incr("n")
				shared.update("t", function(t) t = t or { n = 0 } t.n = t.n + 1 return t end)
			end`); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := eval(t, e, `return shared.get("n") .. " " .. shared.get("t").n`); err != nil || got != "1000 1000" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestHours(t *testing.T) {
	t.Parallel()
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		hours, at string
		want      bool
	}{
		{"Mon-Fri 09:00-17:30", "2026-11-23 09:00", true}, // a Monday
		{"Mon-Fri 09:00-17:30", "2026-11-23 17:29", true},
		{"Mon-Fri 09:00-17:30", "2026-11-23 17:30", false},
		{"Mon-Fri 09:00-17:30", "2026-11-22 12:00", false}, // Sunday
		{"Sat,Sun 10:00-12:00", "2026-11-22 11:00", true},
		{"Fri-Mon 10:00-12:00", "2026-11-22 11:00", true},
		{"Fri-Mon 10:00-12:00", "2026-11-24 11:00", false},
		{"Mon 22:00-02:00", "2026-11-23 23:00", true},
		{"Mon 22:00-02:00", "2026-11-24 01:59", true},
		{"Mon 22:00-02:00", "2026-11-24 02:00", false},
		{"Mon 22:00-02:00", "2026-11-23 01:00", false},
		{"09:00-17:00", "2026-11-22 10:00", true},
		{"Sun", "2026-11-22 23:59", true},
		{"Sun", "2026-11-23 00:00", false},
		{"monday 9:00-12:00,13:00-17:00", "2026-11-23 12:30", false},
		{"monday 9:00-12:00,13:00-17:00", "2026-11-23 13:30", true},
		{"Mon - Fri 09:00 - 17:30", "2026-11-23 10:00", true},
	}
	for _, tt := range tests {
		at, err := time.ParseInLocation("2006-01-02 15:04", tt.at, london)
		if err != nil {
			t.Fatal(err)
		}
		spans, err := parseHours(tt.hours)
		if err != nil || isOpen(spans, nil, at) != tt.want {
			t.Errorf("%q at %s: %v, %v; want %v", tt.hours, tt.at, !tt.want, err, tt.want)
		}
	}
	spans, err := parseHours("Mon-Sun 22:00-02:00")
	if err != nil {
		t.Fatal(err)
	}
	holidays := []string{"2026-11-24", "12-25"}
	for at, want := range map[string]bool{
		"2026-11-23 23:00": true, "2026-11-24 01:00": true, "2026-11-24 23:00": false, "2026-11-25 01:00": false, "2026-11-25 23:00": true,
		"2026-12-25 23:00": false, "2027-12-25 23:00": false, "2027-11-24 23:00": true,
	} {
		moment, err := time.ParseInLocation("2006-01-02 15:04", at, london)
		if err != nil || isOpen(spans, holidays, moment) != want {
			t.Errorf("a holiday, at %s: %v, %v; want %v", at, !want, err, want)
		}
	}
	for _, bad := range []string{"", "Mon Tue 09:00-10:00", "Mon 25:00-26:00", "Mon 09:00", "M 09:00-10:00", "Mon 09:60-10:00", "x"} {
		if spans, err := parseHours(bad); err == nil {
			t.Errorf("%q is taken: %v", bad, spans)
		}
	}
}

func TestSpoken(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)
	tests := []struct{ text, as, want string }{
		{"0", "number", "number-0"},
		{"13", "number", "number-13"},
		{"42", "number", "number-40 number-2"},
		{"100", "number", "number-1 number-hundred"},
		{"105", "number", "number-1 number-hundred number-and number-5"},
		{"1000", "number", "number-1 number-thousand"},
		{"2026", "number", "number-2 number-thousand number-and number-20 number-6"},
		{"1234567", "number", "number-1 number-million number-2 number-hundred number-and number-30 number-4 number-thousand number-5 number-hundred number-and number-60 number-7"},
		{"-1.5", "number", "number-minus number-1 number-point number-5"},
		{"+4* 0#", "digits", "digit-plus number-4 digit-star number-0 digit-pound"},
		{"2026-11-22", "date", "day-0 month-11 ordinal-22 number-20 number-20 number-6"},
		{"1999-01-01", "date", "day-5 month-1 ordinal-1 number-19 number-90 number-9"},
		{"1905-12-31", "date", "day-0 month-12 ordinal-31 number-19 time-oh number-5"},
		{"2005-03-02", "date", "day-3 month-3 ordinal-2 number-2 number-thousand number-and number-5"},
		{"1900-03-02", "date", "day-5 month-3 ordinal-2 number-19 number-hundred"},
		{"14:05", "time", "number-2 time-oh number-5 time-pm"},
		{"00:00", "time", "number-12 time-oclock time-am"},
		{"12:59", "time", "number-12 number-50 number-9 time-pm"},
		{"0", "time", "number-12 time-oclock time-am"},
	}
	for _, tt := range tests {
		words, err := spoken(tt.text, tt.as, now)
		if got := strings.Join(words, " "); err != nil || got != tt.want {
			t.Errorf("%s as %s: %q, %v; want %q", tt.text, tt.as, got, err, tt.want)
		}
		for _, w := range words {
			if _, err := shippedPrompt(w); err != nil {
				t.Errorf("%s as %s: the prompt %s does not ship", tt.text, tt.as, w)
			}
		}
	}
	for as, bad := range map[string][]string{"number": {"x", "1e9", "nan", ""}, "date": {"22.11.2026", ""}, "time": {"25:00", "noon"}, "digits": {"12a", strings.Repeat("1", 300)}} {
		for _, text := range bad {
			if words, err := spoken(text, as, now); err == nil {
				t.Errorf("%q as %s is taken: %v", text, as, words)
			}
		}
	}
}

func TestLogLine(t *testing.T) {
	t.Parallel()
	var out logBuffer
	e := emptyEngine(t, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&out, nil)) })
	if _, err := eval(t, e, "\nlog.warn('careful', { digit = 1, who = 'x y' })"); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, `level=WARN msg=careful script=test.lua:2 digit=1 who="x y"`) {
		t.Errorf("logged %s", got)
	}
}
