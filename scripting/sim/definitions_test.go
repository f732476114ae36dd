package sim

import (
	"flag"
	"os"
	"strings"
	"testing"

	"tandem/scripting"
)

var update = flag.Bool("update", false, "write the generated texts anew")

const (
	begin = "<!-- generated from the simulation's own table: go test ./scripting/sim -run TestGenerated -update -->\n"
	end1  = "<!-- end -->\n"
)

// The definitions for editors and the reference say what specs may call.
func TestGenerated(t *testing.T) {
	page, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end1)
	if !ok || !closed {
		t.Fatal("docs/testing.md has lost its marks")
	}
	for path, want := range map[string]string{"../../scripts/sim.d.lua": definitions(), "../../docs/testing.md": before + begin + reference() + "\n" + end1 + after} {
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
			t.Errorf("%s is out of date: go test ./scripting/sim -run TestGenerated -update", path)
		}
	}
	if err := scripting.Syntax("sim.d.lua", definitions()); err != nil {
		t.Error(err)
	}
	for _, o := range new(file).objects() {
		for _, fn := range o.functions {
			if !strings.HasSuffix(fn.doc, ".") && !strings.HasSuffix(fn.doc, "`.") || fn.run == nil {
				t.Errorf("%s:%s: %q is no sentence, or nothing runs", o.called, fn.name, fn.doc)
			}
		}
	}
}
