package scripting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// maxListed bounds the entries of a folder that file.list gives.
const maxListed = 10_000

func fileModule() module {
	where := field{"path", "string", "below the recordings folder; `scripts/…` is below the scripts folder, where nothing can be changed"}
	return module{
		name: "file",
		doc:  "Files: recordings, and what lies beside the scripts. Paths with `..`, a leading `/` or a link that leads out raise an error.",
		functions: []function{
			{name: "read", params: []field{where}, returns: []field{{"content", "string?", "or nil"}, {"reason", "string?", "such as \"not found\""}},
				doc: "Reads a file of at most 8 MB.", example: `local text = file.read("scripts/notice.txt")`, run: fileRead},
			{name: "list", params: []field{{"path?", "string", "a folder; the recordings folder itself by default"}},
				returns: []field{{"entries", "FileEntry[]?", "by name, or nil"}, {"reason", "string?", ""}},
				doc:     "Lists a folder, at most 10,000 entries of it.", example: "for _, entry in ipairs(file.list(\"messages/\" .. call.user) or {}) do\n  call:play(entry.path)\nend", run: fileList},
			{name: "delete", params: []field{where}, returns: okOrReason(),
				doc: "Removes a file, or an empty folder.", example: `file.delete("messages/" .. call.user .. "/1.wav")`, run: fileDelete},
		},
	}
}

func fileEntryClass() class {
	return class{name: "FileEntry", doc: "A file or folder, from file.list.", fields: []field{
		{"name", "string", ""}, {"path", "string", "to read, play or delete it by"}, {"size", "integer", "bytes"},
		{"modified", "number", "seconds since 1970"}, {"folder", "boolean", ""},
	}}
}

// errOutside is misuse: a path that leads out of the folder it is in.
var errOutside = errors.New("leads out of its folder")

// place is where a path of a script lies.
type place struct {
	name    string // below the folder
	scripts bool
}

func (a arguments) place(text string) place {
	p := place{name: text}
	if text == "scripts" {
		p = place{".", true}
	} else if rest, ok := strings.CutPrefix(text, "scripts/"); ok {
		p = place{rest, true}
	}
	if !fs.ValidPath(p.name) || strings.ContainsAny(p.name, "\\\x00") {
		a.fail("path %q %s: it has neither .. nor a leading /", text, errOutside)
	}
	return p
}

// open gives the folder that a place is in, from which nothing leads out. For scripts that is
// the user's folder, or the shipped one where the user's has no such file.
func (s *state) openFolder(p place) (fsys fs.FS, done func(), err error) {
	dir := s.engine.o.Recordings
	if p.scripts {
		if dir = s.gen.files.dir; dir == "" {
			return s.gen.files.shipped, func() {}, nil
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	if p.scripts {
		if _, err := root.Stat(p.name); errors.Is(err, fs.ErrNotExist) && s.gen.files.shipped != nil {
			root.Close()
			return s.gen.files.shipped, func() {}, nil
		}
	}
	return root.FS(), func() { root.Close() }, nil
}

// onDisk does something with a file while the state's other functions may run.
func (s *state) onDisk(a arguments, p place, do func(fs.FS) error) error {
	var err error
	s.block(a.L, a.name, func(context.Context) {
		fsys, done, failed := s.openFolder(p)
		if err = failed; err == nil {
			defer done()
			err = do(fsys)
		}
	})
	return err
}

// fileTrouble raises what is misuse and returns the rest.
func (a arguments) fileTrouble(err error) int {
	if strings.Contains(err.Error(), "escapes from parent") {
		a.fail("the path %s", errOutside)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failed(a.L, "not found")
	case errors.Is(err, errHTTPTooLarge):
		return failed(a.L, err.Error())
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err // the path is the script's own
	}
	return failed(a.L, err.Error())
}

func fileRead(s *state, L *lua.LState) int {
	a := args(L, "file.read")
	p := a.place(a.str(1, "path"))
	var content []byte
	err := s.onDisk(a, p, func(fsys fs.FS) (err error) {
		content, err = readBounded(fsys, p.name, maxString)
		return err
	})
	if err != nil {
		return a.fileTrouble(err)
	}
	return push(L, lua.LString(content))
}

// readBounded reads an ordinary file of at most so many bytes.
func readBounded(fsys fs.FS, name string, most int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%w: over %d bytes", errHTTPTooLarge, most)
	}
	return content, err
}

func fileList(s *state, L *lua.LState) int {
	a := args(L, "file.list")
	text := a.optStr(1, "path", ".")
	p := a.place(text)
	list := newTable(0, 0)
	list.Metatable = listMark
	err := s.onDisk(a, p, func(fsys fs.FS) error {
		entries, err := fs.ReadDir(fsys, p.name)
		for _, e := range entries[:min(len(entries), maxListed)] {
			if info, err := e.Info(); err == nil { // else it went meanwhile
				list.Append(entryTable(path.Join(text, e.Name()), info))
			}
		}
		return err
	})
	if err != nil {
		return a.fileTrouble(err)
	}
	return push(L, list)
}

func entryTable(full string, info fs.FileInfo) *lua.LTable {
	t := newTable(0, 5)
	t.RawSetString("name", lua.LString(info.Name()))
	t.RawSetString("path", lua.LString(full))
	t.RawSetString("size", lua.LNumber(info.Size()))
	t.RawSetString("modified", lua.LNumber(float64(info.ModTime().UnixMilli())/1000))
	t.RawSetString("folder", lua.LBool(info.IsDir()))
	return t
}

func fileDelete(s *state, L *lua.LState) int {
	a := args(L, "file.delete")
	p := a.place(a.str(1, "path"))
	if p.scripts || p.name == "." {
		a.fail("only what lies below the recordings folder can be deleted")
	}
	var err error
	s.block(L, a.name, func(context.Context) {
		root, failed := os.OpenRoot(s.engine.o.Recordings)
		if err = failed; err == nil {
			defer root.Close()
			err = root.Remove(p.name)
		}
	})
	if err != nil {
		return a.fileTrouble(err)
	}
	return push(L, lua.LTrue)
}
