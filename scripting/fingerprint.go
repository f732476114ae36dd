package scripting

import (
	"crypto/sha256"
	"fmt"
)

// changed tells whether the scripts are others than at the last reload.
func (e *Engine) changed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fingerprint() != e.print
}

// fingerprint tells one state of the scripts from another, so that a change of other files
// in the folder is not taken for one.
func (e *Engine) fingerprint() string {
	f := e.files()
	h := sha256.New()
	names, err := f.pluginNames()
	if err != nil {
		return "error: " + err.Error()
	}
	libs, err := f.tree("lib", false)
	if err != nil {
		return "error: " + err.Error()
	}
	for _, name := range append(names, libs...) {
		text, err := f.read(name)
		fmt.Fprintf(h, "%s\x00%d\x00%s\x00%v\x00", name, len(text), text, err)
	}
	return string(h.Sum(nil))
}
