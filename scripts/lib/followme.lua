--- Follow-me: a user is looked for in one place after the other, desk, mobile, home.
local options = require "options"
local screening = require "screening"

local followme = {}

local usual = {
  ring = 15,        -- seconds for a step that does not say
  confirm = true,   -- who answers outside must press 1, so that a mobile's mailbox does not take the call
  announce = "one-moment", -- what the caller hears before the second step, false for nothing
  fallback = false, -- target or function(call, result) when nobody answers
  prompts = { confirm = "follow-confirm" },
}

-- Outside is everything but our own users and numbers.
local function isOutside(step)
  for _, target in ipairs(step) do
    if not target:match("^user:") and not target:match("^route:") then
      return true
    end
  end
  return false
end

--- Rings the steps one after the other until somebody takes the call. Each is a list of targets
--- that ring together, with ring (seconds) and confirm of its own if need be.
---@param call Call
---@param steps table[] { { "user:1001" }, { "trunk:carrier/+447700900123", ring = 20 } }
---@param given table? ring, confirm, announce, fallback, prompts
---@return any result as of call:bridge, or what the fallback returned
function followme.ring(call, steps, given)
  local o = options.read("followme", given, usual)
  local result
  for i, step in ipairs(steps) do
    local confirm = step.confirm
    if confirm == nil then
      confirm = o.confirm and isOutside(step)
    end
    if i == 2 and o.announce and call.state == "answered" then
      call:play(o.announce)
    end
    local targets = {}
    for n, target in ipairs(step) do
      targets[n] = target
    end
    result = call:bridge(targets, { timeout = step.ring or o.ring, on_answer = confirm and screening.confirm(o.prompts.confirm) or nil })
    if result.state == "answered" or call.state == "ended" then
      return result
    end
  end
  if type(o.fallback) == "function" then
    return o.fallback(call, result)
  end
  return o.fallback and call:bridge(o.fallback, { timeout = o.ring }) or result
end

return followme
