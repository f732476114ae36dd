//go:build unix

package journal

import (
	"errors"
	"os"
	"syscall"

	"tandem/store"
)

// Own locks a file for as long as it stays open. The kernel lets go
// when the process dies, however it dies. (Not the store's own file: closing a second
// descriptor of that would drop SQLite's locks.)
func Own(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, store.ErrInUse
	}
	return nil, err
}
