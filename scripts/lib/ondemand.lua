--- Recording on demand: *1 during a call begins to record it, and *1 again ends that.
local options = require "options"

local ondemand = {}

local usual = {
  keys = "*1",        -- what is pressed
  who = "both",       -- may press it: "caller", "callee" or "both"
  within = 2,         -- seconds from one key to the next
  folder = "ondemand",
  ending = ".wav",    -- or ".opus"
  stereo = true,
  most = 20,          -- recordings of one call
  on_change = false,  -- function(call, on, path): to tell somebody else
  prompts = { on = "record-on", off = "record-off" }, -- that both hear; false for none
}

--- Watches a call for the keys from now on; say it before the bridge.
---@param call Call
---@param given table? keys, who, within, folder, ending, stereo, most, on_change, prompts
function ondemand.watch(call, given)
  local o = options.read("ondemand", given, usual)
  local pressed, last, n, path = { caller = "", callee = "" }, 0, 0, nil

  local function toggle()
    local on = path == nil
    if on and n >= o.most then
      return
    elseif on then
      n = n + 1
      local name = o.folder .. "/" .. time.format(time.now(), "%Y-%m-%d") .. "/" .. call.id .. "-" .. n .. o.ending
      local ok, why = call:start_recording(name, { stereo = o.stereo })
      if not ok then
        return log.warn("not recorded", { why = why })
      end
      path = name
    else
      call:stop_recording()
    end
    log.info(on and "recording begins" or "recording ends", { file = path })
    if o.on_change then
      o.on_change(call, on, path)
    end
    path = on and path or nil
    local prompt = on and o.prompts.on or not on and o.prompts.off
    local live = prompt and calls.get(call.id)
    if live then
      live:play(prompt)
    end
  end

  call:on("dtmf", function(digit, who)
    if o.who ~= "both" and o.who ~= who then
      return
    end
    local now = time.now()
    local keys = (now - last <= o.within and pressed[who] or "") .. digit
    last, pressed[who] = now, keys:sub(-#o.keys)
    if pressed[who] == o.keys then
      pressed[who] = ""
      toggle()
    end
  end)
end

return ondemand
