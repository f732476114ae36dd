package main

import (
	"path/filepath"
	"testing"
)

// What scripts share with persist outlives the process; the rest does not.
func TestRestartKeepsSharedValues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), `return { on_load = function()
		log.info("began " .. shared.incr("kept", 1, { persist = true }) .. "/" .. shared.incr("not kept"))
		shared.set("late", "x", { persist = true, ttl = 0.001 })
		log.info("late " .. tostring(shared.get("early")))
		shared.set("early", { list = { 1, "ü" } }, { persist = true })
	end }
`)
	file := write(t, filepath.Join(dir, "tandem.toml"), "")
	for _, want := range []string{"began 1/1", "began 2/1"} {
		s := serve(t, "-c", file, "--data", data)
		if code := s.stop(); code != 0 {
			t.Fatalf("exit %d\n%s", code, s.stderr)
		}
		mustContain(t, "the log", s.stderr.String(), want)
		if want == "began 2/1" {
			mustContain(t, "the log", s.stderr.String(), "late table: ")
		}
	}
}
