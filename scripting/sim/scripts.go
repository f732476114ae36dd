package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// simScripts gives a spec plugins of its own, and files beside them, instead of the folder's: what lib/ and prompts/
// hold stays, so that a module of lib/ can be tried with any options.
func (f *file) simScripts(L *lua.LState) int {
	r := f.spec(L)
	if r.world != nil {
		L.RaiseError("sim.scripts: the spec has begun; say it before the first call")
	}
	plugins := map[string]string{}
	L.CheckTable(1).ForEach(func(k, v lua.LValue) {
		name, text := k.String(), v.String()
		if v.Type() != lua.LTString || !fs.ValidPath(name) || strings.Contains(name, "/") || name == "." {
			L.RaiseError(`sim.scripts takes names such as "50-main.lua" and what these files hold`)
		}
		plugins[name] = text
	})
	check(L, r.replace(plugins))
	return 0
}

// replace makes a folder of the plugins, with links to the lib/ and prompts/ of the one that
// they replace.
func (r *running) replace(plugins map[string]string) error {
	was := r.options.scripts.Dir
	folder := filepath.Join(r.options.stage.folder, "scripts-"+digest(was, plugins))
	r.options.scripts.Dir = folder
	err := os.Mkdir(folder, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil // another spec has brought the same
	} else if err != nil {
		return fmt.Errorf("sim.scripts: %w", err)
	}
	for name, text := range plugins {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("sim.scripts: %w", err)
		}
	}
	if was == "" {
		return nil
	}
	if was, err = filepath.Abs(was); err != nil {
		return fmt.Errorf("sim.scripts: %w", err)
	}
	for _, part := range []string{"lib", "prompts"} {
		from := filepath.Join(was, part)
		if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.Symlink(from, filepath.Join(folder, part)); err != nil {
			return fmt.Errorf("sim.scripts: %w", err)
		}
	}
	return nil
}

// digest tells plugins from others.
func digest(folder string, plugins map[string]string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", folder)
	for _, name := range slices.Sorted(maps.Keys(plugins)) {
		fmt.Fprintf(h, "%q%q", name, plugins[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
