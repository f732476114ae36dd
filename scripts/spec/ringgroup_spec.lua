-- lib/ringgroup.lua.

before_each(function()
  sim.scripts { ["50-main.lua"] = [[
    local ringgroup = require "ringgroup"
    local members = { "user:1001", "user:1002", "user:1003" }
    return { on_call = function(call)
      local how, name = call.number:match("^(%D+)(%d*)$")
      local r = ringgroup.ring(call, members, {
        how = how, name = name, ring = 10, rounds = name == "2" and 2 or 1, prefix = name == "3" and "Sales: ",
        fallback = name == "4" and "user:1009" or name == "5" and function(c, result) c:play("goodbye") return result end,
      })
      call.vars.state = r.state
    end }
  ]] }
end)

local function registered()
  for _, user in ipairs { "1001", "1002", "1003" } do
    sim.register(user)
  end
end

it("rings all at once, and whoever answers has the call", function()
  registered()
  local c = sim.call { to = "ring-all" }
  local alice, bob = c:dials("user:1001"), c:dials("user:1002")
  c:dials("user:1003")
  alice:fails("busy")
  bob:answers { after = 2 }
  c:runs(10):hangup()
  expect(c.cdr.vars.state):is("answered")
end)

it("rings one after the other", function()
  registered()
  local c = sim.call { to = "one-by-one" }
  c:dials("user:1001"):fails("busy")
  c:dials("user:1002"):fails("noanswer")
  c:dials("user:1003"):answers()
  c:runs(5):hangup()
end)

it("begins with the next each time", function()
  registered()
  local first = sim.call { to = "round-robin" }
  first:dials("user:1001"):answers()
  first:hangup()
  local second = sim.call { to = "round-robin" }
  second:dials("user:1002"):fails("busy")
  second:dials("user:1003"):answers()
  second:hangup()
end)

it("goes through them again", function()
  registered()
  local c = sim.call { to = "one-by-one2" }
  for _ = 1, 2 do
    c:dials("user:1001"):fails("busy")
    c:dials("user:1002"):fails("busy")
    c:dials("user:1003"):fails("busy")
  end
  c:ends(486)
  expect(c.cdr.vars.state):is("busy")
end)

it("rings all of them in any order", function()
  local c = sim.call { to = "random" }
  c:ends(480)
  expect(c.cdr.vars.state):is("failed") -- nobody is registered
end)

it("falls back to a target, or to a function", function()
  local c = sim.call { to = "ring-all4" }
  c:dials("user:1009"):answers()
  c:hangup()
  c = sim.call { to = "ring-all5" }
  c:hears("goodbye"):ends()
end)

it("ends when the caller gives up", function()
  local c = sim.call { to = "ring-all5" }
  c:dials("user:1001")
  c:hangup()
  expect(c.cdr.state):is("cancelled")
  expect(c.cdr.vars.state):is("cancelled")
end)

it("knows no other way", function()
  local c = sim.call { to = "all" }
  expect(c.code):is(500)
  expect(c.cdr.script_error):contains("ringgroup: how is one of")
end)
