//go:build interop

package interop

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// readme returns the README's code blocks in one language.
func readme(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("README.md has no %s block", language)
	}
	return blocks
}

// TestFirstMinuteOfTheREADME types what the README says, word for word but for
// the ports, which a test must not fix.
func TestFirstMinuteOfTheREADME(t *testing.T) {
	t.Parallel()
	const program = "go run ./cmd/tandem "
	blocks := readme(t, "sh")
	if len(blocks) != 2 || strings.TrimSpace(blocks[0]) != program+"serve" {
		t.Fatalf("the first minute is not what this test knows: %q", blocks)
	}
	srv := serve(t, setup{})
	var printed string
	for line := range strings.Lines(blocks[1]) {
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
	script := readme(t, "lua")[0]
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
