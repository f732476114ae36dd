// Package scripting runs Lua scripts on calls. An Engine is a b2bua.Handler: it holds one
// generation of compiled scripts, gives each call a small Lua state of its own, and keeps
// what a script may do within bounds: time, memory, files.
package scripting
