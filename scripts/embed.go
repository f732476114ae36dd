// Package scripts holds the scripts and prompts that ship with the server.
package scripts

import "embed"

// FS is the shipped folder: plugins, lib/, prompts/, spec/ and the definitions for editors.
//
//go:embed *.lua lib prompts spec
var FS embed.FS
