--- Asks callers for a PIN: a few tries in a call, a few more from one place, then none for a while.
local pin = {}

--- Where a call comes from, as tries are counted: a user, a caller by a trunk, else an address.
---@param call Call
---@return string
function pin.source(call)
  if call.user then
    return "user " .. call.user
  elseif call.trunk then
    return "trunk " .. call.trunk .. " " .. call.from.user
  end
  return call.source.ip
end

local usual = {
  tries = 3,    -- in one call
  limit = 6,    -- wrong ones in a row from one source
  everybody = 60, -- wrong ones in a row from all sources together, since numbers can be forged
  lock = 1800,  -- seconds from the last wrong one until there are new tries
  prompt = "pin-enter", wrong = "pin-wrong", locked = "pin-locked",
}

--- Asks for a PIN. What guards the same thing has the same name: wrong tries are counted by it.
---@param call Call
---@param name string what it opens, such as "voicemail:1001"
---@param right string|table<string, any> the PIN, or a table with the PINs as keys
---@param given table? tries, limit, everybody, lock, prompt, wrong, locked
---@return string? pin which one it was; or nil
---@return string? why "wrong pin", "locked", "timeout" or "hangup"
function pin.ask(call, name, right, given)
  local o = {}
  for key, value in pairs(usual) do
    o[key] = given and given[key] or value
  end
  local mine, all = "pin:" .. name .. ":" .. pin.source(call), "pin:" .. name
  local prompt = o.prompt
  for try = 1, o.tries do
    if (shared.get(mine) or 0) >= o.limit or (shared.get(all) or 0) >= o.everybody then
      call:play(o.locked)
      return nil, "locked"
    end
    local entered, why = call:gather { prompt = prompt, max = 16, timeout = 8, digit_timeout = 4, secret = true }
    if why == "hangup" or call.state == "ended" then
      return nil, "hangup"
    elseif not entered and try == o.tries then
      return nil, "timeout"
    end
    if entered then
      -- Counted before it is looked at, so that many calls at once get no more tries than one.
      local n = shared.incr(mine, 1, { ttl = o.lock })
      local together = shared.incr(all, 1, { ttl = o.lock })
      if n <= o.limit and together <= o.everybody and (right == entered or type(right) == "table" and right[entered] ~= nil) then
        shared.delete(mine)
        shared.incr(all, -1)
        return entered
      end
      log.warn("wrong pin", { what = name, source = pin.source(call), tries = n })
      prompt = { o.wrong, o.prompt }
    end
  end
  call:play(o.wrong)
  return nil, "wrong pin"
end

return pin
