// Package scripts holds the scripts and prompts that ship with the server.
package scripts

import "embed"

// FS is the shipped folder: plugins, lib/, prompts/, spec/ and, for editors, the definitions
// and the settings of the Lua language server.
//
//go:embed *.lua .luarc.json lib prompts spec
var FS embed.FS
