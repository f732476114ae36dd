package main

import (
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// TestMetricsCountACall scrapes a server with a token before and after a call that a script takes.
func TestMetricsCountACall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "tandem.toml"), "[http]\ntoken = 'secret'\nread_token = 'look'\n")
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), `return { on_call = function(call) call:answer() call:hangup() end }`)
	s := serve(t, "-c", file)
	scrape := func(token string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.http+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if code, _ := scrape("wrong"); code != 401 {
		t.Errorf("with a wrong token: %d", code)
	}
	value := func(name string) float64 {
		t.Helper()
		_, body := scrape("look")
		m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(body)
		if m == nil {
			return 0
		}
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	finished := `tandem_calls_finished_total{direction="internal",state="answered"}`
	if n := value(finished); n != 0 {
		t.Errorf("before any call: %v", n)
	}
	if code, out, errs := command("call", "sip:700@"+s.sip); code != 0 {
		t.Fatalf("call: exit %d\n%s%s", code, out, errs)
	}
	for deadline := time.Now().Add(20 * time.Second); value(finished) != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the call is not counted")
		}
	}
	for name, least := range map[string]float64{
		`tandem_sip_requests_total{direction="rx",method="INVITE"}`:  1,
		`tandem_sip_requests_total{direction="rx",method="ACK"}`:     1,
		`tandem_sip_requests_total{direction="tx",method="BYE"}`:     1,
		`tandem_sip_responses_total{code="200",direction="tx"}`:      1,
		`tandem_sip_responses_total{code="200",direction="rx"}`:      1,
		`tandem_post_dial_delay_seconds_count{direction="internal"}`: 1,
		`tandem_call_setup_seconds_count{direction="internal"}`:      1,
		`tandem_script_seconds_count`:                                1,
		`tandem_scripts_generation`:                                  1,
		`tandem_media_ports{state="free"}`:                           1000,
		`tandem_calls_limit`:                                         5000,
	} {
		if n := value(name); n < least {
			t.Errorf("%s is %v", name, n)
		}
	}
	if n := value("tandem_calls"); n != 0 {
		t.Errorf("calls in progress: %v", n)
	}
}
