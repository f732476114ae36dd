--- DISA: who calls from outside and knows a PIN gets a dial tone and dials on, at our cost. So
--- it has limits: tries, destinations, seconds and calls.
local options = require "options"
local pin = require "pin"

local disa = {}

local usual = {
  pins = {},       -- ["839201"] = "alice": each has a PIN of their own; six digits or more
  trunk = false,   -- what is dialled goes there
  dial = false,    -- or to function(call, number, who), which returns a target or a bridge's table
  allow = {},      -- the beginnings of numbers that may be dialled: { "+44", "020" }; nothing without
  max = 3600,      -- seconds of one call
  calls = 3,       -- one after the other: when the other side has hung up
  from = false,    -- the number that is shown; the caller's own would look forged
  tries = 3, limit = 6, everybody = 30, lock = 3600, -- as of pin.ask
  prompts = { pin = "pin-enter", wrong = "pin-wrong", locked = "pin-locked", tone = "tone:350+440/10000", refused = "call-failed", goodbye = "goodbye" },
}

local shortest = 6 -- digits of a PIN

local function allowed(number, o)
  for _, prefix in ipairs(o.allow) do
    if number:sub(1, #prefix) == prefix then
      return true
    end
  end
  return false
end

local function connect(call, number, who, o)
  local to = o.dial and o.dial(call, number, who) or o.trunk and "trunk:" .. o.trunk .. "/" .. number
  if type(to) == "string" then
    to = call:bridge(to, { max = o.max, from = o.from or nil, timeout = 60 })
  end
  return to
end

--- Serves a call from outside.
---@param call Call
---@param given table? pins, trunk, dial, allow, max, calls, from, tries, limit, everybody, lock, prompts
---@return integer? calls that were made; or nil
---@return string? why "wrong pin", "locked", "timeout" or "hangup"
function disa.enter(call, given)
  local o = options.read("disa", given, usual)
  for secret in pairs(o.pins) do
    if #secret < shortest then
      error("disa: a PIN has " .. shortest .. " digits or more", 2)
    end
  end
  local entered, why = pin.ask(call, "disa", o.pins, {
    tries = o.tries, limit = o.limit, everybody = o.everybody, lock = o.lock,
    prompt = o.prompts.pin, wrong = o.prompts.wrong, locked = o.prompts.locked,
  })
  if not entered then
    return nil, why
  end
  local who, made = o.pins[entered], 0
  call.vars.disa = who
  for _ = 1, o.calls do
    local number = call:gather { prompt = o.prompts.tone, max = 20, pattern = "[0-9]+", timeout = 10, digit_timeout = 4 }
    if not number or call.state == "ended" then
      break
    end
    if not allowed(number, o) then
      log.warn("disa: not allowed", { number = number, who = who, source = pin.source(call) })
      call:play(o.prompts.refused)
    else
      made = made + 1
      local result = connect(call, number, who, o)
      if call.state ~= "ended" and (not result or result.state ~= "answered") then
        call:play(o.prompts.refused)
      end
    end
  end
  call:play(o.prompts.goodbye)
  return made
end

return disa
