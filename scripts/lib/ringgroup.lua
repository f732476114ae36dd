--- Ring groups: one number that rings many phones, all at once or one after the other.
local options = require "options"

local ringgroup = {}

local usual = {
  how = "ring-all",  -- or "one-by-one", "round-robin", "random"
  ring = 25,         -- seconds; for each member unless all ring at once
  rounds = 1,        -- through all members
  name = false,      -- of the group, for round-robin
  prefix = false,    -- put before the caller's name: "Sales: "
  ringback = false,  -- what the caller hears meanwhile
  on_answer = false, -- as of call:bridge: screening.confirm() for members who are outside
  fallback = false,  -- target or function(call, result) when nobody answers
}

-- The members in the order in which they ring.
local function ordered(members, o)
  local list, first = {}, 0
  if o.how == "round-robin" then
    first = shared.incr("ringgroup:" .. (o.name or table.concat(members, " "))) - 1
  end
  for i = 1, #members do
    list[i] = members[(first + i - 1) % #members + 1]
  end
  if o.how == "random" then
    for i = #list, 2, -1 do
      local j = math.random(i)
      list[i], list[j] = list[j], list[i]
    end
  end
  return list
end

local known = { ["ring-all"] = true, ["one-by-one"] = true, ["round-robin"] = true, random = true }

--- Rings the members until one answers, and returns when the two have talked or nobody would.
---@param call Call
---@param members string[] targets
---@param given table? how, ring, rounds, name, prefix, ringback, on_answer, fallback
---@return any result as of call:bridge, or what the fallback returned
function ringgroup.ring(call, members, given)
  local o = options.read("ringgroup", given, usual)
  if not known[o.how] then
    error("ringgroup: how is one of ring-all, one-by-one, round-robin, random", 2)
  end
  local list, result = ordered(members, o), nil
  local name = call.from.display ~= "" and call.from.display or call.from.user
  for _ = 1, o.rounds do
    result = call:bridge(list, {
      timeout = o.ring, strategy = o.how == "ring-all" and "parallel" or "serial",
      display = o.prefix and o.prefix .. name or nil,
      ringback = o.ringback or nil, on_answer = o.on_answer or nil,
    })
    if result.state == "answered" or call.state == "ended" then
      return result
    end
  end
  if type(o.fallback) == "function" then
    return o.fallback(call, result)
  end
  return o.fallback and call:bridge(o.fallback, { timeout = o.ring }) or result
end

return ringgroup
