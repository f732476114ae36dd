-- What happens to a call. Change this file and save it: the next call goes by the new one,
-- calls in progress finish on the old one. A mistake changes nothing and shows in the log.
--
--   1xxx   the phone that is registered as that user
--   600    hear yourself
--   700    a menu
--
-- With settings in [scripts.settings] of the configuration, also:
--   trunk = "carrier"                      users dial numbers of 6 digits or more over that trunk
--   voicemail = {}                         who is not reached gets messages; *97 listens (docs/apps/voicemail.md)
--   inbound = { "+442079460000" = "1001" } calls to that number from a trunk go to 1001
-- What may be dialled over trunks is for 10-guard.lua to say.

local outcome = require "outcome"
local voicemail = require "voicemail"

-- 1000 to 1999: ring the user's phones for 25 seconds. If nobody can be reached, take a
-- message or say why.
local function ring_user(call)
  local result = call:bridge("user:" .. call.number, { timeout = 25 })
  local reached = result.state == "answered" or call.state == "ended"
  if not reached and config.get("voicemail") and registrar.known(call.number) then
    voicemail.leave(call, call.number)
  else
    outcome.tell(call, result)
  end
end

-- 600: everything you say comes back.
local function echo(call)
  call:answer()
  call:play("echo-test")
  call:echo()
end

local function tell_time(call)
  call:play("the-time-is")
  call:say(time.now(), { as = "time" })
  return "repeat" -- play the menu again
end

local function record_and_play(call)
  call:play("record-after-beep")
  local message, reason = call:record("tests/" .. call.id, { max = 30 })
  if not message then
    log.warn("not recorded", { reason = reason })
  elseif message.seconds < 0.5 then
    call:play("nothing-recorded")
  else
    call:play({ "you-said", message.path })
  end
  return "repeat"
end

local function ring_1001(call)
  call:play("one-moment")
  local result = call:bridge("user:1001", { timeout = 25 })
  if result.state == "answered" then
    return -- they have talked; the call ends
  end
  call:play(outcome.prompt(result))
  return "repeat"
end

-- 700: a menu.
local function main_menu(call)
  call:menu {
    prompt = "main-menu",
    invalid = "invalid",
    tries = 2,
    timeout = 3,
    ["1"] = tell_time,
    ["2"] = record_and_play,
    ["3"] = ring_1001,
    ["0"] = function() end, -- leave
  }
  call:play("goodbye")
end

local emergency = { ["112"] = true, ["911"] = true, ["999"] = true }

-- The target outside that was dialled, or nil. Who comes in by a trunk does not go out by one.
local function outside(call)
  local trunk = config.get("trunk")
  if not trunk or call.trunk then
    return nil
  elseif emergency[call.number] or call.number:match("^%+?%d%d%d%d%d%d+$") and (call.user or config.get("guard.trusted")) then
    return "trunk:" .. trunk .. "/" .. call.number
  end
end

return {
  on_load = function()
    if config.get("voicemail") then
      voicemail.restore()
    end
  end,

  on_call = function(call)
    local inbound = call.trunk and config.get("inbound")
    if inbound and inbound[call.number] then
      call:route(inbound[call.number])
      return
    end
    if call.number:match("^1%d%d%d$") then
      return ring_user(call)
    elseif call.number == "600" then
      return echo(call)
    elseif call.number == "700" then
      return main_menu(call)
    elseif config.get("voicemail") and call.number == "*97" then
      return voicemail.check(call, call.user) -- on a phone of one's own; others say whose
    elseif config.get("voicemail") and call.number == "*98" then
      return voicemail.check(call)
    end
    local target = outside(call)
    if target then
      return outcome.tell(call, call:bridge(target, { timeout = 60 }))
    end
    -- Not ours: the next script may take the call. If none does, the caller gets 404.
  end,
}
