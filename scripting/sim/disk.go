package sim

import (
	"os"
	"path/filepath"

	lua "github.com/yuin/gopher-lua"
)

// simFile reads or, with content, writes a file below the recordings folder of a spec, as if
// it had been there: sim.file("messages/1.wav", "…"). What is not there is nil.
func (f *file) simFile(L *lua.LState) int {
	r := f.spec(L)
	check(L, r.makeFolder())
	root, err := os.OpenRoot(r.options.folder)
	check(L, err)
	defer root.Close()
	name := L.CheckString(1)
	if L.GetTop() < 2 {
		content, err := root.ReadFile(name)
		if os.IsNotExist(err) {
			L.Push(lua.LNil)
			return 1
		}
		check(L, err)
		L.Push(lua.LString(content))
		return 1
	}
	check(L, root.MkdirAll(filepath.Dir(name), 0o750))
	check(L, root.WriteFile(name, []byte(L.CheckString(2)), 0o640))
	return 0
}
