-- The toll-fraud guard: what may be dialled over trunks, by whom, when and how much. It is
-- asked about every target before a script dials it, and never about emergency numbers.
-- It is set in [scripts.settings.guard] of the configuration; see docs/guard.md. With nothing
-- set, users may dial whatever the scripts let them, and nobody else may dial a trunk.

local hour = 3600
local bucket = 300 -- seconds; an hour is counted in twelve parts
local most = 500   -- calls at once that are followed, for one caller

local text, number, flag, list, group = "string", "number", "boolean", "list", "table"

local keys = {
  trusted = flag, trunks = list, home = text, international = text, national = text,
  allow = list, deny = list, countries = list, closed = flag,
  calls = number, minutes = number, at_once = number, webhook = text, night = group, users = group,
}
local nightKeys = {
  hours = list, zone = text, allow = list, deny = list, countries = list, closed = flag,
  calls = number, minutes = number, at_once = number,
}
local userKeys = {
  allow = list, deny = list, countries = list, closed = flag, calls = number, minutes = number, at_once = number,
}

-- Settings with a mistake refuse the scripts, rather than guard nothing.
local function check(settings, known, where)
  for key, value in pairs(settings) do
    local want = known[key]
    if not want then
      error(where .. "." .. key .. ": there is no such setting", 0)
    elseif want ~= list and type(value) ~= want or want == list and type(value) ~= "table" then
      error(where .. "." .. key .. " must be a " .. want, 0)
    elseif want == number and value < 0 then
      error(where .. "." .. key .. " must not be negative", 0)
    end
  end
  for _, name in ipairs(settings.countries or {}) do
    if not require("countries").known(name) then
      error(where .. ".countries: " .. tostring(name) .. " is no country such as GB", 0)
    end
  end
end

local function checkAll()
  local guard = config.get("guard")
  if guard == nil then
    return
  elseif type(guard) ~= "table" then
    error("scripts.settings.guard must be a table", 0)
  end
  check(guard, keys, "guard")
  local byCountry = guard.countries
  if guard.night then
    check(guard.night, nightKeys, "guard.night")
    if not guard.night.hours then
      error("guard.night.hours is missing", 0)
    end
    byCountry = byCountry or guard.night.countries
  end
  for name, rules in pairs(guard.users or {}) do
    if type(rules) ~= "table" then
      error("guard.users." .. name .. " must be a table", 0)
    end
    check(rules, userKeys, "guard.users." .. name)
    byCountry = byCountry or rules.countries
  end
  if byCountry and not tostring(guard.home):match("^%d+$") then
    error("guard.home is missing: the code of the country whose national numbers are dialled, such as \"44\"", 0)
  end
end

local function isNight(night)
  local hours = { zone = night.zone }
  for i, span in ipairs(night.hours) do
    hours[i] = span
  end
  return time.hours(hours)
end

-- The rules for a caller: those of the night over those of the day, and a user's own over both.
local function rulesFor(guard, user)
  local rules = {}
  local function over(more)
    for key in pairs(userKeys) do
      if more[key] ~= nil then
        rules[key] = more[key]
      end
    end
  end
  over(guard)
  if guard.night and isNight(guard.night) then
    over(guard.night)
  end
  if user and guard.users and guard.users[user] then
    over(guard.users[user])
  end
  return rules
end

-- Who calls, as limits are counted; nil for those who may not dial trunks at all.
local function payer(call, guard)
  if call.user then
    return "user " .. call.user
  elseif call.trunk then
    for _, name in ipairs(guard.trunks or {}) do
      if name == call.trunk then
        return "trunk " .. call.trunk
      end
    end
  elseif guard.trusted then
    return "trusted"
  elseif call.source.transport == "api" or call.source.transport == "script" then
    return call.source.transport -- a call of our own, on behalf of no other
  end
end

-- A number in international form, such as +442079460000; nil for what is none.
local function international(dialled, guard)
  local digits = dialled:gsub("[%s%-%.%(%)]", "")
  local exit, national, home = guard.international or "00", guard.national or "0", guard.home
  if digits:sub(1, #exit) == exit and exit ~= "" then
    digits = "+" .. digits:sub(#exit + 1)
  elseif home and digits:match("^%d%d%d%d%d%d%d+$") then
    if national ~= "" and digits:sub(1, #national) == national then
      digits = digits:sub(#national + 1)
    end
    digits = "+" .. home .. digits
  end
  if home and national == "0" and digits:sub(1, #home + 2) == "+" .. home .. "0" then
    digits = "+" .. home .. digits:sub(#home + 3) -- +44 (0)20 …
  end
  return digits:match("^%+[1-9]%d+$")
end

local function beginsWithAny(dialled, prefixes)
  for _, prefix in ipairs(prefixes or {}) do
    if dialled:sub(1, #prefix) == prefix then
      return true
    end
  end
  return false
end

-- Why a number may not be called, or nil.
local function forbidden(dialled, rules, guard)
  if rules.closed then
    return "closed"
  elseif not (rules.allow or rules.countries or rules.deny) then
    return nil
  end
  local full = international(dialled, guard)
  if beginsWithAny(dialled, rules.deny) or full and beginsWithAny(full, rules.deny) then
    return "denied"
  elseif beginsWithAny(dialled, rules.allow) or full and beginsWithAny(full, rules.allow) then
    return nil
  elseif rules.countries and full then
    local country = require("countries").of(full)
    for _, name in ipairs(rules.countries) do
      if name == country then
        return nil
      end
    end
  end
  local exit = guard.international or "00"
  local odd = not full and (not dialled:match("^%d+$") or dialled:sub(1, #exit) == exit)
  if rules.allow or rules.countries or odd then
    return "not allowed"
  end
end

-- Adds up the parts of the last hour, and forgets older ones.
local function lastHour(parts, now)
  local sum, kept = 0, {}
  for part, n in pairs(parts or {}) do
    if tonumber(part) * bucket > now - hour then
      sum, kept[part] = sum + n, n
    end
  end
  return sum, kept
end

-- Counts a call, or says why it is one too many; and for how many seconds it may last.
local function take(who, rules, id)
  if not (rules.calls or rules.minutes or rules.at_once) then
    return nil
  end
  local why, left
  shared.update("guard:" .. who, function(state)
    state = state or {}
    local now = time.now()
    local part = tostring(math.floor(now / bucket))
    local calls, callParts = lastHour(state.calls, now)
    local seconds, secondParts = lastHour(state.seconds, now)
    local live, running = state.live or {}, 0
    for other, since in pairs(live) do
      if now - since > 24 * hour then
        live[other] = nil -- its end was missed
      elseif other ~= id then
        running = running + 1
        seconds = seconds + math.min(now - since, hour)
      end
    end
    why, left = nil, nil
    if rules.calls and calls >= rules.calls then
      why = "too many calls"
    elseif rules.at_once and running >= rules.at_once or running >= most then
      why = "too many calls at once"
    elseif rules.minutes and seconds >= rules.minutes * 60 then
      why = "too many minutes"
    else
      callParts[part] = (callParts[part] or 0) + 1
      live[id] = live[id] or now
      left = rules.minutes and rules.minutes * 60 - seconds
    end
    return { calls = callParts, seconds = secondParts, live = live }
  end)
  if not why then
    shared.set("guard:call:" .. id, who, { ttl = 24 * hour })
  end
  return why, left
end

-- Takes a finished call from those that run and counts how long it was.
local function give(who, id, seconds)
  shared.update("guard:" .. who, function(state)
    state = state or {}
    local now = time.now()
    local part = tostring(math.floor(now / bucket))
    local _, callParts = lastHour(state.calls, now)
    local _, secondParts = lastHour(state.seconds, now)
    secondParts[part] = (secondParts[part] or 0) + math.min(seconds, hour)
    local live = state.live or {}
    live[id] = nil
    return { calls = callParts, seconds = secondParts, live = live }
  end)
end

local function refuse(call, target, who, why)
  who = who or call.trunk and "trunk " .. call.trunk or "nobody"
  log.warn("refused by the guard", { target = target, who = who, why = why, source = call.source.ip })
  if shared.incr("guard:told:" .. who .. ":" .. why, 1) == 1 then
    shared.set("guard:told:" .. who .. ":" .. why, 1, { ttl = hour }) -- one notice an hour for each reason
    shared.set("guard:notice:" .. call.id, { who = who, why = why, target = target, source = call.source.ip }, { ttl = 24 * hour })
  end
  return false, 403, "Not Allowed: " .. why
end

-- What has been counted for this call already: a number may be tried over several trunks.
local counted = {}

return {
  on_load = checkAll,

  on_dial = function(call, target)
    local dialled = target:match("^trunk:[^/]*/(.*)$")
    if not dialled then
      return nil
    end
    local guard = config.get("guard") or {}
    local who = payer(call, guard)
    if not who then
      return refuse(call, target, nil, "who calls may not dial out")
    end
    local rules = rulesFor(guard, call.user)
    local why = forbidden(dialled, rules, guard)
    local left
    if not why and counted[dialled] == nil then
      why, left = take(who, rules, call.id)
      counted[dialled] = not why and (left or false) or nil
    end
    if why then
      return refuse(call, target, who, why)
    end
    left = counted[dialled]
    return left and { max = left } or nil
  end,

  on_hangup = function(cdr)
    local who = shared.get("guard:call:" .. cdr.id)
    if who then
      shared.delete("guard:call:" .. cdr.id)
      give(who, cdr.id, cdr.billable_ms / 1000)
    end
    local notice = shared.get("guard:notice:" .. cdr.id)
    if not notice then
      return
    end
    shared.delete("guard:notice:" .. cdr.id)
    local url = config.get("guard.webhook")
    if not url then
      return
    end
    notice.call, notice.at, notice.number = cdr.id, time.format(time.now(), "%Y-%m-%dT%H:%M:%SZ", "UTC"), cdr.to_user
    notice.text = ("Call to %s by %s refused: %s"):format(notice.target, notice.who, notice.why)
    local res, err = http.post(url, { json = notice, timeout = 4 })
    if not res or res.status >= 300 then
      log.warn("the guard's notice was not taken", { err = err or res.status })
    end
  end,
}
