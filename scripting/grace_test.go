package scripting

import (
	"context"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// wait blocks as http and db will: a hangup does not end it.
func wait(L *lua.LState) int {
	d := time.Duration(L.CheckInt(1)) * time.Second
	of(L).block(L, "test_wait", func(ctx context.Context) {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	})
	return 0
}

// A script has 5 s to tidy up after its call, and is then ended whatever it does.
func TestGrace(t *testing.T) {
	dir := map[string]string{"50-main.lua": report(`
		call:answer()
		call:sleep(60)
		call:sleep(1)
		log.info("tidying")
		test_wait(call.number == "long" and 60 or 4)
		log.info("tidied")
		shared.set("tidied", true)
	`)}
	t.Parallel()
	inWorldOf(t, dir, func(w *world) {
		w.engine.builtin.globals["test_wait"] = goFunction(wait)
		for number, want := range map[string]struct {
			took time.Duration
			says string
			err  string
		}{
			"short": {4 * time.Second, "tidying\ntidied", ""},
			"long":  {tidyUp, "tidying", errGrace.Error()},
		} {
			c := w.caller(number)
			time.Sleep(time.Second)
			began := time.Now()
			w.hangup(c)
			r := w.record()
			if took := time.Since(began); took < want.took || took > want.took+time.Second {
				t.Errorf("%s: the script went on for %v", number, took)
			}
			if got := says(r); !strings.HasPrefix(got, want.says) || strings.Contains(want.says, "tidied") != strings.Contains(got, "tidied") {
				t.Errorf("%s: %q", number, got)
			}
			if !strings.Contains(r.Call.ScriptError, want.err) || want.err == "" && r.Call.ScriptError != "" {
				t.Errorf("%s: the record's error is %q; want %q", number, r.Call.ScriptError, want.err)
			}
		}
	})
}

// What waits may not be used where others wait for the script.
func TestNoWaitingEverywhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"test_wait(1)\nreturn {}":  "test_wait waits, and cannot be used at the top level of a file",
		"require 'nap'\nreturn {}": "test_wait waits, and cannot be used at the top level of a file",
		"return { on_load = function() shared.update('k', function() test_wait(1) end) end }": "test_wait waits, and cannot be used inside shared.update",
		"return { on_load = function() test_wait(0) pcall(shared.update) end }":               "",
	} {
		e := newEngine(testOptions(scriptDir(t, map[string]string{"50-main.lua": text, "lib/nap.lua": "test_wait(1)"})))
		e.builtin.globals["test_wait"] = goFunction(wait)
		errs := e.Reload()
		if want == "" && len(errs) > 0 || want != "" && (len(errs) != 1 || !strings.Contains(errs[0].Message, want)) {
			t.Errorf("%q: %v; want %q", text, errs, want)
		}
		e.Close()
	}
}
