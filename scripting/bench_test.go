package scripting

import (
	"context"
	"runtime"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// routing is a script of ordinary size: tables, string matching, a require.
const routing = `local lib = require "lib"
local routes = { ["^1%d%d%d$"] = "user:%0", ["^0(%d+)$"] = "trunk:carrier/%1", ["^%+(%d+)$"] = "trunk:carrier/+%1" }
local function target(number)
  for pattern, to in pairs(routes) do
    if number:match(pattern) then return (number:gsub(pattern, to)) end
  end
end
return { on_call = function(number)
  local to = target(number)
  if not to then return nil, "unknown" end
  local user = lib.split(to, ":")
  return to, #user
end }`

const routingLib = `local M = {}
function M.split(s, sep)
  local out = {}
  for part in s:gmatch("[^" .. sep .. "]+") do out[#out + 1] = part end
  return out
end
return M`

// routeOnce is what a call costs: a fresh state, the plugin's top level, one decision.
func routeOnce(tb testing.TB, e *Engine) {
	g := e.current.Load()
	s := newState(context.Background(), e, g, nil)
	h, err := s.handlers(s.L, g.plugins[0])
	if err != nil {
		tb.Fatal(err)
	}
	v, err := s.callIn(s.L, h.RawGetString("on_call").(*lua.LFunction), lua.LString("1001"))
	if err != nil || v.String() != "user:1001" {
		tb.Fatalf("%v, %v", v, err)
	}
	s.release()
}

func routingEngine(tb testing.TB) *Engine {
	return newTestEngine(tb, testOptions(scriptDir(tb, map[string]string{"50-main.lua": routing, "lib/lib.lua": routingLib})))
}

func BenchmarkRoute(b *testing.B) {
	e := routingEngine(b)
	b.ReportAllocs()
	for b.Loop() {
		routeOnce(b, e)
	}
}

func BenchmarkState(b *testing.B) {
	e := routingEngine(b)
	b.ReportAllocs()
	for b.Loop() {
		newState(context.Background(), e, e.current.Load(), nil).close()
	}
}

func BenchmarkReload(b *testing.B) {
	e := routingEngine(b)
	b.ReportAllocs()
	for b.Loop() {
		if errs := e.Reload(); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}

// BenchmarkWaiting tells the memory of a state that has loaded its script and waits.
func BenchmarkWaiting(b *testing.B) {
	e := routingEngine(b)
	g := e.current.Load()
	const n = 2000
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		states := make([]*state, n)
		for i := range states {
			states[i] = newState(context.Background(), e, g, nil)
			if _, err := states[i].handlers(states[i].L, g.plugins[0]); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/n, "bytes/state")
		for _, s := range states {
			s.release()
		}
	}
}
