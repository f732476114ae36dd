-- lib/voicemail.lua.

before_each(function()
  sim.scripts { ["50-main.lua"] = [[
    local voicemail = require "voicemail"
    return { on_call = function(call)
      local kind, box = call.number:match("^(%d)(%d*)$")
      if kind == "1" then
        local message, why = voicemail.leave(call, box, { messages = 2, max = 10 })
        call.vars.left = message and "yes" or why
      elseif kind == "2" then
        voicemail.leave(call, box, { review = true })
      elseif kind == "3" then
        local _, why = voicemail.check(call, box ~= "" and box or nil, { pins = { ["1001"] = "4711" } })
        call.vars.why = why
      elseif kind == "4" then
        voicemail.check(call, box, { ask = true })
      elseif kind == "5" then
        call.vars.new, call.vars.heard = voicemail.count(box)
      elseif kind == "6" then
        voicemail.leave(call, "../" .. box)
      elseif kind == "7" then
        call:play("the-time-is")
      end
    end }
  ]] }
end)

-- A call that leaves a message for 1001.
local function message(from)
  local c = sim.call { to = "11001", from = from or "1234" }
  c:hears("vm-unavailable"):runs(7):press("#"):hears("vm-sent"):ends()
  return c
end

local function count(new, heard)
  local c = sim.call { to = "51001" }
  c:ends()
  expect(c.cdr.vars):is { new = new, heard = heard }
end

describe("leaving a message", function()
  it("keeps it", function()
    count(0, 0)
    expect(message().cdr.vars.left):is("yes")
    count(1, 0)
  end)

  it("keeps what was said before a hangup", function()
    local c = sim.call { to = "11001" }
    c:hears("vm-unavailable"):runs(7):hangup()
    expect(c.cdr.vars.left):is("yes")
    expect(c.cdr.recording):is("") -- stays when the record is removed
    count(1, 0)
  end)

  it("keeps nothing when nothing was said", function()
    local c = sim.call { to = "11001" }
    c:hears("vm-unavailable"):hangup()
    expect(c.cdr.vars.left):is("empty")
    count(0, 0)
  end)

  it("keeps no silence", function()
    sim.call { to = "11001" }:hears("vm-unavailable"):hears("vm-too-short"):ends()
    count(0, 0)
  end)

  it("says that it was too short", function()
    sim.call { to = "11001" }:hears("vm-unavailable"):press(",,,,#"):hears("vm-too-short"):ends()
    count(0, 0)
  end)

  it("is not possible when the mailbox is full", function()
    message()
    message()
    local c = sim.call { to = "11001" }
    c:hears("vm-full"):ends()
    expect(c.cdr.vars.left):is("full")
    count(2, 0)
  end)

  it("can be reviewed", function()
    local c = sim.call { to = "21001" }
    c:hears("vm-unavailable"):runs(7):press("#"):hears("vm-review"):press("2"):hears("vm-review"):press("3"):runs(3):press("#")
    c:hears("vm-review"):press("1"):hears("vm-sent"):ends()
    count(1, 0)
  end)

  it("leads nowhere else", function()
    local c = sim.call { to = "61001" }
    expect(c.code):is(500)
    expect(c.cdr.script_error):contains("is no name of a mailbox")
  end)
end)

describe("listening", function()
  it("tells that there is nothing", function()
    sim.call { to = "31001", user = "1001" }:hears("vm-no-messages"):hears("vm-main"):press("1"):hears("vm-no-more"):press("*"):hears("goodbye"):ends()
  end)

  it("repeats, saves and deletes", function()
    message("1234")
    message("5678")
    local c = sim.call { to = "31001", user = "1001" }
    c:hears("vm-you-have"):hears("number-2"):hears("vm-new-messages"):press("1")
    c:hears("vm-received"):hears("vm-from"):hears("number-1"):hears("vm-after"):press("1"):hears("vm-after"):press("2"):hears("vm-saved")
    c:hears("number-5"):hears("vm-after"):press("3"):hears("vm-deleted"):hears("vm-no-more")
    c:hears("vm-you-have"):hears("number-1"):hears("vm-old-message"):hears("vm-main"):press("*"):hears("goodbye"):ends()
    count(0, 1)
  end)

  it("tells the day of an older message", function()
    message()
    sim.pass(24 * 3600)
    sim.call { to = "31001", user = "1001" }:press("1"):hears("vm-received"):hears("month-1"):hears("time-at"):hangup()
  end)

  it("goes on to the next, and counts what was heard", function()
    message()
    message()
    sim.call { to = "31001", user = "1001" }:hears("vm-main"):press("1"):hears("vm-received"):press("#"):hears("vm-received"):hangup()
    count(1, 1)
  end)

  it("goes back to the menu, and complains about other keys", function()
    message()
    sim.call { to = "31001", user = "1001" }:hears("vm-main"):press("1"):hears("vm-received"):press("7"):hears("invalid"):press("*"):hears("vm-main"):hangup()
    count(1, 0)
  end)

  it("calls back from the user's own phone", function()
    message("7000")
    local c = sim.call { to = "31001", user = "1001" }
    c:hears("vm-main"):press("1"):hears("vm-received"):press("4"):hears("the-time-is"):hangup()
  end)

  it("leaves after a while without a key", function()
    sim.call { to = "31001", user = "1001" }:hears("vm-main"):hears("vm-main"):hears("goodbye"):ends()
  end)
end)

describe("the PIN", function()
  it("is asked for elsewhere", function()
    sim.call { to = "31001" }:hears("pin-enter"):press("4711#"):hears("vm-no-messages"):hangup()
    sim.call { to = "31001", user = "1002" }:hears("pin-enter"):press("4711#"):hears("vm-no-messages"):hangup()
  end)

  it("may be wrong three times in a call", function()
    local c = sim.call { to = "31001" }
    c:hears("pin-enter"):press("1#"):hears("pin-wrong"):hears("pin-enter"):press("2#"):hears("pin-wrong"):press("3#"):hears("pin-wrong"):ends()
    expect(c.cdr.vars.why):is("wrong pin")
  end)

  it("locks after six wrong ones, also for the right one, for half an hour", function()
    for _ = 1, 2 do
      sim.call { to = "31001", user = "1002" }:hears("pin-enter"):press("1#"):hears("pin-wrong"):press("2#"):hears("pin-wrong"):press("3#"):hears("pin-wrong"):ends()
    end
    local c = sim.call { to = "31001", user = "1002" }
    c:hears("pin-locked"):ends()
    expect(c.cdr.vars.why):is("locked")
    sim.call { to = "31001", user = "1003" }:hears("pin-enter"):press("4711#"):hears("vm-no-messages"):hangup()
    sim.pass(1800)
    sim.call { to = "31001", user = "1002" }:hears("pin-enter"):press("4711#"):hears("vm-no-messages"):hangup()
  end)

  it("does not open a mailbox without one", function()
    local c = sim.call { to = "31002" }
    c:hears("vm-no-access"):ends()
    expect(c.cdr.vars.why):is("no pin")
  end)

  it("is chosen by the user", function()
    local c = sim.call { to = "31002", user = "1002" }
    c:hears("vm-main"):press("2"):hears("vm-options"):press("4"):hears("vm-new-pin"):press("9876#"):hears("vm-pin-again"):press("9876#"):hears("vm-pin-changed"):hangup()
    sim.call { to = "31002" }:hears("pin-enter"):press("9876#"):hears("vm-no-messages"):hangup()
  end)

  it("stays when the second is another", function()
    local c = sim.call { to = "31001", user = "1001" }
    c:hears("vm-main"):press("2"):hears("vm-options"):press("4"):hears("vm-new-pin"):press("9876#"):hears("vm-pin-again"):press("9875#"):hears("vm-pin-kept"):hangup()
    sim.call { to = "31001" }:hears("pin-enter"):press("4711#"):hears("vm-no-messages"):hangup()
  end)

  it("is asked for on the own phone if so set", function()
    sim.settings { voicemail = { pins = { ["1001"] = "1" } } }
    sim.call { to = "41001", user = "1001" }:hears("pin-enter"):press("1#"):hears("vm-no-messages"):hangup()
    sim.call { to = "41002", user = "1002" }:hears("vm-no-messages"):hangup() -- there is none yet
  end)

  it("follows the number of the mailbox", function()
    sim.call { to = "3" }:hears("vm-mailbox"):press("1001#"):hears("pin-enter"):press("4711#"):hears("vm-no-messages"):hangup()
    local c = sim.call { to = "3" }
    c:hears("vm-mailbox"):ends()
    expect(c.cdr.vars.why):is("no mailbox")
  end)
end)

it("plays the user's own greeting", function()
  local c = sim.call { to = "31001", user = "1001" }
  c:hears("vm-main"):press("2"):hears("vm-options"):press("1"):hears("vm-record-greeting"):runs(6):press("#"):hears("vm-greeting-kept")
  c:hears("vm-options"):press("2"):runs(2):press("*"):hears("vm-main"):hangup()
  c = sim.call { to = "11001" }
  c:runs(8):press("#"):hears("vm-sent"):ends()
  sim.call { to = "31001", user = "1001" }:hears("vm-main"):press("2"):hears("vm-options"):press("3"):hears("vm-greeting-standard"):hangup()
  sim.call { to = "11001" }:hears("vm-unavailable"):hangup()
end)

describe("a webhook", function()
  it("is told of messages", function()
    sim.settings { voicemail = { webhook = "https://example.com/vm" } }
    local asked = sim.http("POST", "https://example.com/vm", { status = 204 })
    message()
    expect(asked()[1].body):contains('"mailbox":"1001"'):contains('"from":"1234"')
  end)

  it("that fails loses nothing", function()
    sim.settings { voicemail = { webhook = "https://example.com/vm" } }
    sim.http("POST", "https://example.com/vm", { status = 500 })
    expect(message().cdr.vars.left):is("yes")
    count(1, 0)
  end)
end)

describe("mail", function()
  before_each(function() sim.settings { voicemail = { mail = { ["1001"] = "alice@example.com" }, zone = "Europe/London" } } end)

  it("brings the message", function()
    message()
    local sent = sim.mail()[1]
    expect(sent.to[1]):is("alice@example.com")
    expect(sent.subject):contains("Message from 1234, Monday  5 January 12:00, ")
    expect(sent.attachments[1].name):contains(".wav")
    count(1, 0)
  end)

  it("may be all that is kept of it", function()
    sim.settings { voicemail = { mail = { ["1001"] = "alice@example.com" }, remove = true, attach = false } }
    message()
    expect(#sim.mail()):is(1)
    count(0, 0)
  end)

  it("that fails loses nothing", function()
    sim.settings { voicemail = { mail = { ["1001"] = "alice@example.com" }, remove = true } }
    sim.mail { fails = "552 full" }
    message()
    expect(#sim.mail()):is(0)
    count(1, 0)
  end)
end)
