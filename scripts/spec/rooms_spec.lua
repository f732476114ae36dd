-- lib/rooms.lua.

before_each(function()
  sim.scripts { ["50-main.lua"] = [[
    local rooms = require "rooms"
    local list = { ["100"] = { pin = "1234", max = 2 }, ["200"] = { pin = "1234", host = "9876" }, ["300"] = {}, ["400"] = { host = "1" }, ["500"] = { pin = "1", host = "2", muted = true } }
    return { on_call = function(call)
      if call.number == "1" then
        local n = #conference.list("200")
        call.vars.members, call.vars.muted = n, n > 0 and conference.list("200")[1].muted
        call.vars.kept = shared.get("rooms:200") ~= nil
        return call:reject(486)
      end
      local result, why = rooms.enter(call, list, { room = call.number ~= "8" and call.number, name = call.number == "300" })
      call.vars.why, call.vars.by = why, result and result.by
    end }
  ]] }
end)

local function look()
  local c = sim.call { to = "1" }
  c:ends(486)
  return c.cdr.vars
end

it("asks for the room and its PIN", function()
  local c = sim.call { to = "8" }
  c:hears("rooms-number"):press("7#"):hears("rooms-unknown"):press("100#"):hears("conference-pin"):press("1234#"):hears("conference-alone"):runs(5):hangup()
  expect(c.cdr.vars.by):is("caller")
end)

it("knows no other rooms", function()
  local c = sim.call { to = "8" }
  c:hears("rooms-number"):press("7#"):hears("rooms-unknown"):press("8#"):hears("rooms-unknown"):press("9#"):ends()
  expect(c.cdr.vars.why):is("no room")
end)

it("refuses a wrong PIN after three tries", function()
  local c = sim.call { to = "100" }
  c:hears("conference-pin"):press("1#"):hears("conference-wrong-pin"):press("2#"):hears("conference-wrong-pin"):press("3#"):hears("conference-wrong-pin"):ends()
  expect(c.cdr.vars.why):is("wrong pin")
end)

it("is full for the third", function()
  local function enters()
    local c = sim.call { to = "100" }
    c:hears("conference-pin"):press("1234#")
    return c
  end
  local first, second = enters(), nil
  first:hears("conference-alone")
  second = enters()
  second:runs(3)
  local third = enters()
  third:hears("conference-full"):ends()
  expect(third.cdr.vars.why):is("full")
  first:hangup()
  second:hangup()
end)

it("records the name of who comes", function()
  local c = sim.call { to = "300" }
  c:hears("rooms-name"):runs(5):press("#"):hears("conference-alone"):hangup()
end)

describe("with a host", function()
  local function guest()
    local c = sim.call { to = "200" }
    c:hears("conference-pin"):press("1234#")
    return c
  end
  local function host()
    local c = sim.call { to = "200" }
    c:hears("conference-pin"):press("9876#")
    return c
  end

  it("lets guests wait until the host comes", function()
    local alice = guest()
    alice:hears("rooms-wait"):runs(5)
    expect(look()):is { members = 1, muted = true, kept = true }
    local bob = host()
    bob:runs(5)
    expect(look()):is { members = 2, muted = false, kept = true }
    bob:hangup()
    alice:hears("rooms-over"):ends()
    expect(alice.cdr.vars.by):is("script")
    expect(look()):is { members = 0, muted = false, kept = false }
  end)

  it("lets guests speak who come after the host", function()
    local bob = host()
    bob:runs(3)
    local alice = guest()
    alice:runs(5):hangup()
    bob:hangup()
    expect(look()):is { members = 0, muted = false, kept = false }
  end)

  it("forgets guests who do not wait", function()
    local alice = guest()
    alice:hears("rooms-wait"):hangup()
    expect(look()):is { members = 0, muted = false, kept = false }
  end)

  it("lets the host silence all others, and everybody themselves", function()
    local alice = guest()
    alice:hears("rooms-wait")
    local bob = host()
    bob:runs(3):press("*5"):runs(1)
    expect(look().muted):is(true)
    bob:press("*5"):runs(1)
    expect(look().muted):is(false)
    alice:press("*6"):runs(1)
    expect(look().muted):is(true)
    alice:press("*6"):runs(1)
    expect(look().muted):is(false)
    bob:hangup()
    alice:ends()
  end)

  it("needs a PIN for the guests", function()
    local c = sim.call { to = "400" }
    expect(c.code):is(500)
    expect(c.cdr.script_error):contains("needs a pin for the guests")
  end)
end)
