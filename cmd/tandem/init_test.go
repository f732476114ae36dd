package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestInitCheckServe(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pbx")
	code, stdout, stderr := command("init", dir)
	if code != 0 || stderr != "" {
		t.Fatalf("init: exit %d, %s", code, stderr)
	}
	file := filepath.Join(dir, "tandem.toml")
	mustContain(t, "init", stdout, "files written to "+dir, "tandem serve -c "+file)
	for _, name := range []string{"tandem.toml", "scripts/50-main.lua", "scripts/tandem.d.lua", ".luarc.json", "scripts/.luarc.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	var editor map[string]any
	if text, err := os.ReadFile(filepath.Join(dir, ".luarc.json")); err != nil || json.Unmarshal(text, &editor) != nil || editor["runtime.version"] != "Lua 5.1" {
		t.Errorf(".luarc.json: %v, %v", err, editor)
	}
	code, stdout, stderr = command("check", "-c", file)
	if code != 0 || stdout != "fine: "+file+", "+filepath.Join(dir, "scripts")+"\n" {
		t.Errorf("check: exit %d, %q, %q", code, stdout, stderr)
	}
	s := serve(t, "-c", file)
	if _, err := os.Stat(filepath.Join(dir, "data", "tandem.db")); err != nil {
		t.Errorf("the data does not lie beside the file: %v", err)
	}
	s.stop()

	mine := "-- mine\nreturn {}\n"
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), mine)
	os.Remove(file)
	code, stdout, _ = command("init", dir)
	if code != 0 {
		t.Errorf("init again: exit %d", code)
	}
	mustContain(t, "init again", stdout, "kept "+filepath.Join(dir, "scripts", "50-main.lua"), "1 file written")
	if got, _ := os.ReadFile(filepath.Join(dir, "scripts", "50-main.lua")); string(got) != mine {
		t.Error("init overwrote a script")
	}
}

func TestInitWhereItCannot(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "file"), "")
	code, stdout, stderr := command("init", file)
	if code != 1 || stdout != "" || stderr != "tandem: mkdir "+file+": not a directory\n" {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), "return {\n  on_call = function(call)\n    call:anser()\n  end\n}\n")
	write(t, filepath.Join(dir, "scripts", "60-more.lua"), "return {\n")
	file := write(t, filepath.Join(dir, "tandem.toml"), "[sip]\nlsiten = []\n")
	code, stdout, stderr := command("check", "-c", file)
	if code != 1 {
		t.Errorf("exit %d", code)
	}
	mustContain(t, "check", stdout, file+":2: sip.lsiten: unknown key", "60-more.lua:")
	if !strings.HasPrefix(stderr, "tandem: ") || !strings.HasSuffix(stderr, " errors\n") {
		t.Errorf("stderr: %q", stderr)
	}
	code, stdout, _ = command("check", "--json", "-c", file)
	var found []map[string]any
	if err := json.Unmarshal([]byte(stdout), &found); err != nil || code != 1 || len(found) != 3 {
		t.Fatalf("as JSON: exit %d, %v, %s", code, err, stdout)
	}
	for i, want := range []map[string]any{
		{"file": file, "line": 2.0, "severity": "error", "message": "sip.lsiten: unknown key: did you mean \"listen\"?"},
		{"file": filepath.Join(dir, "scripts", "50-main.lua"), "line": 3.0, "severity": "error", "message": "a Call has no method anser (did you mean answer?)"},
		{"file": filepath.Join(dir, "scripts", "60-more.lua"), "line": 2.0, "severity": "error", "message": "syntax error: the file ends too early"},
	} {
		if !reflect.DeepEqual(found[i], want) {
			t.Errorf("%v; want %v", found[i], want)
		}
	}
	write(t, filepath.Join(dir, "scripts", "60-more.lua"), "return {} end")
	_, stdout, _ = command("check", "--json", "-c", file, "--scripts", filepath.Join(dir, "scripts"))
	mustContain(t, "a syntax error", stdout, `"line":1,"column":11,"severity":"error"`)
	code, stdout, stderr = command("check", "--json", "--data", dir)
	if code != 0 || stdout != "[]\n" || stderr != "" {
		t.Errorf("nothing wrong, as JSON: exit %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr = command("check", "--data", dir)
	if code != 0 || stdout != "fine: built-in configuration, the shipped scripts\n" {
		t.Errorf("built in: exit %d, %q, %q", code, stdout, stderr)
	}
}
