--- What to tell callers who were not put through.
local outcome = {}

local prompts = {
  busy = "busy",
  noanswer = "no-answer",
  failed = "call-failed",
}

--- The prompt that tells how a bridge went.
---@param result BridgeResult
---@return string
function outcome.prompt(result)
  if result.code == 480 and result.reason == "not registered" then
    return "not-registered"
  end
  return prompts[result.state] or "not-available"
end

--- Tells the caller why nobody was reached and ends the call with the code of that. Does
--- nothing when the two have talked, or when the caller has hung up.
---@param call Call
---@param result BridgeResult
function outcome.tell(call, result)
  if result.state == "answered" or call.state == "ended" then
    return
  elseif call.state == "answered" then
    call:play(outcome.prompt(result))
    call:hangup()
  else -- heard before the answer, so that it costs nothing
    call:progress { play = outcome.prompt(result) }
    call:reject(result.code, result.reason)
  end
end

return outcome
