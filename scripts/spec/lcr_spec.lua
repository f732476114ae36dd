-- lib/lcr.lua.

before_each(function()
  sim.scripts {
    ["alpha.csv"] = "prefix,rate\n44,0.010\n447,0.030\n49,0.050\n1,0.2\n",
    ["beta.csv"] = "prefix,rate,name\n+44,0.012,United Kingdom\n+447,0.020,mobile\n+49,0.050,Germany\n",
    ["50-main.lua"] = [[
      local lcr = require "lcr"
      local given = {
        rules = { { "^00", "+" }, { "^0", "+44" } }, most = 0.1,
        carriers = { { trunk = "alpha", rates = "alpha.csv", rules = { { "^\\+", "00" } } }, { trunk = "beta", rates = "beta.csv" }, { trunk = "gone", rates = "gone.csv" } },
      }
      return { on_call = function(call)
        if call.number:match("^%*") then
          local ways = {}
          for i, route in ipairs(lcr.routes(call.number:sub(2), given)) do
            ways[i] = route.target .. " " .. route.rate
          end
          call.vars.ways = table.concat(ways, ", ")
          return call:reject(486)
        end
        local result, why = lcr.bridge(call, call.number, given)
        call.vars.state, call.vars.why = result and result.state, why
      end }
    ]],
  }
end)

local function ways(number)
  local c = sim.call { to = "*" .. number }
  c:ends(486)
  return c.cdr.vars.ways
end

it("brings numbers into one form and orders by rate and longest prefix", function()
  expect(ways("02079460000")):is("trunk:alpha/00442079460000 0.01, trunk:beta/+442079460000 0.012")
  expect(ways("00447700900123")):is("trunk:beta/+447700900123 0.02, trunk:alpha/00447700900123 0.03")
end)

it("keeps the carriers' order at one rate", function()
  expect(ways("+4930123456")):is("trunk:alpha/004930123456 0.05, trunk:beta/+4930123456 0.05")
end)

it("knows no way that is dearer than is paid, or without a rate", function()
  expect(ways("+12025550123")):is("")
  local c = sim.call { to = "+999" }
  c:ends(404)
  expect(c.cdr.vars.why):is("no route")
end)

it("goes on to the next carrier when one cannot", function()
  local c = sim.call { to = "02079460000" }
  c:dials("trunk:alpha/00442079460000"):fails("unavailable")
  c:dials("trunk:beta/+442079460000"):answers()
  c:runs(30):hangup()
  expect(c.cdr.vars.state):is("answered")
  expect(c.cdr.vars.lcr):is { trunk = "beta", rate = 0.012 }
end)

it("asks no other carrier when the number is busy", function()
  local c = sim.call { to = "02079460000" }
  c:dials("trunk:alpha/00442079460000"):fails("busy")
  c:ends(486)
  expect(c.cdr.vars.lcr.trunk):is("alpha")
end)

it("ends with the last failure", function()
  local c = sim.call { to = "02079460000" }
  c:dials("trunk:alpha/00442079460000"):fails(503)
  c:dials("trunk:beta/+442079460000"):fails(404)
  c:ends(404)
end)

it("ends with a caller who gives up", function()
  local c = sim.call { to = "02079460000" }
  c:dials("trunk:alpha/00442079460000")
  c:hangup()
  expect(c.cdr.vars.state):is("cancelled")
end)
