package scripting

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// scriptDir writes files below a fresh folder.
func scriptDir(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "scripts")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		writeFile(t, filepath.Join(dir, name), text)
	}
	return dir
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func testOptions(dir string) Options {
	return Options{Dir: dir, Shipped: fstest.MapFS{"50-main.lua": {Data: []byte("return {}")}}, Log: slog.New(slog.DiscardHandler)}
}

func newTestEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(e.Close)
	return e
}

// eval runs Lua in a fresh state of the engine and returns what the chunk returned, as text.
func eval(t testing.TB, e *Engine, text string) (string, *ScriptError) {
	t.Helper()
	_, proto, err := compileText(text, "test.lua")
	if err != nil {
		return "", &ScriptError{Message: err.Error()}
	}
	s := newState(t.Context(), e, e.current.Load(), nil)
	defer s.release()
	v, serr := s.callIn(s.L, s.L.NewFunctionFromProto(proto))
	if serr != nil {
		return "", serr
	}
	return show(v), nil
}

func show(v lua.LValue) string {
	if v.Type() == lua.LTTable {
		data, err := toGo(v)
		if err != nil {
			return err.Error()
		}
		text, err := encodeJSON(data)
		if err != nil {
			return err.Error()
		}
		return text
	}
	return v.String()
}

func TestLoadRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		line       int
		want       string
	}{
		{"syntax", "return {\n  on_call = function(call\n}", 3, "syntax error"},
		{"ends early", "return {\n  on_call = function(call)\n", 3, "ends too early"},
		{"top level", "local x = 1\nerror('boom')", 2, "boom"},
		{"nil call", "local x = nil\n\nx()", 3, "attempt to call"},
		{"no table", "local x = 1\nreturn x", 2, "returns a table of handlers"},
		{"nothing", "local x = 1", 1, "returns a table of handlers"},
		{"unknown handler", "return {\n  on_cal = function() end,\n}", 2, "unknown handler on_cal (did you mean on_call?)"},
		{"not a function", "return { on_call = 1 }", 0, "on_call must be a function, got number"},
		{"on_load", "return {\n on_load = function()\n  error('no database')\n end }", 3, "no database"},
		{"endless top level", "while true do end", 1, "call_cpu"},
		{"goto", "goto nowhere", 1, "no visible label"},
		{"bytecode", "\x1bLuaQ", 0, "compiled Lua"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := scriptDir(t, map[string]string{"50-main.lua": tt.text})
			o := testOptions(dir)
			o.CallCPU = 50 * time.Millisecond
			_, err := New(o)
			errs, ok := err.(FileErrors)
			if !ok || len(errs) != 1 {
				t.Fatalf("New = %v; want one FileError", err)
			}
			if errs[0].File != filepath.Join(dir, "50-main.lua") || errs[0].Line != tt.line || !strings.Contains(errs[0].Message, tt.want) {
				t.Errorf("got %q; want line %d and %q", errs[0].Error(), tt.line, tt.want)
			}
		})
	}
}

func TestReloadIsAllOrNothing(t *testing.T) {
	t.Parallel()
	dir := scriptDir(t, map[string]string{"10-a.lua": "return {}", "50-main.lua": "return {}", "lib/m.lua": "return {}", "notes.d.lua": "syntax ( error", ".x.lua": "("})
	e := newTestEngine(t, testOptions(dir))
	if st := e.Status(); st.Generation != 1 || fmt.Sprint(st.Files) != "[10-a.lua 50-main.lua]" || len(st.Errors) != 0 {
		t.Fatalf("status at start: %+v", st)
	}
	writeFile(t, filepath.Join(dir, "lib/m.lua"), "local = 1")
	errs := e.Reload()
	if len(errs) != 1 || errs[0].File != filepath.Join(dir, "lib/m.lua") || errs[0].Line != 1 {
		t.Fatalf("errors of a broken lib: %v", errs)
	}
	st := e.Status()
	if st.Generation != 1 || len(st.Errors) != 1 {
		t.Fatalf("status with a broken lib: %+v", st)
	}
	writeFile(t, filepath.Join(dir, "lib/m.lua"), "return { v = 2 }")
	if errs := e.Reload(); len(errs) != 0 {
		t.Fatalf("errors after the repair: %v", errs)
	}
	if st := e.Status(); st.Generation != 2 || len(st.Errors) != 0 || len(st.Generations) != 1 {
		t.Fatalf("status after the repair: %+v", st)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if errs := e.Reload(); len(errs) == 0 || e.Status().Generation != 2 {
		t.Fatalf("a missing folder: errors %v, generation %d", errs, e.Status().Generation)
	}
}

func TestGenerationStaysWithItsState(t *testing.T) {
	t.Parallel()
	dir := scriptDir(t, map[string]string{"50-main.lua": "return { on_call = function() return require('m') end }", "lib/m.lua": "return 'old'"})
	e := newTestEngine(t, testOptions(dir))
	g := e.current.Load()
	s := newState(t.Context(), e, g, nil)
	defer s.release()
	writeFile(t, filepath.Join(dir, "lib/m.lua"), "return 'new'")
	if errs := e.Reload(); len(errs) > 0 {
		t.Fatal(errs)
	}
	h, err := s.handlers(s.L, g.plugins[0])
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.callIn(s.L, h.RawGetString("on_call").(*lua.LFunction))
	if err != nil || v.String() != "old" {
		t.Fatalf("a state of the old generation got %v, %v", v, err)
	}
	if got, err := eval(t, e, "return require('m')"); err != nil || got != "new" {
		t.Fatalf("a new state got %q, %v", got, err)
	}
}

func TestShippedBehindTheFolder(t *testing.T) {
	t.Parallel()
	shipped := fstest.MapFS{
		"50-main.lua":     {Data: []byte("error('replaced as a whole')")},
		"lib/greet.lua":   {Data: []byte("return 'shipped greet'")},
		"lib/deep/x.lua":  {Data: []byte("return 'shipped x'")},
		"lib/y/init.lua":  {Data: []byte("return 'shipped y'")},
		"prompts/one.wav": {Data: []byte("RIFF")},
	}
	dir := scriptDir(t, map[string]string{"10-mine.lua": "return {}", "lib/greet.lua": "return 'my greet'"})
	o := testOptions(dir)
	o.Shipped = shipped
	e := newTestEngine(t, o)
	got, err := eval(t, e, "return { require 'greet', require 'deep.x', require 'y' }")
	if err != nil || got != `["my greet","shipped x","shipped y"]` {
		t.Fatalf("got %s, %v", got, err)
	}
	for _, name := range []string{"../secret", "/etc/passwd", "greet.lua", "..", "deep/../../x"} {
		if _, err := eval(t, e, "return require "+quote(name)); err == nil || !strings.Contains(err.Message, "no module") {
			t.Errorf("require %q: %v", name, err)
		}
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	dir := scriptDir(t, map[string]string{
		"50-main.lua":   "return {}",
		"lib/count.lua": "n = (n or 0) + 1\nreturn { name = ... , n = n }",
		"lib/a.lua":     "return require 'b'",
		"lib/b.lua":     "return require 'a'",
		"lib/bad.lua":   "local t = nil\nreturn t.x",
		"lib/void.lua":  "",
	})
	e := newTestEngine(t, testOptions(dir))
	if got, err := eval(t, e, "local a, b = require 'count', require 'count' return { a == b, a.n, a.name }"); err != nil || got != `[true,1,"count"]` {
		t.Errorf("required twice: %s, %v", got, err)
	}
	if _, err := eval(t, e, "require 'a'"); err == nil || !strings.Contains(err.Message, "requires itself") {
		t.Errorf("a loop: %v", err)
	}
	if _, err := eval(t, e, "require 'bad'"); err == nil || !strings.HasPrefix(err.Message, "lib/bad.lua:2:") {
		t.Errorf("an error in a module: %v", err)
	}
	if got, err := eval(t, e, "return tostring(require 'void')"); err != nil || got != "true" {
		t.Errorf("a module that returns nothing: %s, %v", got, err)
	}
	if _, err := eval(t, e, "require 'cuont'"); err == nil || !strings.Contains(err.Message, "did you mean count?") {
		t.Errorf("a misspelt module: %v", err)
	}
}

// waitGeneration waits until the engine has reached generation id.
func waitGeneration(t *testing.T, e *Engine, id int64) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for e.Status().Generation < id {
		if time.Now().After(deadline) {
			t.Fatalf("generation %d; want %d", e.Status().Generation, id)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	dir := scriptDir(t, map[string]string{"50-main.lua": "return {}"})
	o := testOptions(dir)
	o.Watch = true
	reloads := make(chan Status, 16)
	o.OnReload = func(s Status) { reloads <- s }
	e := newTestEngine(t, o)
	<-reloads

	// as editors do: a temporary file, then a rename
	writeFile(t, filepath.Join(dir, ".50-main.lua.swp"), "half a")
	writeFile(t, filepath.Join(dir, "50-main.lua~"), "return { -- edited\n}")
	if err := os.Rename(filepath.Join(dir, "50-main.lua~"), filepath.Join(dir, "50-main.lua")); err != nil {
		t.Fatal(err)
	}
	waitGeneration(t, e, 2)

	// a new folder and what is in it
	writeFile(t, filepath.Join(dir, "lib", "new.lua"), "return 1")
	waitGeneration(t, e, 3)
	writeFile(t, filepath.Join(dir, "lib", "new.lua"), "return 2")
	waitGeneration(t, e, 4)

	// broken, then repaired
	<-reloads
	<-reloads
	<-reloads
	writeFile(t, filepath.Join(dir, "50-main.lua"), "return {")
	if st := <-reloads; st.Generation != 4 || len(st.Errors) != 1 {
		t.Fatalf("a broken file: %+v", st)
	}
	writeFile(t, filepath.Join(dir, "50-main.lua"), "return { --repaired\n}")
	waitGeneration(t, e, 5)
}

// A folder that is a link is followed when the link is pointed elsewhere, as deployments do.
func TestWatchSymlinkSwap(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, v := range []string{"v1", "v2"} {
		writeFile(t, filepath.Join(root, "releases", v, "50-main.lua"), "return {} --"+v)
	}
	link := filepath.Join(root, "current")
	if err := os.Symlink("releases/v1", link); err != nil {
		t.Fatal(err)
	}
	o := testOptions(link)
	o.Watch = true
	e := newTestEngine(t, o)
	if err := os.Symlink("releases/v2", link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	waitGeneration(t, e, 2)
	writeFile(t, filepath.Join(root, "releases", "v2", "50-main.lua"), "return {} -- v2, edited")
	waitGeneration(t, e, 3)
}

// Source as deep as a file may be is refused or taken, and the process lives on.
func TestDeepSource(t *testing.T) {
	t.Parallel()
	const deep = maxFile / 8 // all of it takes the race detector a while
	for name, text := range map[string]string{
		"parentheses": "return " + strings.Repeat("(", deep/2-8) + "1" + strings.Repeat(")", deep/2-8),
		"tables":      "return " + strings.Repeat("{", deep/2-8) + strings.Repeat("}", deep/2-8),
		"minus":       "return " + strings.Repeat("- ", deep/2-8) + "1",
		"concat":      "return 1" + strings.Repeat(" .. 1", deep/5-8),
		"functions":   strings.Repeat("f(function() ", deep/20) + strings.Repeat("end) ", deep/20),
		"calls":       "f" + strings.Repeat("()", deep/2-8),
		"open":        strings.Repeat("(", deep),
		"blocks":      strings.Repeat("do ", deep/7) + strings.Repeat("end ", deep/7),
	} {
		f := files{dir: scriptDir(t, map[string]string{"50-main.lua": text})}
		began := time.Now()
		s, fe := compile(f, "50-main.lua")
		if fe == nil {
			lintAll(newAPI(), f, &generation{plugins: []*script{s}})
		}
		if took := time.Since(began); took > tooLong {
			t.Errorf("%s: took %v (%v)", name, took, fe)
		}
		if refused := fe != nil; refused != (name != "parentheses") { // which leave no trace in the tree
			t.Errorf("%s: refused: %v", name, fe)
		}
	}
	if _, _, err := compileText("return 1"+strings.Repeat(" .. 1", 100)+" "+strings.Repeat("+ 1", 500), "x"); err != nil {
		t.Errorf("a long expression: %v", err)
	}
	if _, _, err := compileText("if a then"+strings.Repeat(" elseif a then", 500)+" end", "x"); err != nil {
		t.Errorf("a long chain of elseif: %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	dir := scriptDir(t, map[string]string{
		"50-main.lua":        "local m = require 'mm'\nreturn { on_load = function() error('not run by check') end, on_call = function(call) lgo.info('x') end }",
		"lib/m.lua":          "shared_thing = 1\nreturn shared_thing",
		"spec/main_spec.lua": "it(",
	})
	o := testOptions(dir)
	var got []string
	for _, fe := range Check(o) {
		rel, _ := filepath.Rel(dir, fe.File)
		fe.File = rel
		got = append(got, fe.Error())
	}
	want := []string{
		"50-main.lua:1: no module mm in lib/ (did you mean m?)",
		"50-main.lua:1: require: no module \"mm\" in lib/ (did you mean m?)",
		"50-main.lua:2: undefined global lgo (did you mean log?)",
		"spec/main_spec.lua:1: syntax error: the file ends too early",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if found := Check(Options{Dir: filepath.Join(dir, "nowhere")}); len(found) != 1 {
		t.Errorf("a folder that is not there: %v", found)
	}
}
