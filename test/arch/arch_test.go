// Package arch holds the house rule that everything points down: which room
// may import which, checked against what the Go tool says they import.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "tandem"

// rooms says what each package may import of ours. A name ending in /... stands
// for the packages below it, and a room's longest matching entry counts. clock
// is a leaf that everybody may use. A package without a room fails the test:
// where it belongs is decided here first.
var rooms = map[string][]string{
	"clock":   {},
	"config":  {},
	"metrics": {"store"},
	"trace":   {"media/sdp"},
	"scripts": {},
	"store":   {},

	"store/explain":   {"store"},
	"store/report":    {"store"},
	"store/journal":   {"store"},
	"store/sqlite":    {"store", "store/journal"},
	"store/postgres":  {"store", "store/journal"},
	"store/storetest": {"store"}, // for the tests of stores

	"media/...": {"media/..."},
	"media":     {"media/..."},

	"b2bua/transport":   {},
	"b2bua/transaction": {"b2bua/transport"},
	"b2bua/dialog":      {},
	"b2bua/auth":        {},
	"b2bua/registrar":   {"b2bua/transport", "b2bua/auth"},
	"b2bua/notifier":    {"b2bua/transport", "b2bua/transaction", "b2bua/dialog"},
	"b2bua/trunk":       {"b2bua/transport", "b2bua/transaction", "b2bua/dialog", "b2bua/auth"},
	"b2bua/phone": {"b2bua/transport", "b2bua/transaction", "b2bua/dialog", "b2bua/auth",
		"media", "media/..."},
	"b2bua": {"b2bua/transport", "b2bua/transaction", "b2bua/dialog", "b2bua/auth",
		"b2bua/registrar", "b2bua/notifier", "b2bua/trunk", "media", "media/...", "store"},

	"web":                {"b2bua", "b2bua/auth", "b2bua/registrar", "b2bua/transport", "b2bua/trunk", "store", "trace", "store/explain"},
	"scripting/pattern":  {},
	"scripting/database": {},
	"scripting/voice":    {},
	"scripting/mail":     {},
	"scripting":          {"scripting/pattern", "scripting/voice", "scripting/mail", "scripting/database", "b2bua", "b2bua/auth", "b2bua/registrar", "b2bua/transport", "media", "media/...", "scripts", "store"},
	"scripting/sim":      {"scripting/database", "scripting/mail", "scripting/voice", "b2bua", "b2bua/...", "media", "media/...", "scripting", "scripts", "store"},

	"cmd/tandem":   {"..."},
	"test/...":     {"..."},
	"bench/cdr":    {"store", "store/sqlite"},
	"bench/script": {"b2bua", "b2bua/...", "media", "scripting", "store"},
	"bench/...":    {"media", "media/...", "b2bua", "b2bua/...", "store"}, // load against one room; nobody imports it

	"scripts/prompts": {}, // only sounds, and a test of them
}

// homes says where a third-party module may be used: a driver that leaks out
// of its room ties the others to it.
var homes = map[string][]string{
	"github.com/alecthomas/kong":   {"cmd/tandem"},
	"github.com/coder/websocket":   {"b2bua/transport", "scripting"},
	"github.com/emiago/sipgo/sip":  {"b2bua", "b2bua/...", "scripting/sim", "cmd/tandem", "bench/..."},
	"github.com/fsnotify/fsnotify": {"scripting", "cmd/tandem"},
	"github.com/hajimehoshi":       {"media/soundfile"},
	"github.com/jackc/pgx":         {"store/postgres", "scripting/database"},
	"github.com/mattn/go-sqlite3":  {"bench/cdr", "store/sqlite", "scripting/database"},
	"github.com/miekg/dns":         {"b2bua/transport"},
	"github.com/pelletier/go-toml": {"config"},
	"github.com/pion/dtls":         {"media"},
	"github.com/pion/logging":      {"media"},
	"github.com/pion/rtcp":         {"media", "media/..."},
	"github.com/pion/rtp":          {"media", "media/..."},
	"github.com/pion/sdp":          {"media", "media/..."},
	"github.com/pion/srtp":         {"media"},
	"github.com/pion/stun":         {"media"},
	"github.com/pion/transport":    {"media"},
	"github.com/prometheus":        {"metrics"},
	"github.com/thesyncim/gopus":   {"media/codec", "media/soundfile"},
	"github.com/wneessen/go-mail":  {"scripting/mail"},
	"github.com/yuin/gopher-lua":   {"scripting", "scripting/..."},
	"github.com/zaf/g711":          {"media/codec"},
	"golang.org/x/net":             {"b2bua/transport"},
	"golang.org/x/sys":             {"b2bua/transport", "media", "media/...", "cmd/tandem", "bench/..."},
}

// pkg is what is wanted of one object that `go list -json` prints.
type pkg struct {
	ImportPath string
	Name       string
	Dir        string
	Standard   bool
	Imports    []string
	GoFiles    []string
	CgoFiles   []string
	Module     *struct{ Path string }
}

func (p pkg) room() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

func TestEverythingPointsDown(t *testing.T) {
	for _, p := range ours(t) {
		allowed, ok := longest(rooms, p.room())
		if !ok {
			t.Errorf("%s has no room in the table: say first what it may import", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			inner, isOurs := strings.CutPrefix(imported, module+"/")
			if !isOurs || inner == "clock" {
				continue
			}
			if !covers(allowed, inner) {
				t.Errorf("%s imports %s, but may import only %v", p.ImportPath, imported, allowed)
			}
		}
	}
}

func TestThirdPartyModulesStayInTheirRoom(t *testing.T) {
	for _, p := range ours(t) {
		for _, imported := range p.Imports {
			if !strings.Contains(imported, ".") || strings.HasPrefix(p.room(), "test/") {
				continue
			}
			allowed, ok := home(imported)
			switch {
			case !ok:
				t.Errorf("%s imports %s, which has no home in the table", p.ImportPath, imported)
			case !covers(allowed, p.room()):
				t.Errorf("%s imports %s, whose home is %v", p.ImportPath, imported, allowed)
			}
		}
	}
}

func TestNoCatchAllPackages(t *testing.T) {
	for _, p := range ours(t) {
		if slices.Contains([]string{"util", "utils", "common", "helpers", "helper", "misc"}, p.Name) {
			t.Errorf("%s: name it by what it does", p.ImportPath)
		}
	}
}

// TestNoInit: a package that works at import time cannot be tested twice, nor
// run twice in one process.
func TestNoInit(t *testing.T) {
	fset := token.NewFileSet()
	for _, p := range ours(t) {
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s: func init", fset.Position(f.Pos()))
				}
			}
		}
	}
}

// ours lists the module's own packages with their direct imports. It asks for
// the whole dependency graph, so that a package which does not build, or an
// import nobody can find, fails here by name.
func ours(t *testing.T) []pkg {
	t.Helper()
	readFolders(t)
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Name,Dir,Standard,Imports,GoFiles,CgoFiles,Module", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var list []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module != nil && p.Module.Path == module {
			list = append(list, p)
		}
	}
	if len(list) < 2 {
		t.Fatalf("go list names %d packages of ours: the test looks at nothing", len(list))
	}
	return list
}

// readFolders reads every folder of the module. The test cache follows what a
// test reads, but not what a command that it starts reads: without this, a
// forbidden import could pass on an old result.
func readFolders(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && name != "../.." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// longest finds the most specific entry of the table for a room.
func longest(table map[string][]string, room string) (allowed []string, ok bool) {
	best := -1
	for pattern, a := range table {
		if len(pattern) > best && match(pattern, room) {
			best, allowed, ok = len(pattern), a, true
		}
	}
	if a, exact := table[room]; exact {
		return a, true
	}
	return allowed, ok
}

// home finds the rooms of a third-party import path, by its longest prefix.
func home(imported string) (allowed []string, ok bool) {
	for prefix := imported; prefix != "." && prefix != "/"; prefix = path.Dir(prefix) {
		if a, found := homes[prefix]; found {
			return a, true
		}
	}
	return nil, false
}

func covers(patterns []string, room string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, room) })
}

// match: "..." is everything, "a/..." is everything below a but not a itself.
func match(pattern, room string) bool {
	if pattern == "..." {
		return true
	}
	if below, ok := strings.CutSuffix(pattern, "..."); ok {
		return strings.HasPrefix(room, below)
	}
	return pattern == room
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, room string
		want          bool
	}{
		{"...", "web", true},
		{"media/...", "media/sdp", true},
		{"media/...", "media", false},
		{"media", "media", true},
		{"media", "mediator", false},
		{"media/...", "mediator/sdp", false},
	} {
		if got := match(c.pattern, c.room); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.pattern, c.room, got)
		}
	}
}
