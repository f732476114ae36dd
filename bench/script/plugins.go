package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// plugins is how many files are loaded.
const plugins = 100

// waitingNumber is what calls dial that are to wait.
const waitingNumber = "700"

// routing is a script of ordinary size: tables, patterns, a module, one decision.
const routing = `local split = require "split"
local routes = {
  { "^1%d%d%d$", "user:%0" },
  { "^0(%d+)$", "trunk:carrier/%1" },
  { "^%+(%d+)$", "trunk:carrier/+%1" },
}

local function target(number)
  for _, route in ipairs(routes) do
    if number:match(route[1]) then return (number:gsub(route[1], route[2])) end
  end
end

local function ask(call)
  call:answer()
  local pin, why = call:gather{ min = 4, max = 4, timeout = 3600 }
  if not pin then return log.info("no PIN", { why = why }) end
  call:hangup()
end

return { on_call = function(call)
  if call.number == "` + waitingNumber + `" then return ask(call) end
  local to = target(call.number)
  if to and #split.at(to, ":") == 2 then call:reject(486) end
end }
`

const split = `local M = {}
function M.at(text, sep)
  local out = {}
  for part in text:gmatch("[^" .. sep .. "]+") do out[#out + 1] = part end
  return out
end
return M
`

// writePlugins makes a folder with the routing script and as many others as make a hundred.
// They come after it and are never asked, but compiled, linted and tried in each generation.
func writePlugins() (string, error) {
	dir, err := os.MkdirTemp("", "bench-script-")
	if err != nil {
		return "", err
	}
	files := map[string]string{"00-routing.lua": routing, "lib/split.lua": split}
	for i := 1; i < plugins; i++ {
		files[fmt.Sprintf("%02d-more.lua", i)] = strings.ReplaceAll(routing, "on_call", "on_message")
	}
	if err := os.Mkdir(filepath.Join(dir, "lib"), 0o755); err != nil {
		return "", err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}
