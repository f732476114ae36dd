package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"tandem/store"
)

// TestEventsTellWhatHappens listens to the API while a call comes and goes and scripts are
// reloaded, once well and once not.
func TestEventsTellWhatHappens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plugin := filepath.Join(dir, "scripts", "50-main.lua")
	write(t, plugin, `return { on_call = function(call) call:answer() call:hangup() end }`)
	s := serve(t, "--data", filepath.Join(dir, "data"), "--scripts", filepath.Join(dir, "scripts"))
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.http+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	// next returns the data of the next event of a kind.
	next := func(kind string) string {
		found := false
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case key == "event":
				found = value == kind
			case key == "data" && found:
				return value
			}
		}
		t.Fatalf("the stream ended before an event %s: %v", kind, lines.Err())
		return ""
	}
	if code, out, errs := command("call", "sip:700@"+s.sip); code != 0 {
		t.Fatalf("call: exit %d\n%s%s", code, out, errs)
	}
	var news struct {
		Change string
		Call   store.Call
	}
	var id string
	for _, want := range []string{"started", "ended"} {
		for news.Change != want {
			if err := json.Unmarshal([]byte(next("call")), &news); err != nil {
				t.Fatal(err)
			}
		}
		if id == "" {
			id = news.Call.ID
		}
		if news.Call.ID != id || news.Call.ToUser != "700" {
			t.Errorf("%s: %+v", want, news.Call)
		}
	}
	if news.Call.State != store.StateAnswered {
		t.Errorf("ended as %s", news.Call.State)
	}
	if code, _, errs := s.api("reload"); code != 0 {
		t.Fatalf("reload: %s", errs)
	}
	mustContain(t, "a reload", next("reload"), `"generation":2`, `"errors":[]`)
	write(t, plugin, `return {`)
	s.api("reload") // or the watcher's, whichever is first
	mustContain(t, "a broken reload", next("reload"), `"generation":2`, `50-main.lua","line":1,"message":"syntax error`)
}
