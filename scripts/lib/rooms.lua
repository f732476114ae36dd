--- Conference rooms with a PIN for guests and another for the host, who opens and ends them.
local options = require "options"
local pin = require "pin"

local rooms = {}

local usual = {
  room = false,  -- which one; asked for without
  name = false,  -- record the caller's name and tell the others
  prompts = {
    number = "rooms-number", unknown = "rooms-unknown", name = "rooms-name", wait = "rooms-wait", over = "rooms-over",
    full = "conference-full", pin = "conference-pin", wrong = "conference-wrong-pin", locked = "pin-locked",
  },
}

local function key(number)
  return "rooms:" .. number
end

-- Asks for a room until there is one of that number.
local function choose(call, list, o)
  local prompt = o.prompts.number
  for _ = 1, 3 do
    local number = call:gather { prompt = prompt, max = 12, timeout = 8, digit_timeout = 3 }
    if number and list[number] then
      return number
    elseif call.state == "ended" then
      return nil
    end
    prompt = number and { o.prompts.unknown, o.prompts.number } or o.prompts.number
  end
end

-- "host", "guest" or nil.
local function admitted(call, number, room, o)
  if not room.pin then
    if room.host then
      error("rooms: a room with a host needs a pin for the guests", 3)
    end
    return "guest"
  end
  local right = { [room.pin] = "guest" }
  if room.host then
    right[room.host] = "host"
  end
  local entered, why = pin.ask(call, "room:" .. number, right, { prompt = o.prompts.pin, wrong = o.prompts.wrong, locked = o.prompts.locked })
  return entered and right[entered], why
end

-- The host has come: those who wait may speak.
local function open(call, number, room)
  local state = shared.update(key(number), function(s)
    s = s or { hosts = 0, waiting = {} }
    s.hosts = s.hosts + 1
    return s
  end)
  for id in pairs(state.waiting) do
    for _ = 1, 10 do -- one who is on the way in
      if room.muted or conference.mute(number, id, false) then
        break
      end
      call:sleep(0.1)
    end
  end
end

-- The last host has left: so do all others.
local function shut(number)
  local state = shared.update(key(number), function(s)
    s.hosts = s.hosts - 1
    return s.hosts > 0 and s or nil
  end)
  if not state then
    for _, member in ipairs(conference.list(number)) do
      conference.kick(number, member.id)
    end
  end
end

-- A guest of a room with a host waits in it, muted, until the host comes.
local function wait(call, number, o)
  local state = shared.update(key(number), function(s)
    s = s or { hosts = 0, waiting = {} }
    s.waiting[call.id] = true
    return s
  end)
  if state.hosts == 0 then
    call:play(o.prompts.wait)
    state = shared.get(key(number)) or state
  end
  return state.hosts == 0
end

local function leave(call, number)
  shared.update(key(number), function(s)
    if s then
      s.waiting[call.id] = nil
    end
    return s and (s.hosts > 0 or next(s.waiting)) and s or nil
  end)
end

-- *6 silences the caller and back; a host silences all others with *5.
local function keys(call, number, room, host)
  local star, muted, others = false, false, false
  call:on("dtmf", function(digit)
    if star and digit == "6" and (host or not room.muted) then
      muted = not muted
      conference.mute(number, call.id, muted)
    elseif star and digit == "5" and host then
      others = not others
      for _, member in ipairs(conference.list(number)) do
        if member.id ~= call.id then
          conference.mute(number, member.id, others)
        end
      end
    end
    star = digit == "*"
  end)
end

--- Brings the caller into one of the rooms, by number and PIN.
---@param call Call
---@param list table<string, table> by number: pin, host (the host's PIN), max, muted (guests only listen), record
---@param given table? room, name, prompts
---@return ConferenceResult? result when the caller has left; or nil
---@return string? why "no room", "wrong pin", "locked", "timeout", "full" or "hangup"
function rooms.enter(call, list, given)
  local o = options.read("rooms", given, usual)
  local number = o.room or choose(call, list, o)
  local room = number and list[number]
  if not room then
    return nil, "no room"
  end
  local role, why = admitted(call, number, room, o)
  if not role then
    return nil, why
  end
  local announce = true
  if o.name then
    call:play(o.prompts.name)
    local name = call:record("rooms/names/" .. call.id, { max = 4, silence = 2 })
    announce = name and name.path or true
  end
  local host = role == "host"
  local mute = room.muted and not host
  if host then
    open(call, number, room)
  elseif room.host then
    mute = wait(call, number, o) or mute
  end
  keys(call, number, room, host)
  local result, trouble = call:conference(number, { muted = mute or nil, max = room.max, announce = announce, record = room.record })
  if host then
    shut(number)
  elseif room.host then
    leave(call, number)
  end
  if trouble == "full" then
    call:play(o.prompts.full)
  elseif result and result.by == "script" and room.host then
    call:play(o.prompts.over)
  end
  return result, trouble
end

return rooms
