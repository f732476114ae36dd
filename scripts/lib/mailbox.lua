--- Where voicemail keeps messages: a value of `shared` for each mailbox, which outlives a
--- restart, and recordings. The lamps of the user's phones follow.
local mailbox = {}

local all = "voicemail" -- in shared: the names of the mailboxes

local function key(box)
  return "voicemail:" .. box
end

--- The name of a mailbox, which is a user's. Raises an error for what could be a path.
---@param box string|number
---@return string
function mailbox.name(box)
  box = tostring(box)
  if #box > 64 or not box:match("^[%w_%-%+][%w_%-%+%.]*$") then
    error("voicemail: " .. box .. " is no name of a mailbox", 3)
  end
  return box
end

--- What a mailbox holds: messages (from, at, seconds, path, heard), greeting and pin.
---@param box string
---@return table
function mailbox.open(box)
  local state = shared.get(key(box)) or {}
  state.messages = state.messages or {}
  return state
end

--- How many messages are new, and how many were heard.
---@param box string
---@return integer new
---@return integer heard
function mailbox.count(box)
  local new, heard = 0, 0
  for _, message in ipairs(mailbox.open(box).messages) do
    if message.heard then
      heard = heard + 1
    else
      new = new + 1
    end
  end
  return new, heard
end

local function light(box)
  local new, heard = mailbox.count(box)
  registrar.notify(box, { messages = new, heard = heard })
end

--- Lights the lamps after a restart.
function mailbox.restore()
  for box in pairs(shared.get(all) or {}) do
    light(box)
  end
end

--- Changes what a mailbox holds, in one step.
---@param box string
---@param fn fun(state: table) changes the state; must not wait
function mailbox.change(box, fn)
  shared.update(key(box), function(state)
    state = state or {}
    state.messages = state.messages or {}
    fn(state)
    return state
  end, { persist = true })
  if not (shared.get(all) or {})[box] then
    shared.update(all, function(boxes)
      boxes = boxes or {}
      boxes[box] = true
      return boxes
    end, { persist = true })
  end
  light(box)
end

--- Adds a message.
---@param box string
---@param message table
function mailbox.add(box, message)
  mailbox.change(box, function(state)
    state.messages[#state.messages + 1] = message
  end)
end

--- Notes that a message was heard.
---@param box string
---@param id string
function mailbox.heard(box, id)
  mailbox.change(box, function(state)
    for _, message in ipairs(state.messages) do
      if message.id == id then
        message.heard = true
      end
    end
  end)
end

--- Removes a recording; one that is not there any more is fine.
---@param path string
function mailbox.erase(path)
  local ok, why = file.delete(path)
  if not ok and why ~= "not found" then
    log.warn("voicemail: a file stays", { file = path, why = why })
  end
end

--- Removes a message.
---@param box string
---@param id string
function mailbox.delete(box, id)
  local path
  mailbox.change(box, function(state)
    for i = #state.messages, 1, -1 do
      if state.messages[i].id == id then
        path = table.remove(state.messages, i).path
      end
    end
  end)
  if path then
    mailbox.erase(path)
  end
end

--- Sets the greeting, or goes back to the standard one.
---@param box string
---@param path string?
function mailbox.greet(box, path)
  local old
  mailbox.change(box, function(state)
    old, state.greeting = state.greeting, path
  end)
  if old and old ~= path then
    mailbox.erase(old)
  end
end

--- The messages as they are listened to: new ones first, the oldest of each first.
---@param box string
---@return table[]
function mailbox.list(box)
  local new, heard = {}, {}
  for _, message in ipairs(mailbox.open(box).messages) do
    table.insert(message.heard and heard or new, message)
  end
  for _, message in ipairs(heard) do
    new[#new + 1] = message
  end
  return new
end

return mailbox
