//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// blocks returns a page's code blocks in one language.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", page))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		found = append(found, m[1])
	}
	if len(found) == 0 {
		t.Fatalf("%s has no %s block", page, language)
	}
	return found
}

// TestFirstMinuteOfTheREADME types what the README says, word for word but for
// the ports, which a test must not fix.
func TestFirstMinuteOfTheREADME(t *testing.T) {
	t.Parallel()
	const program = "go run ./cmd/tandem "
	typed := blocks(t, "README.md", "sh")
	if len(typed) != 2 || strings.TrimSpace(typed[0]) != program+"serve" {
		t.Fatalf("the first minute is not what this test knows: %q", typed)
	}
	srv := serve(t, setup{})
	var printed string
	for line := range strings.Lines(typed[1]) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), program)
		if !ok {
			t.Fatalf("README.md: %q does not start with %s", line, program)
		}
		line = strings.ReplaceAll(line, "@127.0.0.1", "@"+srv.udp.String())
		args := strings.Fields(strings.ReplaceAll(line, "'", ""))
		out, code := srv.tandem(t, args...)
		if code != 0 {
			t.Errorf("tandem %s: exit %d", line, code)
		}
		printed = out
	}
	// The last command lists the call that the one before it made.
	if !strings.Contains(printed, "700") || !strings.Contains(printed, "answered") {
		t.Errorf("the list of records does not show the answered call to 700:\n%s", printed)
	}
	if log := srv.out.String(); !strings.Contains(log, "1001") || !strings.Contains(log, "1002") {
		t.Errorf("the first start tells of no users:\n%s", log)
	}
}

// TestScriptOfTheREADME: the script is what it says it is, and short.
func TestScriptOfTheREADME(t *testing.T) {
	t.Parallel()
	script := blocks(t, "README.md", "lua")[0]
	if n := strings.Count(script, "\n"); n > 10 {
		t.Errorf("the script has %d lines, the README promises few", n)
	}
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": script}})
	if out, code := srv.tandem(t, "call", srv.uri("1"), "--dtmf", "9"); code != 0 {
		t.Errorf("a call to it: exit %d:\n%s", code, out)
	}
	call := srv.finished(t, 1)[0]
	expect(t, call, "state", "answered")
	expect(t, call, "script_error", "")
	expect(t, call, "released_by", "script")
}

// TestScriptsOfTheDocs: every piece of Lua on the page about scripts and on those about the
// applications compiles and passes the linter, and specs hold.
func TestScriptsOfTheDocs(t *testing.T) {
	t.Parallel()
	apps, err := filepath.Glob(filepath.Join("..", "..", "docs", "apps", "*.md"))
	if err != nil || len(apps) == 0 {
		t.Fatalf("no pages about applications: %v", err)
	}
	pages := []string{filepath.Join("docs", "scripts.md")}
	for _, page := range apps {
		pages = append(pages, filepath.Join("docs", "apps", filepath.Base(page)))
	}
	for _, page := range pages {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			checkPage(t, page)
		})
	}
}

func checkPage(t *testing.T, page string) {
	s := &server{dir: t.TempDir()}
	dir := filepath.Join(s.dir, "scripts")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, piece := range blocks(t, page, "lua") {
		if strings.HasPrefix(piece, "describe(") { // a spec, of the shipped scripts
			alone := &server{dir: t.TempDir()}
			writeFile(t, filepath.Join(alone.dir, "docs_spec.lua"), piece)
			if out, code := alone.tandem(t, "test", "docs_spec.lua"); code != 0 {
				t.Errorf("tandem test: exit %d:\n%s", code, out)
			}
			continue
		}
		if !regexp.MustCompile(`(?m)^return \{`).MatchString(piece) {
			piece = "return { on_call = function(call)\n" + piece + "end }\n"
		}
		writeFile(t, filepath.Join(dir, fmt.Sprintf("%02d.lua", i)), piece)
	}
	if out, code := s.tandem(t, "check", "--scripts", "scripts"); code != 0 {
		t.Errorf("tandem check: exit %d:\n%s", code, out)
	}
}

// TestCommandsOfTheDocs types each command of the page about records.
func TestCommandsOfTheDocs(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{})
	sipp(t, "uac", srv.udp, "-s", "700", "-d", "200").succeeds(t)
	id, _ := srv.finished(t, 1)[0]["id"].(string)
	for line := range strings.Lines(blocks(t, filepath.Join("docs", "records.md"), "sh")[0]) {
		line, _, _ = strings.Cut(line, "#")
		line, _, _ = strings.Cut(line, ">")
		args := strings.Fields(strings.ReplaceAll(strings.ReplaceAll(line, "'", ""), "tujo4tln", id[:8]))
		if _, code := srv.tandem(t, args[1:]...); args[0] != "tandem" || code != 0 {
			t.Errorf("%s: exit %d", line, code)
		}
	}
}

// TestREADMEIsShort: it is read by people who have not decided yet.
func TestREADMEIsShort(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 80 {
		t.Errorf("README.md has %d lines, two screens are 80", n)
	}
}
