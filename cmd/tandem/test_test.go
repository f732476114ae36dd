package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain is the command itself where a test asks for that: a simulation needs a process
// to itself.
func TestMain(m *testing.M) {
	if args := os.Getenv("TANDEM_TEST_ARGS"); args != "" {
		signals := make(chan os.Signal, 4)
		signal.Notify(signals, os.Interrupt)
		os.Exit(run(strings.Split(args, "\n"), os.Stdout, os.Stderr, signals))
	}
	os.Exit(m.Run())
}

// inProcess runs a command to its end in a process of its own.
func inProcess(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TANDEM_TEST_ARGS="+strings.Join(args, "\n"))
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode(), out.String(), errs.String()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0, out.String(), errs.String()
}

func TestTest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, stdout, stderr := inProcess(t, dir, "test")
	if code != 0 || !strings.HasSuffix(stdout, " passed, 0 failed\n") || strings.HasPrefix(stdout, "0 ") {
		t.Errorf("the shipped specs: exit %d\n%s%s", code, stdout, stderr)
	}

	write(t, filepath.Join(dir, "scripts", "50-main.lua"), `return { on_call = function(call) call:reject(config.get("code") or 486) end }`)
	good := write(t, filepath.Join(dir, "scripts", "spec", "good_spec.lua"), `it("is busy", function() expect(sim.call{ to = "1" }.code):is(486) end)`)
	write(t, filepath.Join(dir, "scripts", "spec", "bad_spec.lua"), `it("is not", function() expect(sim.call{ to = "1" }.code):is(404) end)`)
	write(t, filepath.Join(dir, "tandem.toml"), "[scripts.settings]\ncode = 480\n") // of no account: a spec says what it needs
	code, stdout, _ = inProcess(t, dir, "test")
	if code != 1 || !strings.HasSuffix(stdout, "1 passed, 1 failed\n") {
		t.Errorf("one that fails: exit %d\n%s", code, stdout)
	}
	code, stdout, _ = inProcess(t, dir, "test", "-v", "--filter", "IS BUSY")
	if code != 0 || !strings.Contains(stdout, "✓ is busy") || !strings.HasSuffix(stdout, "1 passed, 0 failed\n") {
		t.Errorf("one by its name: exit %d\n%s", code, stdout)
	}
	if code, _, stderr := inProcess(t, dir, "test", "--filter", "no such"); code != 1 || !strings.Contains(stderr, `no spec has "no such" in its name`) {
		t.Errorf("none by its name: exit %d, %s", code, stderr)
	}
	code, stdout, _ = inProcess(t, dir, "test", "--json")
	var all struct {
		Passed, Failed int
		Specs          []struct{ File, Name, Error string }
	}
	if err := json.Unmarshal([]byte(stdout), &all); err != nil || code != 1 || all.Passed != 1 || all.Failed != 1 || len(all.Specs) != 2 || all.Specs[0].File != "bad_spec.lua" || all.Specs[0].Error == "" {
		t.Errorf("as JSON: exit %d, %v\n%s", code, err, stdout)
	}
	code, stdout, _ = inProcess(t, dir, "test")
	mustContain(t, "the output", stdout, "bad_spec.lua:1: expected 404, got 486", "INVITE sip:1@10.0.0.1")
	if code, stdout, _ := inProcess(t, t.TempDir(), "test", "--scripts", filepath.Join(dir, "scripts"), good); code != 0 || !strings.HasSuffix(stdout, "1 passed, 0 failed\n") {
		t.Errorf("one file: exit %d\n%s", code, stdout)
	}
	empty := filepath.Join(dir, "empty")
	write(t, filepath.Join(empty, "50-main.lua"), "return {}")
	if code, _, stderr := inProcess(t, dir, "test", "--scripts", empty); code != 1 || !strings.Contains(stderr, "there are no specs") {
		t.Errorf("no specs: exit %d, %s", code, stderr)
	}
}

// With --watch the specs run after each change, until Ctrl-C.
func TestTestWatches(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := func(code string) {
		write(t, filepath.Join(dir, "scripts", "50-main.lua"), `return { on_call = function(call) call:reject(`+code+`) end }`)
	}
	script("486")
	write(t, filepath.Join(dir, "scripts", "spec", "a_spec.lua"), `it("is busy", function() sim.call{ to = "1" }:ends(486) end)`)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TANDEM_TEST_ARGS=test\n--watch")
	out := newOutput()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	seen := 0
	ends := func(what string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			_, rest, found := strings.Cut(out.String()[seen:], what+"\n")
			if i := strings.Index(rest, "waiting for changes"); found && i >= 0 {
				seen = len(out.String()) - len(rest) + i
				return
			}
			if time.Now().After(end) {
				t.Fatalf("no %q in\n%s", what, out.String()[seen:])
			}
		}
	}
	ends("1 passed, 0 failed")
	script("4800000") // another size: the time of a file may be as coarse as a second
	ends("0 passed, 1 failed")
	script("")
	ends("0 passed, 1 failed")
	script("486, 'x'")
	ends("1 passed, 0 failed")
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), "return {\n")
	ends("syntax error: the file ends too early")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v\n%s", err, out)
	}
}
