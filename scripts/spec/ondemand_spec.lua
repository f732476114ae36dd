-- lib/ondemand.lua.

before_each(function()
  sim.scripts { ["50-main.lua"] = [[
    local ondemand = require "ondemand"
    return { on_call = function(call)
      local seen = {}
      ondemand.watch(call, {
        who = call.number == "2" and "caller" or "both", most = 2,
        prompts = call.number == "3" and { on = false, off = false } or nil,
        on_change = function(_, on, path) seen[#seen + 1] = (on and "on " or "off ") .. (path:match("ondemand/.*/.*%-(%d)%.wav") or path) end,
      })
      call:bridge("user:1001")
      call.vars.seen = table.concat(seen, ", ")
    end }
  ]] }
end)

local function talk(to)
  local c = sim.call { to = to or "1" }
  local far = c:dials("user:1001"):answers()
  c:runs(2)
  return c, far
end

it("begins and ends with *1", function()
  local c = talk()
  c:press("*1"):runs(5):press("*1"):runs(2):hangup()
  expect(c.cdr.vars.seen):is("on 1, off 1")
  expect(c.cdr.recording):contains("ondemand/2026-01-05/")
end)

it("is announced to both", function()
  local c, far = talk()
  far:press("*1")
  c:hears("record-on")
  far:hears("record-on")
  c:runs(2) -- until the prompt has ended
  far:says("one-moment")
  c:hears("one-moment"):press("*1"):hears("record-off")
  far:hears("record-off")
  c:hangup()
  expect(c.cdr.vars.seen):is("on 1, off 1")
end)

it("may be kept quiet", function()
  local c, far = talk("3")
  c:press("*1"):hears_nothing(4)
  far:says("one-moment")
  c:hears("one-moment"):hangup()
  expect(c.cdr.vars.seen):is("on 1")
end)

it("goes on until the end without a second", function()
  local c = talk()
  c:press("*1"):runs(5):hangup()
  expect(c.cdr.vars.seen):is("on 1")
  expect(c.cdr.recording):contains("-1.wav")
end)

it("makes another file each time, but not for ever", function()
  local c = talk()
  for _ = 1, 4 do
    c:press("*1"):runs(3)
  end
  c:press("*1"):runs(2):hangup()
  expect(c.cdr.vars.seen):is("on 1, off 1, on 2, off 2")
end)

it("takes no other keys, and none that come slowly", function()
  local c = talk()
  c:press("*2"):runs(1):press("1"):runs(1):press("*,,,1"):runs(5):hangup()
  expect(c.cdr.vars.seen):is("")
  expect(c.cdr.recording):is("")
end)

it("may be pressed by the other side", function()
  local c, far = talk()
  far:press("*1")
  c:runs(3):hangup()
  expect(c.cdr.vars.seen):is("on 1")
end)

it("may be kept to the caller", function()
  local c, far = talk("2")
  far:press("*1")
  c:runs(3):hangup()
  expect(c.cdr.vars.seen):is("")
end)
