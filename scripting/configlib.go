package scripting

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func configModule() module {
	return module{
		name: "config",
		doc:  "Settings of the configuration file's `[scripts.settings]`.",
		functions: []function{{
			name:    "get",
			params:  []field{{"key", "string", "`a.b` looks into the table a"}, {"default?", "any", "for a key that is not set"}},
			returns: []field{{"value", "any", "or the default, or nil"}},
			doc:     "Reads a setting.",
			example: `call:play(config.get("greeting", "main-menu"))`,
			run: func(s *state, L *lua.LState) int {
				key := args(L, "config.get").str(1, "key")
				if v, ok := lookup(*s.engine.settings.Load(), key); ok {
					return push(L, fromGo(v))
				}
				return push(L, L.Get(2))
			},
		}},
	}
}

// lookup finds a key as it is written, else by its parts.
func lookup(settings map[string]any, key string) (any, bool) {
	if v, ok := settings[key]; ok {
		return v, true
	}
	head, tail, ok := strings.Cut(key, ".")
	if !ok {
		return nil, false
	}
	inner, ok := settings[head].(map[string]any)
	if !ok {
		return nil, false
	}
	return lookup(inner, tail)
}
