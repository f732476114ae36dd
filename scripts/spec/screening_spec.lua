-- lib/screening.lua.

before_each(function()
  sim.scripts { ["50-main.lua"] = [[
    local screening = require "screening"
    return { on_call = function(call)
      if call.number == "1" then
        local r, choice = screening.bridge(call, "user:1001", { ring = 20 })
        call.vars.state, call.vars.choice = r.state, choice
      elseif call.number == "2" then
        call:bridge("user:1001", { on_answer = screening.whisper("the-time-is") })
      elseif call.number == "3" then
        call.vars.state = call:bridge({ "user:1001", "user:1002" }, { timeout = 20, on_answer = screening.confirm() }).state
      end
    end }
  ]] }
end)

local function asked(c)
  c:hears("screen-name"):press(",,,,,#"):hears("one-moment")
  return c
end

it("tells who is calling, and joins the two on 1", function()
  local c = asked(sim.call { to = "1" })
  local far = c:dials("user:1001"):answers()
  far:hears("screen-from"):hears("screen-choose"):press("1")
  c:runs(5):hangup()
  expect(c.cdr.vars):is { state = "answered", choice = "taken" }
end)

it("tells that the call is to go to voicemail", function()
  local c = asked(sim.call { to = "1" })
  c:dials("user:1001"):answers():hears("screen-choose"):press("2"):hears("goodbye")
  c:ends()
  expect(c.cdr.vars.choice):is("voicemail")
end)

it("tells that the call is refused", function()
  local c = asked(sim.call { to = "1" })
  c:dials("user:1001"):answers():hears("screen-choose"):press("9"):hears("invalid"):press("3"):hears("goodbye")
  c:ends()
  expect(c.cdr.vars.choice):is("refused")
end)

it("tells that nobody answers", function()
  local c = asked(sim.call { to = "1" })
  c:dials("user:1001"):fails("noanswer")
  c:ends()
  expect(c.cdr.vars):is { state = "noanswer" }
end)

it("names our own users by their number", function()
  local c = sim.call { to = "1", user = "1002" }
  c:dials("user:1001"):answers():hears("screen-from"):hears("number-1"):hears("screen-choose"):press("1")
  c:runs(5):hangup()
end)

it("ends with a caller who hangs up instead of a name", function()
  local c = sim.call { to = "1" }
  c:hears("screen-name"):hangup()
  expect(c.cdr.script_error):is("")
end)

it("whispers to who answers before the two are joined", function()
  local c = sim.call { to = "2" }
  c:dials("user:1001"):answers():hears("the-time-is")
  c:runs(5):hangup()
end)

it("gives the call to who presses 1, not to an answering machine", function()
  sim.register("1002")
  local c = sim.call { to = "3" }
  c:dials("user:1001"):answers() -- and says nothing
  c:dials("user:1002"):answers { after = 1 }:hears("follow-confirm"):press("1")
  c:runs(5):hangup()
  expect(c.cdr.vars.state):is("answered")
end)
