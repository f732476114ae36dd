package scripting

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"tandem/media/soundfile"
)

// maxFile bounds a script file: gopher-lua compiles by recursion.
const maxFile = 512 << 10

// files is the user's scripts folder over the shipped one. The folder's plugins replace the
// shipped ones as a whole; a module or prompt that it lacks is taken from the shipped ones.
type files struct {
	dir     string // "" or absent: shipped scripts only
	shipped fs.FS
}

// folder is the user's folder, or nil when none was named.
func (f files) folder() fs.FS {
	if f.dir == "" {
		return nil
	}
	return os.DirFS(f.dir)
}

// plugins are the folder where plugins lie.
func (f files) plugins() fs.FS {
	if dir := f.folder(); dir != nil {
		return dir
	}
	return f.shipped
}

// path is how users know the script called name: below their folder if it is there.
func (f files) path(name string) string {
	if f.dir != "" {
		p := filepath.Join(f.dir, filepath.FromSlash(name))
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return name
}

// open finds name in the user's folder, then among the shipped files.
func (f files) open(name string) (fs.FS, fs.FileInfo, error) {
	for _, fsys := range []fs.FS{f.folder(), f.shipped} {
		if fsys == nil {
			continue
		}
		info, err := fs.Stat(fsys, name)
		if err == nil && !info.IsDir() {
			return fsys, info, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	return nil, nil, fs.ErrNotExist
}

// pluginNames lists the plugins in the order they are asked.
func (f files) pluginNames() ([]string, error) {
	entries, err := fs.ReadDir(f.plugins(), ".")
	if err != nil {
		return nil, fmt.Errorf("scripts folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		if isScript(e.Name()) && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// isScript tells a script from a file beside it: an editor's leftover or a definition file.
func isScript(name string) bool {
	return strings.HasSuffix(name, ".lua") && !strings.HasSuffix(name, ".d.lua") && !strings.HasPrefix(path.Base(name), ".")
}

// tree lists the scripts below folder ("lib", "spec"), the user's before the shipped of the same name.
func (f files) tree(folder string, withShipped bool) ([]string, error) {
	seen := map[string]bool{}
	layers := []fs.FS{f.folder()}
	if withShipped || f.dir == "" {
		layers = append(layers, f.shipped)
	}
	for _, fsys := range layers {
		if fsys == nil {
			continue
		}
		err := fs.WalkDir(fsys, folder, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !d.IsDir() && isScript(p) {
				seen[p] = true
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("scripts folder: %w", err)
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	sort.Strings(names)
	return names, nil
}

// read returns a script's text.
func (f files) read(name string) (string, error) {
	fsys, info, err := f.open(name)
	if err != nil {
		return "", err
	}
	if info.Size() > maxFile {
		return "", fmt.Errorf("the file has %d bytes; at most %d are taken", info.Size(), maxFile)
	}
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return "", err
	}
	if len(b) > maxFile {
		return "", fmt.Errorf("the file has over %d bytes", maxFile)
	}
	return string(b), nil
}

// promptNames are the prompts that lie in prompts/ itself.
func (f files) promptNames() []string {
	var names []string
	for _, fsys := range []fs.FS{f.folder(), f.shipped} {
		if fsys == nil {
			continue
		}
		entries, _ := fs.ReadDir(fsys, "prompts") // none is as good as an empty one
		for _, e := range entries {
			if ending := path.Ext(e.Name()); slices.Contains(soundfile.Endings(), ending) {
				names = append(names, strings.TrimSuffix(e.Name(), ending))
			}
		}
	}
	return names
}
