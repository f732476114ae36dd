-- lib/disa.lua.

before_each(function()
  sim.scripts { ["50-main.lua"] = [[
    local disa = require "disa"
    return { on_call = function(call)
      local given = { pins = { ["839201"] = "alice", ["550817"] = "bob" }, trunk = "carrier", allow = { "0044", "020" }, max = 60, calls = 2, from = "+442079460000" }
      if call.number == "2" then
        given.dial = function(_, number, who) return "user:" .. who .. number end
      elseif call.number == "3" then
        given.pins = { ["1234"] = "weak" }
      end
      local made, why = disa.enter(call, given)
      call.vars.made, call.vars.why = made, why
    end }
  ]] }
end)

local function enters(from, to)
  local c = sim.call { to = to or "1", from = from or "+4930123456", trunk = "carrier" }
  return c:hears("pin-enter")
end

it("dials on for who knows a PIN", function()
  local c = enters()
  c:press("839201#"):hears("tone:350+440/10000"):press("00442079461111#")
  local far = c:dials("trunk:carrier/00442079461111"):answers()
  c:runs(10)
  far:hangup()
  c:hears("tone:350+440/10000"):hangup()
  expect(c.cdr.vars):is { disa = "alice", made = 1 }
end)

it("ends a call after its seconds", function()
  local c = enters()
  c:press("839201#"):runs(1):press("00442079461111#")
  c:dials("trunk:carrier/00442079461111"):answers()
  c:runs(58):hears("tone:350+440/10000"):hangup()
end)

it("dials only what is allowed", function()
  local c = enters()
  c:press("839201#"):runs(1):press("0900123456#"):hears("call-failed"):runs(2):press("00900#"):hears("call-failed"):hears("goodbye"):ends()
  expect(c.cdr.vars.made):is(0)
end)

it("tells that a call has failed, and takes another number", function()
  local c = enters()
  c:press("839201#"):runs(1):press("00442079461111#")
  c:dials("trunk:carrier/00442079461111"):fails("declined")
  c:hears("call-failed"):hears("tone:350+440/10000"):hangup()
end)

it("may lead elsewhere", function()
  local c = enters(nil, "2")
  c:press("550817#"):runs(1):press("0201#")
  c:dials("user:bob0201"):answers()
  c:runs(5):hangup()
end)

it("leaves without a number", function()
  local c = enters()
  c:press("839201#"):runs(5):hears("goodbye"):ends()
  expect(c.cdr.vars.made):is(0)
end)

describe("the PIN", function()
  local function wrong(from)
    local c = enters(from)
    c:press("111111#"):hears("pin-wrong"):press("222222#"):hears("pin-wrong"):press("333333#"):hears("pin-wrong"):ends()
    expect(c.cdr.vars.why):is("wrong pin")
  end

  it("may be wrong three times in a call and six times for a caller", function()
    wrong()
    wrong()
    local c = sim.call { to = "1", from = "+4930123456", trunk = "carrier" }
    c:hears("pin-locked"):ends()
    expect(c.cdr.vars.why):is("locked")
    enters("+4930999999"):hangup()
    sim.pass(3600)
    enters():press("839201#"):hears("tone:350+440/10000"):hangup()
  end)

  it("may be wrong thirty times for all callers together", function()
    for i = 1, 10 do
      wrong("+493012345" .. i)
    end
    local c = sim.call { to = "1", from = "+4930999999", trunk = "carrier" }
    c:hears("pin-locked"):ends()
  end)

  it("may not be short", function()
    local c = sim.call { to = "3", from = "+4930123456", trunk = "carrier" }
    expect(c.code):is(500)
    expect(c.cdr.script_error):contains("a PIN has 6 digits or more")
  end)

  it("is not asked for ever", function()
    local c = enters()
    c:ends()
    expect(c.cdr.vars.why):is("timeout")
  end)
end)
