package scripting

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/yuin/gopher-lua/ast"
)

var update = flag.Bool("update", false, "write the generated files anew")

// The definitions for editors and the reference say what the server does.
func TestGenerated(t *testing.T) {
	a := newAPI()
	for path, want := range map[string]string{"../scripts/tandem.d.lua": a.definitions(), "../docs/lua.md": a.reference()} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is out of date: go test ./scripting -run TestGenerated -update", path)
		}
	}
}

// eachFunction visits all that scripts may call, and what examples call its object.
func (a *api) eachFunction(visit func(name string, f function)) {
	for _, f := range a.globals {
		visit(f.name, f)
	}
	for _, m := range a.modules {
		for _, f := range m.functions {
			visit(m.name+"."+f.name, f)
		}
	}
	for _, c := range a.classes {
		for _, f := range c.methods {
			visit(c.name+":"+f.name, f)
		}
	}
}

// The definitions are Lua. Every function is described in a sentence and has an example that
// compiles and that the linter has nothing to say about.
func TestExamples(t *testing.T) {
	t.Parallel()
	a := newAPI()
	if _, _, err := compileText(a.definitions(), "tandem.d.lua"); err != nil {
		t.Error(err)
	}
	a.eachFunction(func(name string, f function) {
		if !strings.HasSuffix(f.doc, ".") {
			t.Errorf("the description of %s is no sentence: %q", name, f.doc)
		}
		if f.example == "" && f.run != nil {
			t.Errorf("%s has no example", name)
		}
		for _, wrong := range lintExample(a, name, f.example) {
			t.Errorf("the example of %s: %s\n%s", name, wrong, f.example)
		}
	})
}

// lintExample lints an example as part of a plugin's handler, which has the objects that examples
// speak of: each by its class's name, a transaction, and what record returned.
func lintExample(a *api, name, example string) []string {
	var chunk []ast.Stmt
	var err error
	objects := "call, tx, message"
	for _, c := range a.classes {
		if len(c.methods) > 0 {
			objects += ", " + lowerFirst(c.name)
		}
	}
	for _, form := range []string{"return { on_call = function(%s)\n%s\nend }", "return function(%s) return %s\n end", "local %s\n%s"} {
		if chunk, _, err = compileText(fmt.Sprintf(form, objects, example), name); err == nil {
			break
		}
	}
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	g := &generation{plugins: []*script{{name: "example", chunk: chunk}}, lib: map[string]*script{}}
	for _, e := range lintAll(a, files{}, g) {
		if !strings.HasPrefix(e.Message, "no prompt ") && !strings.HasPrefix(e.Message, "no module ") { // the reader's own
			found = append(found, e.Message)
		}
	}
	return found
}
