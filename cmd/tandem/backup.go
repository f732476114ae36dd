package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// backupCmd copies the store, whether a server is up or not.
type backupCmd struct {
	configFlags
	File string `arg:"" help:"The copy; it must not be there yet."`
}

// Run writes the copy. Recordings are files beside the store and not part of it.
func (b *backupCmd) Run(a *app) error {
	r, err := b.records(a.ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	file, err := filepath.Abs(b.File)
	if err != nil {
		return err
	}
	err = r.Backup(a.ctx, file)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: nothing is written over it", b.File)
	}
	if err == nil {
		fmt.Fprintf(a.stdout, "the store is copied to %s\n", b.File)
	}
	return err
}
