-- lib/attendant.lua, with opening hours, holidays and the night switch.

before_each(function()
  sim.scripts { ["50-main.lua"] = [[
    local attendant = require "attendant"
    local given = {
      hours = { "Mon-Fri 09:00-17:00" }, zone = "Europe/London", holidays = { "12-25" },
      menu = { ["1"] = "user:1001", ["2"] = function(call, digits) call.vars.chose = digits; call:play("the-time-is") return "repeat" end },
      extensions = "1[0-9]{3}", operator = "user:1009", tries = 2, ring = 10,
    }
    return { on_call = function(call)
      if call.number == "700" then
        attendant.run(call, given)
      elseif call.number == "701" then
        attendant.run(call, { closed = function(c) c:play("not-available") end, hours = {} })
      elseif call.number == "702" then
        attendant.run(call, { menu = { ["1"] = "user:1001" }, tries = 2 })
      elseif call.number == "799" then
        attendant.switch(call, given)
      elseif call.number == "66" then
        attendant.run(call, { hour = {} })
      else
        call:bridge("user:" .. call.number)
      end
    end }
  ]] }
  sim.at("2026-01-05 09:00", "Europe/London") -- a Monday
end)

it("puts through to what was chosen", function()
  local c = sim.call { to = "700" }
  c:hears("attendant-welcome"):press("1")
  c:dials("user:1001"):answers()
  c:runs(20):hangup()
  expect(c.cdr.state):is("answered")
end)

it("plays again after a function that says so", function()
  local c = sim.call { to = "700" }
  c:hears("attendant-welcome"):press("2"):hears("the-time-is"):hears("attendant-welcome"):hangup()
  expect(c.cdr.vars.chose):is("2")
end)

it("lets callers dial extensions", function()
  local c = sim.call { to = "700" }
  c:hears("attendant-welcome"):press("1234")
  c:dials("user:1234"):answers()
  c:runs(5):hangup()
end)

it("tells that an extension does not answer, and plays again", function()
  local c = sim.call { to = "700" }
  c:hears("attendant-welcome"):press("1234")
  c:dials("user:1234"):fails("busy")
  c:hears("busy"):hears("attendant-welcome"):hangup()
end)

it("puts through to the operator without a key", function()
  local c = sim.call { to = "700" }
  c:hears("attendant-welcome")
  c:dials("user:1009"):answers()
  c:runs(5):hangup()
end)

it("complains about other keys, and gives up", function()
  local c = sim.call { to = "700" }
  c:hears("attendant-welcome"):press("9"):hears("invalid"):hears("attendant-welcome"):press("8"):hears("goodbye"):ends()
end)

it("says goodbye to those who say nothing when there is no operator", function()
  sim.call { to = "702" }:hears("attendant-welcome"):hears("attendant-welcome"):hears("goodbye"):ends()
end)

it("ends with a caller who hangs up", function()
  local c = sim.call { to = "702" }
  c:hears("attendant-welcome"):hangup()
  expect(c.cdr.released_by):is("caller")
  expect(c.cdr.script_error):is("")
end)

describe("closed", function()
  it("outside the hours", function()
    sim.at("2026-01-05 17:00", "Europe/London")
    sim.call { to = "700" }:hears("attendant-closed"):ends()
  end)

  it("on holidays", function()
    sim.at("2026-12-25 10:00", "Europe/London") -- a Friday
    sim.call { to = "700" }:hears("attendant-closed"):ends()
  end)

  it("with something to do then", function()
    sim.call { to = "701" }:hears("attendant-closed"):hears("not-available"):ends()
  end)

  it("by the night switch, until it is used again", function()
    sim.call { to = "799" }:hears("attendant-night"):ends()
    sim.call { to = "700" }:hears("attendant-closed"):ends()
    sim.call { to = "799" }:hears("attendant-day"):ends()
    sim.call { to = "700" }:hears("attendant-welcome"):hangup()
  end)
end)

it("takes other prompts and hours from the settings", function()
  sim.settings { attendant = { prompts = { welcome = "main-menu" }, menu = { ["3"] = "user:1003" } } }
  local c = sim.call { to = "701" }
  c:hears("attendant-closed"):hangup()
  sim.settings { attendant = { prompts = { welcome = "main-menu" } } }
  c = sim.call { to = "702" }
  c:hears("main-menu"):hangup()
end)

it("names an option that there is not", function()
  local c = sim.call { to = "66" }
  expect(c.code):is(500)
  expect(c.cdr.script_error):contains("50-main.lua:17: attendant: there is no option hour")
end)
