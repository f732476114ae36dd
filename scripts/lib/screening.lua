--- Who is called hears who calls before the two are joined, and decides.
local options = require "options"

local screening = {}

local usual = {
  ring = 25,
  users = false, -- ask our own users for their names, too
  prompts = {
    name = "screen-name", from = "screen-from", choose = "screen-choose", confirm = "follow-confirm",
    invalid = "invalid", wait = "one-moment", goodbye = "goodbye",
  },
}

--- A function for on_answer: who answers hears a sound first, the caller hears ringing on.
---@param source Source such as the name of the line that was called
---@return fun(leg: Leg)
function screening.whisper(source)
  return function(leg)
    leg:play(source)
  end
end

--- A function for on_answer: only who presses 1 gets the call, and no answering machine.
---@param source Source? "This is a call for you. Press 1 to take it." by default
---@return fun(leg: Leg): boolean
function screening.confirm(source)
  local o = options.read("screening", nil, usual)
  return function(leg)
    return leg:gather { prompt = source or o.prompts.confirm, pattern = "1", tries = 2, timeout = 5 } == "1"
  end
end

-- What the called party hears of who calls: the name as they said it, or the number.
local function whoIs(call, o)
  if call.user and not o.users then
    local digits = call.user:gsub("%D", "")
    return digits ~= "" and "say:digits:" .. digits or nil
  end
  call:play(o.prompts.name)
  local name = call:record("screening/" .. call.id, { max = 5, silence = 2 })
  if call.state ~= "ended" then
    call:play(o.prompts.wait)
  end
  return name and name.path
end

--- Asks the caller for a name and rings; who answers hears it and takes the call (1), sends it
--- to voicemail (2) or refuses it (3).
---@param call Call
---@param targets Target
---@param given table? ring, users, prompts
---@return BridgeResult result
---@return string? choice "taken", "voicemail", "refused", or nil when nobody has chosen
function screening.bridge(call, targets, given)
  local o = options.read("screening", given, usual)
  local who, choice = whoIs(call, o), nil
  local prompt = who and { o.prompts.from, who, o.prompts.choose } or o.prompts.choose
  local choices = { ["1"] = "taken", ["2"] = "voicemail", ["3"] = "refused" }
  local result = call:bridge(targets, {
    timeout = o.ring,
    on_answer = function(leg)
      local digit = not choice and leg:gather { prompt = prompt, pattern = "[123]", invalid = o.prompts.invalid, tries = 2, timeout = 6 }
      choice = choice or choices[digit or ""]
      if digit ~= "1" then
        leg:play(o.prompts.goodbye)
      end
      return digit == "1"
    end,
  })
  return result, choice
end

return screening
