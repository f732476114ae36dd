--- An auto attendant: a greeting, a menu, extensions dialled straight away, and what callers
--- hear outside the opening hours and on holidays.
local options = require "options"
local outcome = require "outcome"

local attendant = {}

local usual = {
  name = "main",      -- of the night switch
  hours = false,      -- { "Mon-Fri 09:00-17:30" }; false is always open
  zone = false,       -- "Europe/London"; the server's own by default
  holidays = false,   -- { "12-25", "2026-04-03" }
  menu = {},          -- ["1"] = target or function(call, digits)
  extensions = false, -- RE2 of the numbers that callers may dial: "1[0-9]{3}"
  operator = false,   -- target or function for those who press nothing
  closed = false,     -- target or function after the announcement when closed
  tries = 3, timeout = 5, ring = 25,
  prompts = {
    welcome = "attendant-welcome", closed = "attendant-closed", invalid = "invalid", goodbye = "goodbye",
    night = "attendant-night", day = "attendant-day",
  },
}

local function night(name)
  return "attendant:" .. name .. ":night"
end

--- Tells whether the attendant is open: within the hours, no holiday, and not switched to night.
---@param given table? as in attendant.run
---@return boolean
function attendant.open(given)
  local o = options.read("attendant", given, usual)
  if shared.get(night(o.name)) then
    return false
  elseif not o.hours then
    return true
  end
  local hours = { zone = o.zone or nil, holidays = o.holidays or nil }
  for i, span in ipairs(o.hours) do
    hours[i] = span
  end
  return time.hours(hours)
end

--- Switches to night service, whatever the hours, or back, and tells the caller which it is.
---@param call Call
---@param given table? as in attendant.run
---@return boolean night
function attendant.switch(call, given)
  local o = options.read("attendant", given, usual)
  local on = shared.update(night(o.name), function(was)
    return not was or nil
  end, { persist = true })
  call:play(on and o.prompts.night or o.prompts.day)
  return on == true
end

-- Follows what the caller chose; "repeat" when the menu is to play again.
local function follow(call, to, digits, o)
  if type(to) == "function" then
    return to(call, digits)
  end
  local result = call:bridge(to, { timeout = o.ring })
  if result.state == "answered" or call.state == "ended" then
    return result
  end
  call:play(outcome.prompt(result))
  return "repeat"
end

local function longest(o)
  local n = o.extensions and 8 or 1
  for keys in pairs(o.menu) do
    n = math.max(n, #tostring(keys))
  end
  return n
end

-- What the keys lead to, or nil.
local function choice(o, digits)
  local to = o.menu[digits] or o.menu[tonumber(digits)]
  if not to and o.extensions and re.match(digits, "^(?:" .. o.extensions .. ")$") then
    to = "route:" .. digits
  end
  return to
end

--- Serves a call. Returns when the caller has been put through and that has ended, has left,
--- or has been told goodbye.
---@param call Call
---@param given table? hours, zone, holidays, menu, extensions, operator, closed, tries, timeout, ring, name, prompts
---@return any
function attendant.run(call, given)
  local o = options.read("attendant", given, usual)
  if not attendant.open(given) then
    call:play(o.prompts.closed)
    return o.closed and follow(call, o.closed, "", o)
  end
  local prompt, tries, result = o.prompts.welcome, 0, nil
  while tries < o.tries and call.state ~= "ended" do
    local digits, why = call:gather { prompt = prompt, max = longest(o), finish = "", timeout = o.timeout, digit_timeout = 2 }
    local to = digits and choice(o, digits) or not digits and why == "timeout" and o.operator
    prompt, tries = o.prompts.welcome, tries + 1
    if to then
      result = follow(call, to, digits or "", o)
      if result ~= "repeat" then
        return result
      end
    elseif digits then
      prompt = { o.prompts.invalid, o.prompts.welcome }
    end
  end
  if call.state ~= "ended" then
    call:play(o.prompts.goodbye)
  end
end

return attendant
