package main

import (
	"path/filepath"
	"testing"
)

// A user whom only a script knows calls by its password; a script
// sees the finished record.
func TestScriptsAreAsked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tandem.toml"), "[[acl]]\nallow = [\"192.0.2.1/32\"]\n")
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), `return {
		on_auth = function(user, realm) if user == "3001" then return { password = "elsewhere" } end end,
		on_call = function(call) call:answer() end,
		on_hangup = function(cdr) log.info("finished", { user = cdr.auth_user, number = cdr.to_user, state = cdr.state }) end,
	}`)
	s := serve(t, "-c", filepath.Join(dir, "tandem.toml"), "--data", filepath.Join(dir, "data"))
	code, _, stderr := command("call", "sip:700@"+s.sip, "--user", "3001", "--password", "elsewhere")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s.await(s.stderr, `finished.*number=700.*state=answered.*user=3001`)
	if code, _, stderr := command("call", "sip:700@"+s.sip, "--user", "3001", "--password", "wrong"); code != 1 {
		t.Errorf("exit %d with a wrong password: %s", code, stderr)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
}
