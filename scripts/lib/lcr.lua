--- Least-cost routing: numbers are brought into one form, the cheapest trunk is tried first, and
--- the next when that cannot. Rates are CSV files below the scripts folder, one for each carrier.
local options = require "options"

local lcr = {}

local usual = {
  rules = {},      -- { { "^00", "+" }, { "^0", "+44" } }: RE2 and what replaces it; the first that fits
  carriers = {},   -- { { trunk = "alpha", rates = "alpha.csv", rules = { … } }, … }
  most = false,    -- the highest rate that is paid
  ring = 60,
  from = false,    -- the number that is shown
  max = false,     -- seconds
}

--- Rewrites a number by the first rule that fits.
---@param number string
---@param rules table[] { { "^00", "+" }, … }
---@return string
function lcr.translate(number, rules)
  for _, rule in ipairs(rules) do
    if re.find(number, rule[1]) then
      return re.replace(number, rule[1], rule[2])
    end
  end
  return number
end

-- What a carrier asks for a number, by the longest prefix; nil when it has no rate for it.
local function rateOf(carrier, number)
  local row, why = csv.prefix(carrier.rates, "prefix", number)
  if not row and why == "not found" and number:sub(1, 1) == "+" then
    row, why = csv.prefix(carrier.rates, "prefix", number:sub(2)) -- most lists leave out the +
  end
  if not row then
    if why ~= "not found" then
      log.warn("lcr: rates cannot be read", { trunk = carrier.trunk, why = why })
    end
    return nil
  end
  return tonumber(row.rate)
end

--- The ways to a number, the cheapest first; those of one rate in the order of the carriers.
---@param number string as dialled
---@param given table? rules, carriers, most
---@return table[] routes trunk, rate, target
function lcr.routes(number, given)
  local o = options.read("lcr", given, usual)
  number = lcr.translate(number, o.rules)
  local routes = {}
  for i, carrier in ipairs(o.carriers) do
    local rate = rateOf(carrier, number)
    if rate and (not o.most or rate <= o.most) then
      local sent = lcr.translate(number, carrier.rules or {})
      routes[#routes + 1] = { trunk = carrier.trunk, rate = rate, target = "trunk:" .. carrier.trunk .. "/" .. sent, order = i }
    end
  end
  table.sort(routes, function(a, b)
    if a.rate ~= b.rate then
      return a.rate < b.rate
    end
    return a.order < b.order
  end)
  return routes
end

-- Whether another carrier could do better: not when the number is busy, does not answer or declines.
local function another(result)
  return result.state == "failed" and result.code ~= 403 and result.code < 600
end

--- Dials a number by the cheapest way that works. What it cost a minute and by whom is in call.vars.lcr.
---@param call Call
---@param number string as dialled
---@param given table? rules, carriers, most, ring, from, max
---@return BridgeResult? result nil when nobody has a rate for it
---@return string? why "no route"
function lcr.bridge(call, number, given)
  local o, result = options.read("lcr", given, usual), nil
  for _, route in ipairs(lcr.routes(number, given)) do
    result = call:bridge(route.target, { timeout = o.ring, from = o.from or nil, max = o.max or nil })
    call.vars.lcr = { trunk = route.trunk, rate = route.rate }
    if not another(result) or call.state == "ended" then
      return result
    end
    log.info("lcr: the next carrier", { trunk = route.trunk, code = result.code })
  end
  return result, not result and "no route" or nil
end

return lcr
