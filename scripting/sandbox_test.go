package scripting

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func emptyEngine(t testing.TB, change func(*Options)) *Engine {
	o := testOptions(scriptDir(t, map[string]string{"50-main.lua": "return {}"}))
	if change != nil {
		change(&o)
	}
	return newTestEngine(t, o)
}

func TestNothingDangerous(t *testing.T) {
	t.Parallel()
	e := emptyEngine(t, nil)
	for _, name := range []string{"io", "debug", "package", "channel", "dofile", "loadfile", "load", "module", "newproxy", "_printregs",
		"os.execute", "os.exit", "os.getenv", "os.remove", "os.rename", "os.tmpname", "os.setenv", "os.setlocale", "string.dump", "table.foreach"} {
		got, err := eval(t, e, "return type("+name+")")
		if err != nil || got != "nil" {
			t.Errorf("%s is a %s (%v)", name, got, err)
		}
	}
}

// What one call does to its world is not seen by the next.
func TestStatesShareNothing(t *testing.T) {
	t.Parallel()
	e := emptyEngine(t, nil)
	attacks := []struct{ attack, probe, want string }{
		{"leak = 1", "return leak", "nil"},
		{"string.leak = 1", "return string.leak", "nil"},
		{"string.upper = function() return 'x' end", "return ('a'):upper()", "A"},
		{"log.info = nil rawset(log, 'info', 1)", "return type(log.info)", "function"},
		{"math.pi = 3", "return math.pi > 3.1", "true"},
		{"getmetatable('').__index = function() return 1 end", "return ('a').leak", "nil"},
		{"setmetatable(string, {})", "return type(string.upper)", "function"},
		{"local m = getmetatable(log) m.__index.leak = 1", "return log.leak", "nil"},
		{"local d = json.decode('[]') getmetatable(d).leak = 1", "return getmetatable(json.decode('[]'))", "false"},
		{"setfenv(0, { leak = 1 })", "return leak", "nil"},
		{"setfenv(print, { leak = 1 })", "return leak", "nil"},
		{"getfenv(print).leak = 1 getfenv(1).leak = 1", "return leak", "nil"},
		{"table.insert = nil _G.table = nil", "return type(table.insert)", "function"},
		{"math.randomseed(1)", "return 1", "1"},
	}
	for _, a := range attacks {
		_, _ = eval(t, e, a.attack) // may well be refused
		if got, err := eval(t, e, a.probe); err != nil || got != a.want {
			t.Errorf("after %q, %q gave %s, %v; want %s", a.attack, a.probe, got, err, a.want)
		}
	}
}

// tooLong is more than a bad script may last: 3 s, and as much again and more for the race
// detector on a busy machine.
const tooLong = 10 * time.Second

// Each of these ends within its budget, with an error that says why.
func TestBombs(t *testing.T) {
	t.Parallel()
	e := emptyEngine(t, func(o *Options) { o.CallCPU = 300 * time.Millisecond; o.Memory = 32 << 20 })
	// For those that a cap ends, however slow the machine is.
	patient := emptyEngine(t, func(o *Options) { o.CallCPU = tooLong; o.Memory = 32 << 20 })
	bombs := []struct{ name, text, want string }{
		{"loop", "while true do end", "call_cpu"},
		{"pcall loop", "while true do pcall(function() while true do end end) end", "call_cpu"},
		{"xpcall loop", "while true do xpcall(function() while true do end end, function(m) while true do end end) end", "call_cpu"},
		{"error handler", "xpcall(error, function() error('again') end) while true do end", "call_cpu"},
		{"coroutine loop", "coroutine.wrap(function() while true do end end)()", "call_cpu"},
		{"pattern", "return string.find(('a'):rep(40000), ('a*'):rep(30) .. 'b')", "call_cpu"},
		{"gsub", "return string.gsub(('a'):rep(40000), ('a*'):rep(30) .. 'b', '')", "call_cpu"},
		{"gmatch", "for _ in string.gmatch(('a'):rep(40000), ('a-'):rep(30) .. 'b') do end", "call_cpu"},
		{"sort", "local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function() while true do end end)", "call_cpu"},
		{"rep", "return ('x'):rep(1e9)", "too large"},
		{"rep huge", "return ('x'):rep(1e300)", "too large"},
		{"concat table", "local t = {} for i = 1, 9 do t[i] = ('x'):rep(1e6) end return table.concat(t)", "too large"},
		{"gsub growth", "return (('x'):rep(1e6):gsub('.', ('y'):rep(1000)))", ""},
		{"format width", "return ('%999d'):format(1)", "too long"},
		{"recursion", "local function f() return 1 + f() end f()", "stack overflow"},
		{"tostring recursion", "local t = setmetatable({}, {}) getmetatable(t).__tostring = function() return tostring(t) end return tostring(t)", "stack overflow"},
		{"index recursion", "local t = setmetatable({}, { __index = function(t, k) return t[k] end }) return t.x", "stack overflow"},
		{"coroutines in coroutines", "local function f() coroutine.wrap(f)() end f()", "nested too deep"},
		{"unpack", "return unpack({}, 1, 1e8)", "registry overflow"},
		{"bytes", "return string.byte(('x'):rep(1e6), 1, -1)", "too long"},
		{"json depth", "local t = {} t.t = t return json.encode(t)", "contains itself"},
		{"source", "return loadstring(('('):rep(1e6))", "at most"},
		{"parentheses", "return assert(loadstring('return ' .. ('('):rep(60000) .. '1'))", ""},
	}
	for _, b := range bombs {
		t.Run(b.name, func(t *testing.T) {
			began := time.Now()
			engine := patient
			if b.want == "call_cpu" || b.want == "" {
				engine = e
			}
			_, err := eval(t, engine, b.text)
			if err == nil || !strings.Contains(err.Message, b.want) {
				t.Errorf("got %v; want %q", err, b.want)
			}
			if took := time.Since(began); took > tooLong {
				t.Errorf("took %v", took)
			}
		})
	}
}

// A script that waits again and again may run for ever; one that only seems to wait may not.
func TestMeter(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, rounds int, runs, waits time.Duration) (spent time.Duration, long int) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			m := newMeter(30*time.Millisecond, func() { long++ }, func() {
				if spent == 0 {
					spent = time.Since(began)
				}
			})
			for range rounds {
				m.start()
				time.Sleep(runs)
				synctest.Wait()
				m.pause()
				time.Sleep(waits)
			}
			m.stop()
		})
		return spent, long
	}
	for _, tt := range []struct {
		rounds      int
		runs, waits time.Duration
		spent       time.Duration
		long        int
	}{
		{1, time.Second, 0, 30 * time.Millisecond, 1},
		{100, 2 * time.Millisecond, 4 * time.Millisecond, 0, 0},
		{100, 15 * time.Millisecond, 15 * time.Millisecond, 0, 100},                 // watched each time, and spared
		{100, time.Millisecond, 0, 30 * time.Millisecond, 0},                        // does not really wait
		{100, 4 * time.Millisecond, 2 * time.Millisecond, 82 * time.Millisecond, 0}, // loses 2 ms a round
		{100, 31 * time.Millisecond, 10 * time.Second, 30 * time.Millisecond, 100},  // waiting fills it no further than full
	} {
		spent, long := run(t, tt.rounds, tt.runs, tt.waits)
		if spent != tt.spent || long != tt.long {
			t.Errorf("%d times %v of running and %v of waiting: spent after %v, long %d times; want %v, %d",
				tt.rounds, tt.runs, tt.waits, spent, long, tt.spent, tt.long)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	e := emptyEngine(t, nil)
	tests := []struct{ text, want string }{
		{"\nerror('plain')", "test.lua:2: plain"},
		{"error('no place', 0)", "no place"},
		{"error({ message = 'from a table' })", "from a table"},
		{"error({})", "an error that is a table without a message"},
		{"error(nil)", "nil"},
		{"local t\n\nt.x = 1", "test.lua:3: attempt to index a non-table object(nil) with key 'x'"},
		{"coroutine.wrap(function()\n error('inside') end)()", "test.lua:2: inside"},
		{"json.encode(print)", "test.lua:1: json.encode: a function is not data"},
		{"re.match('x')", "test.lua:1: re.match: expression must be a string, got nil"},
		{"re.match('x', '(')", "test.lua:1: re.match: expression: missing closing ): `(`"},
		{"shared.set('k', 1, { tll = 3 })", `test.lua:1: shared.set: unknown option "tll" (did you mean ttl?)`},
		{"shared.set('k', 1, { ttl = 'x' })", "test.lua:1: shared.set: option ttl must be a number, got string"},
		{"shared.set('k', 1, { ttl = -1 })", "test.lua:1: shared.set: option ttl must be a number of seconds, got -1"},
		{"shared.set('k', print)", "test.lua:1: shared.set: the value cannot be shared: a function is not data"},
	}
	for _, tt := range tests {
		_, err := eval(t, e, tt.text)
		if err == nil || err.Message != tt.want {
			t.Errorf("%q: got %v; want %q", tt.text, err, tt.want)
			continue
		}
		if !strings.Contains(err.Traceback, "stack traceback:") {
			t.Errorf("%q: no traceback: %q", tt.text, err.Traceback)
		}
	}
}
