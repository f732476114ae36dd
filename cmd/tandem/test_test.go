package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain is the command itself where a test asks for that: a simulation needs a process
// to itself.
func TestMain(m *testing.M) {
	if args := os.Getenv("TANDEM_TEST_ARGS"); args != "" {
		os.Exit(run(strings.Split(args, "\n"), os.Stdout, os.Stderr, nil))
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
