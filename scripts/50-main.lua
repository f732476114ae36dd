-- What happens to a call. Change this file and save it: the next call goes by the new one,
-- calls in progress finish on the old one. A mistake changes nothing and shows in the log.
--
--   1xxx   the phone that is registered as that user
--   600    hear yourself
--   700    a menu

local outcome = require "outcome"

-- 1000 to 1999: ring the user's phones for 25 seconds. If nobody can be reached, say why.
local function ring_user(call)
  local result = call:bridge("user:" .. call.number, { timeout = 25 })
  outcome.tell(call, result)
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

return {
  on_call = function(call)
    if call.number:match("^1%d%d%d$") then
      return ring_user(call)
    elseif call.number == "600" then
      return echo(call)
    elseif call.number == "700" then
      return main_menu(call)
    end
    -- Not ours: the next script may take the call. If none does, the caller gets 404.
  end,
}
