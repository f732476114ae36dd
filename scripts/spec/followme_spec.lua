-- lib/followme.lua.

before_each(function()
  sim.scripts { ["50-main.lua"] = [[
    local followme = require "followme"
    local steps = { { "user:1001" }, { "trunk:carrier/+447700900123", "user:1002", ring = 20 }, { "trunk:carrier/+442079460000" } }
    return { on_call = function(call)
      if call.number == "1" then
        call:answer()
      end
      local r = followme.ring(call, steps, {
        fallback = call.number == "2" and function(c) c:play("not-available") end or call.number == "3" and "user:1009",
      })
      call.vars.state = r and r.state
    end }
  ]] }
end)

it("asks at the desk first", function()
  local c = sim.call { to = "0", user = "1005" }
  c:dials("user:1001"):answers()
  c:runs(5):hangup()
  expect(c.cdr.vars.state):is("answered")
end)

it("goes on to the next step, where 1 must be pressed outside", function()
  local c = sim.call { to = "1", user = "1005" }
  c:dials("user:1001"):fails("busy")
  c:hears("one-moment")
  local mobile = c:dials("trunk:carrier/+447700900123"):answers()
  mobile:hears("follow-confirm"):press("1")
  c:runs(5):hangup()
  expect(c.cdr.vars.state):is("answered")
end)

it("passes by a mobile's mailbox", function()
  local c = sim.call { to = "0", user = "1005" }
  c:dials("user:1001"):fails("noanswer")
  c:dials("trunk:carrier/+447700900123"):answers() -- a mailbox: it presses nothing
  c:dials("trunk:carrier/+442079460000"):answers():hears("follow-confirm"):press("1")
  c:runs(5):hangup()
end)

it("falls back to a function, or to a target", function()
  local c = sim.call { to = "2" } -- who is no user may not dial a trunk
  c:dials("user:1001"):fails("busy")
  c:hears("not-available"):ends()
  c = sim.call { to = "3" }
  c:dials("user:1001"):fails("busy")
  c:dials("user:1009"):answers()
  c:hangup()
end)

it("ends with a caller who gives up", function()
  local c = sim.call { to = "0", user = "1005" }
  c:dials("user:1001")
  c:hangup()
  expect(c.cdr.vars.state):is("cancelled")
end)
