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
  callback = false,         -- for the key "callback": function(call) that tells the target; "route:" and the caller's number without
  callback_within = 3600,   -- seconds in which an agent has to be free for it
  fallback = false,         -- target or function(call, result): full, nobody there, or waited too long
  prompts = { hold = "queue-hold", keys = false, agent = "queue-caller", joined = "queue-agent-in", left = "queue-agent-out", noted = "queue-callback-noted" },
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

local function agent_free(q)
  for _, agent in ipairs(q.agents) do
    if agent.state == "free" then
      return true
    end
  end
end

-- Calls back once nobody waits and an agent is free; who answers stands first in the line.
local function call_back(call, name, wait, o)
  local to = o.callback and o.callback(call) or "route:" .. call.from.user
  local from, give_up = call.number, time.now() + o.callback_within
  wait.priority, wait.exit = o.priority + 100, nil
  call:play(o.prompts.noted)
  spawn(function()
    local function try()
      local q = queue.get(name)
      if q and #q.callers == 0 and agent_free(q) then
        originate { to = to, from = from, on_answer = function(back) back:queue(name, wait) end }
      elseif time.now() < give_up then
        timer.after(5, try)
      end
    end
    try()
  end)
end

--- Lets the caller wait in a queue, and returns when they have talked to an agent or left.
---@param call Call
---@param name string of the queue
---@param given table? agents, strategy, ring, retry, wrap_up, max, max_wait, leave_empty, priority, announce, music, whisper, on_answer, keys, callback, callback_within, fallback, prompts
---@return any result as of call:queue, or what came after it
function queues.enter(call, name, given)
  local o = options.read("queue", given, usual)
  local keys = ""
  for key in pairs(o.keys or {}) do
    keys = keys .. key
  end
  local wait = {
    agents = o.agents or nil, strategy = o.strategy, ring = o.ring, retry = o.retry, wrap_up = o.wrap_up,
    max = o.max, max_wait = o.max_wait, leave_empty = o.leave_empty, priority = o.priority,
    announce = o.announce, music = o.music, message = message(o), exit = keys, on_answer = whisper(o),
  }
  local result = call:queue(name, wait)
  if result.why == "exit" and o.keys[result.key] == "callback" then
    call_back(call, name, wait, o)
  elseif result.why == "exit" then
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
