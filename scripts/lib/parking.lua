--- Parking: callers wait in numbered slots until somebody dials the slot.
local options = require "options"

local lot = {}

local usual = {
  first = 701, last = 720,
  music = "tone:425/200,0/4800",
  timeout = 120, -- seconds in the slot; then the call goes back
  back = false,  -- whom to: target or function(call, result); by default whoever transferred the call here
  prompts = { slot = "parked-in", full = "parking-full", empty = "parking-empty" },
}

-- The user whose phone has sent the caller here.
local function parker(call)
  local user = (call:header("Referred-By") or ""):match("sips?:([^@;>]+)@")
  return user and "user:" .. user
end

-- Waits in a slot, and goes back when the time is over; nil, "taken" if somebody is there.
local function wait(call, slot, o)
  local result, why = call:park(tostring(slot), { music = o.music, timeout = o.timeout })
  if not result or result.why ~= "timeout" then
    return result, why
  end
  local back = o.back or parker(call)
  if type(back) == "function" then
    back(call, result)
  elseif back then
    call:bridge(back, { display = "Parked " .. slot })
  end
  return result
end

local function free(slot)
  for _, parked in ipairs(parking.list()) do
    if parked.slot == tostring(slot) then
      return false
    end
  end
  return true
end

--- Says which slot is free and parks the caller there: for the number that phones transfer to.
---@param call Call
---@param given table? first, last, music, timeout, back, prompts
---@return ParkResult? result when the caller has left the slot; or nil
---@return string? why "full" or "hangup"
function lot.park(call, given)
  local o = options.read("parking", given, usual)
  for slot = o.first, o.last do
    if free(slot) then
      call:play(o.prompts.slot)
      call:say(slot, { as = "digits" })
      local result, why = wait(call, slot, o)
      if why ~= "taken" then -- by somebody who was faster
        return result, why
      end
    end
  end
  call:play(o.prompts.full)
  return nil, "full"
end

--- Takes up whoever is parked in the slot, or parks the caller there: for the numbers of the
--- slots, and keys of phones that have their lamp.
---@param call Call
---@param slot string|integer
---@param given table? as of park
---@return ParkResult|BridgeResult result
function lot.slot(call, slot, given)
  local o = options.read("parking", given, usual)
  if free(slot) and call:header("Referred-By") then
    local result, why = wait(call, slot, o)
    if why ~= "taken" then
      return result
    end
  end
  local result = call:bridge("park:" .. slot)
  if result.code == 404 then
    call:play(o.prompts.empty)
  end
  return result
end

return lot
