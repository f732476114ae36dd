package scripting

import lua "github.com/yuin/gopher-lua"

type callObject struct{}

func (c *callObject) note(string)         {}
func (c *callObject) beforeWait(s *state) {}
func (c *callObject) afterWait(s *state)  {}

func callProperty(L *lua.LState) int    { return 0 }
func setCallProperty(L *lua.LState) int { return 0 }
func legProperty(L *lua.LState) int     { return 0 }
func setLegProperty(L *lua.LState) int  { return 0 }
func objectMeta(c class, get, set lua.LGFunction) *lua.LTable {
	return &lua.LTable{Metatable: lua.LNil}
}

type clips struct{}

func classes() []class { return []class{sharedOptions} }
func aliases() []alias { return nil }
