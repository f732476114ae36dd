--- Options of the applications: those given in the script count most, then the table of the
--- application's name in [scripts.settings], then what is usual.
local options = {}

local function put(into, from, where)
  for key, value in pairs(from) do
    if into[key] == nil then
      error(where .. ": there is no option " .. tostring(key), 5)
    elseif key == "prompts" then
      put(into.prompts, value, where .. ".prompts")
    else
      into[key] = value
    end
  end
end

--- Reads the options of an application. A misspelt one raises an error in the script.
---@param name string of the application, and of its table in the settings
---@param given table? what the script says
---@param usual table every option there is, false for one without a usual value; prompts is a table of its own
---@return table
function options.read(name, given, usual)
  local o = { prompts = {} }
  for key, value in pairs(usual) do
    o[key] = value
  end
  if usual.prompts then
    o.prompts = {}
    for key, value in pairs(usual.prompts) do
      o.prompts[key] = value
    end
  end
  local settings = config.get(name)
  if type(settings) == "table" then
    put(o, settings, "scripts.settings." .. name)
  end
  put(o, given or {}, name)
  return o
end

return options
