package sqlite

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy of the store, as of now, into a new file, while
// others read and write. The file appears under its name only when it is whole.
func (r *Reader) Backup(ctx context.Context, file string) error {
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("backup to %s: %w", file, fs.ErrExist)
	}
	dir, err := os.MkdirTemp(filepath.Dir(file), ".tandem-backup-")
	if err != nil {
		return fmt.Errorf("backup to %s: %w", file, plain(err))
	}
	defer os.RemoveAll(dir)
	part := filepath.Join(dir, "store.db")
	if _, err := r.db.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return fmt.Errorf("backup to %s: %w", file, err)
	}
	if err := syncFile(part); err != nil {
		return fmt.Errorf("backup to %s: %w", file, err)
	}
	if err := os.Rename(part, file); err != nil {
		return fmt.Errorf("backup to %s: %w", file, err)
	}
	return syncFile(filepath.Dir(file))
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
