package web_test

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"tandem/web"
)

// TestDashboardFiles: the page comes without a token, with all that it names, and under a policy
// that lets nothing else in.
func TestDashboardFiles(t *testing.T) {
	t.Parallel()
	s := newAPI(t, &exchange{}, guardedAccess)
	code, header, page := send(t, s, request{method: "GET", path: "/"})
	if code != 200 || header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %s", code, header)
	}
	policy := header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy %q lacks %s", policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") || regexp.MustCompile(`<script>|\son\w+=|<style|\sstyle=`).MatchString(page) {
		t.Error("scripts or styles stand within the page")
	}
	seen := map[string]bool{}
	var follow func(text string)
	follow = func(text string) {
		for _, m := range regexp.MustCompile(`(?:src|href)="(/[^"]*)"|from "\.(/[^"]*)"`).FindAllStringSubmatch(text, -1) {
			name := m[1] + m[2]
			if seen[name] {
				continue
			}
			seen[name] = true
			code, header, text := send(t, s, request{method: "GET", path: name})
			if code != 200 || header.Get("Content-Type") == "" {
				t.Errorf("%s: %d %s", name, code, header.Get("Content-Type"))
			}
			if strings.Contains(text, "://") && !strings.HasPrefix(name, "/vendor/") && !strings.Contains(text, "http://www.w3.org/2000/svg") {
				t.Errorf("%s names an address elsewhere", name)
			}
			follow(text)
		}
	}
	follow(page)
	if len(seen) < 10 {
		t.Errorf("the page needs %d files: the test looks at nothing", len(seen))
	}
	for _, path := range []string{"/nothing.js", "/dashboard/app.js"} {
		if code, _, _ := send(t, s, request{method: "GET", path: path}); code != 404 {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestRecordings(t *testing.T) {
	t.Parallel()
	o := optionsOf(&exchange{}, guardedAccess)
	o.Recordings = fstest.MapFS{"tests/a b.wav": {Data: []byte("RIFF0123456789")}, "note.html": {Data: []byte("<script>")}}
	s := serveAPI(t, web.New(o))
	get := func(path, token, part string) (int, string, string) {
		h := map[string]string{"Authorization": "Bearer " + token}
		if part != "" {
			h["Range"] = part
		}
		code, header, body := send(t, s, request{method: "GET", path: "/api/v1/recordings/" + path, header: h})
		return code, header.Get("Content-Type"), body
	}
	if code, kind, body := get("tests/a%20b.wav", "look", ""); code != 200 || kind != "audio/wav" || body != "RIFF0123456789" {
		t.Errorf("%d %s %s", code, kind, body)
	}
	if code, _, body := get("tests/a%20b.wav", "look", "bytes=4-6"); code != 206 || body != "012" {
		t.Errorf("a range: %d %s", code, body)
	}
	if code, kind, _ := get("note.html", "look", ""); code != 200 || kind != "application/octet-stream" {
		t.Errorf("what is no sound: %d %s", code, kind)
	}
	if code, _, _ := get("tests/a%20b.wav", "wrong", ""); code != 401 {
		t.Errorf("with a wrong token: %d", code)
	}
	for _, path := range []string{"nothing.wav", "tests", "", "..%2Fa.wav", "tests%2F..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd"} {
		if code, _, _ := get(path, "secret", ""); code != 404 {
			t.Errorf("%q: %d", path, code)
		}
	}
}
