-- lib/parking.lua.

before_each(function()
  sim.scripts { ["50-main.lua"] = [[
    local lot = require "parking"
    return { on_call = function(call)
      if call.number == "700" then
        local result, why = lot.park(call, { last = 702, timeout = 60, back = "user:1009" })
        call.vars.why = why or result.why
      elseif call.number:match("^70") then
        local result = lot.slot(call, call.number)
        call.vars.state = result.state
      end
    end }
  ]] }
end)

it("parks in the first free slot and says which", function()
  local a = sim.call { to = "700", from = "1" }
  a:hears("parked-in"):hears("number-1"):runs(3)
  local b = sim.call { to = "700", from = "2" }
  b:hears("parked-in"):hears("number-2"):runs(3)
  local full = sim.call { to = "700", from = "3" }
  full:hears("parking-full"):ends()
  expect(full.cdr.vars.why):is("full")

  local c = sim.call { to = "702", from = "4" }
  c:runs(5):hangup()
  b:ends()
  expect(c.cdr.vars.state):is("answered")
  a:hangup()
  expect(a.cdr.vars.why):is("hangup")
end)

it("says that nobody is there", function()
  local c = sim.call { to = "701" }
  c:hears("parking-empty"):ends()
  expect(c.cdr.vars.state):is("failed")
end)

it("goes back when nobody takes the call up", function()
  local c = sim.call { to = "700" }
  c:hears("parked-in"):runs(65)
  c:dials("user:1009"):answers()
  c:runs(5):hangup()
  expect(c.cdr.vars.why):is("timeout")
end)
