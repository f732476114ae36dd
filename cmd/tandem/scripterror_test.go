package main

import (
	"path/filepath"
	"testing"
)

// An error of a script is found by its call: in the log, the record and the API, with the
// place and how the script got there.
func TestScriptErrorsAreFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lib", "rates.lua"), "local M = {}\nfunction M.of(number)\n  return M.table[number]\nend\nreturn M\n")
	write(t, filepath.Join(dir, "50-main.lua"), "local rates = require 'rates'\nreturn { on_call = function(call)\n  log.info('asking')\n  local rate = rates.of(call.number)\n  call:reject(603)\nend }\n")
	s := serve(t, "--data", t.TempDir(), "--scripts", dir)
	if _, err := s.dial(caller(t), "4711"); err == nil {
		t.Fatal("the call was answered")
	}
	var page struct{ Items []map[string]any }
	eventually(t, "the record is there", func() bool {
		s.get("/api/v1/cdrs", &page)
		return len(page.Items) == 1 && page.Items[0]["end_ms"] != nil
	})
	id := page.Items[0]["id"].(string)
	var record map[string]any
	s.get("/api/v1/cdrs/"+id, &record)
	text, _ := record["script_error"].(string)
	parts := []string{"lib/rates.lua:3: ", "stack traceback:", "50-main.lua:4: in"}
	mustContain(t, "the record's script_error", text, parts...)
	if record["sip_code"] != 500.0 || record["flags"] != "script_error" {
		t.Errorf("code %v, flags %v", record["sip_code"], record["flags"])
	}
	line := s.await(s.stderr, `level=ERROR msg="script: lib/rates.lua:3: [^\n]*`)[0]
	mustContain(t, "the log", line, "call="+id, "script=50-main.lua", "generation=1", "stack traceback:", "50-main.lua:4: in")
}
