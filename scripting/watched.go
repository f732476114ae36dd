package scripting

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxLinks bounds the links that a path is followed through, and maxWatched the folders watched.
const (
	maxLinks   = 40
	maxWatched = 4096
)

// watchedFolders collects the folders whose changes may change the scripts, by their real paths.
type watchedFolders map[string]bool

// foldersOf are the scripts folder and those in it, wherever links put them, and the folders that
// hold the links and the folder itself: each may be replaced by another. A folder that is not
// there now may come: the error is of one that cannot be watched at all.
func foldersOf(dir string) (map[string]bool, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	v := watchedFolders{}
	real, err := v.resolve(abs)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && len(v) > 0 {
			return v, nil
		}
		return nil, err
	}
	v[filepath.Dir(real)] = true
	v.below(real, real)
	return v, nil
}

// resolve follows a path, link by link, and wants to hear of each link. Of a path that leads
// nowhere, it wants to hear of the last folder that is there.
func (v watchedFolders) resolve(path string) (string, error) {
	links := 0
	at, rest := string(filepath.Separator), strings.Split(strings.Trim(path, string(filepath.Separator)), string(filepath.Separator))
	for len(rest) > 0 {
		next := filepath.Join(at, rest[0])
		info, err := os.Lstat(next)
		if err != nil {
			v[at] = true
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at, rest = next, rest[1:]
			continue
		}
		v[at] = true
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "watch", Path: path, Err: errors.New("too many links")}
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(at, target)
		}
		at, rest = string(filepath.Separator), append(strings.Split(strings.Trim(target, string(filepath.Separator)), string(filepath.Separator)), rest[1:]...)
	}
	return at, nil
}

// below adds a folder and what lies in it. Sounds and specs are read when they are needed.
func (v watchedFolders) below(root, dir string) {
	if v[dir] && dir != root || len(v) >= maxWatched {
		return
	}
	v[dir] = true
	entries, err := os.ReadDir(dir)
	if err != nil { // gone meanwhile, or not for us to read: then it holds no scripts
		return
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if dir == root && (entry.Name() == "prompts" || entry.Name() == "spec") {
			continue
		}
		switch {
		case entry.IsDir():
			v.below(root, path)
		case entry.Type()&fs.ModeSymlink != 0:
			v.link(root, path)
		}
	}
}

// link adds what a link in the scripts folder leads to: a folder, or the one that a file is in.
func (v watchedFolders) link(root, path string) {
	real, err := v.resolve(path)
	if err != nil {
		return
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
	case info.IsDir():
		v.below(root, real)
	case isScript(path):
		v[filepath.Dir(real)] = true
	}
}
