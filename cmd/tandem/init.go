package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tandem/config"
	"tandem/scripts"
)

type initCmd struct {
	Dir string `arg:"" optional:"" default:"." help:"Where to; made if it is not there."`
}

// Run writes the shipped scripts and a commented tandem.toml, and overwrites nothing.
func (i *initCmd) Run(a *app) error {
	written, kept := 0, 0
	put := func(name string, data []byte) error {
		path := filepath.Join(i.Dir, filepath.FromSlash(name))
		ok, err := writeNew(path, data)
		switch {
		case err != nil:
			return err
		case ok:
			written++
		default:
			kept++
			fmt.Fprintf(a.stdout, "kept %s, which was there\n", path)
		}
		return nil
	}
	if err := put("tandem.toml", config.Template()); err != nil {
		return err
	}
	// The language server reads its settings in the folder that the editor has opened: this
	// one, or scripts/.
	settings, err := fs.ReadFile(scripts.FS, ".luarc.json")
	if err != nil {
		return err
	}
	if err := put(".luarc.json", settings); err != nil {
		return err
	}
	err = fs.WalkDir(scripts.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(scripts.FS, name)
		if err != nil {
			return err
		}
		return put("scripts/"+name, data)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s written to %s; start it with: tandem serve -c %s\n",
		count(written, "file"), i.Dir, filepath.Join(i.Dir, "tandem.toml"))
	return nil
}

// writeNew makes a file and the folders above it; false when the file exists.
func writeNew(path string, data []byte) (bool, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(path) // half a file would be kept by the next try
		return false, err
	}
	return true, nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
