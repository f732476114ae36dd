package scripting

import (
	"flag"
	"os"
	"strings"
	"testing"
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

// The definitions are Lua, and so is every example.
func TestExamplesCompile(t *testing.T) {
	t.Parallel()
	a := newAPI()
	if _, _, err := compileText(a.definitions(), "tandem.d.lua"); err != nil {
		t.Error(err)
	}
	check := func(f function) {
		if f.doc == "" {
			t.Errorf("%s has no description", f.name)
		}
		if _, _, err := compileText(f.example, f.name); err != nil {
			if _, _, err := compileText("return "+f.example, f.name); err != nil {
				t.Errorf("the example of %s: %v", f.name, err)
			}
		}
		if strings.HasSuffix(f.doc, "\n") || f.doc != "" && !strings.HasSuffix(f.doc, ".") {
			t.Errorf("the description of %s is no sentence: %q", f.name, f.doc)
		}
	}
	for _, m := range a.modules {
		for _, f := range m.functions {
			check(f)
		}
	}
	for _, c := range a.classes {
		for _, f := range c.methods {
			check(f)
		}
	}
}
