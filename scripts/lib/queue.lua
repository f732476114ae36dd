--- Queues: callers wait until an agent is free; agents come and go by a number they dial.
local options = require "options"

local queues = {}

local usual = {
  agents = false,           -- targets that always serve it
  strategy = "longest-idle", -- or "round-robin", "ring-all"
  ring = 20, retry = 5, wrap_up = 10,
  max = 50, max_wait = 900, leave_empty = true,
  priority = 0,
  announce = 45,            -- seconds between two announcements of position and wait
  music = "tone:425/200,0/4800",
  whisper = true,           -- tell the agent that this is a call of the queue
  on_answer = false,        -- as of call:queue, instead of whisper: screening.confirm(), say
  keys = false,             -- by key: target, function(call, result) or "callback"
  fallback = false,         -- target or function(call, result): full, nobody there, or waited too long
  prompts = { hold = "queue-hold", keys = false, agent = "queue-caller", joined = "queue-agent-in", left = "queue-agent-out" },
}

-- What callers hear behind the position.
local function message(o)
  local list = { o.prompts.hold or nil }
  list[#list + 1] = o.prompts.keys or nil
  return #list > 0 and list or nil
end

local function whisper(o)
  if o.on_answer then
    return o.on_answer
  elseif o.whisper then
    return function(leg)
      leg:play(o.prompts.agent)
    end
  end
end

-- Goes on with a caller who has not been served.
local function go_on(call, result, way)
  if type(way) == "function" then
    return way(call, result) or result
  elseif way then
    return call:bridge(way)
  end
  return result
end

--- Lets the caller wait in a queue, and returns when they have talked to an agent or left.
---@param call Call
---@param name string of the queue
---@param given table? agents, strategy, ring, retry, wrap_up, max, max_wait, leave_empty, priority, announce, music, whisper, on_answer, keys, fallback, prompts
---@return any result as of call:queue, or what came after it
function queues.enter(call, name, given)
  local o = options.read("queue", given, usual)
  local keys = ""
  for key in pairs(o.keys or {}) do
    keys = keys .. key
  end
  local result = call:queue(name, {
    agents = o.agents or nil, strategy = o.strategy, ring = o.ring, retry = o.retry, wrap_up = o.wrap_up,
    max = o.max, max_wait = o.max_wait, leave_empty = o.leave_empty, priority = o.priority,
    announce = o.announce, music = o.music, message = message(o), exit = keys, on_answer = whisper(o),
  })
  if result.why == "exit" then
    return go_on(call, result, o.keys[result.key])
  elseif result.why == "timeout" or result.why == "full" or result.why == "empty" then
    return go_on(call, result, o.fallback)
  end
  return result
end

--- Makes the caller's phone an agent of a queue, or ends that, and says so.
---@param call Call of a user
---@param name string of the queue
---@param given table? prompts
---@return boolean serves
function queues.toggle(call, name, given)
  local o = options.read("queue", given, usual)
  local me = "user:" .. (call.user or error("queue: only users can be agents", 2))
  local serves = not queue.leave(name, me)
  if serves then
    queue.join(name, me)
  end
  call:play(serves and o.prompts.joined or o.prompts.left)
  return serves
end

return queues
