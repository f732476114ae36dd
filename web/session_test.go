package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tandem/web"
)

var guardedAccess = web.Access{Token: "secret", ReadToken: "look"}

// login exchanges a token and returns the cookie as a browser would send it.
func login(t *testing.T, header http.Header) string {
	t.Helper()
	set := header.Get("Set-Cookie")
	for _, part := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(set, part) {
			t.Errorf("Set-Cookie: %s lacks %s", set, part)
		}
	}
	cookie, _, _ := strings.Cut(set, ";")
	return cookie
}

func TestRoles(t *testing.T) {
	t.Parallel()
	e := &exchange{calls: []web.Call{{ID: "c1"}}, reload: func() (web.Reloaded, error) { return web.Reloaded{Generation: 4}, nil }}
	s := newAPI(t, e, guardedAccess)
	type h = map[string]string
	open := func(body, token string) (int, http.Header, string) {
		q := request{method: "POST", path: "/api/v1/session", body: body, header: h{"Content-Type": "application/json"}}
		if token != "" {
			q.header["Authorization"] = "Bearer " + token
		}
		return send(t, s, q)
	}
	code, header, body := open(`{"token":"secret"}`, "")
	if code != 200 || !strings.Contains(body, `"role":"admin"`) {
		t.Fatalf("login: %d %s", code, body)
	}
	admin := login(t, header)
	code, header, body = open("", "look")
	if code != 200 || !strings.Contains(body, `"role":"read"`) {
		t.Fatalf("login of a reader: %d %s", code, body)
	}
	reader := login(t, header)
	for _, wrong := range []string{`{"token":"x"}`, `{"token":""}`, ``} {
		if code, header, _ := open(wrong, ""); code != 401 || header.Get("Set-Cookie") != "" {
			t.Errorf("login with %q: %d", wrong, code)
		}
	}
	forged := strings.Replace(reader, "read", "admin", 1)
	later := reader[:strings.LastIndexByte(reader, '.')]
	for _, tc := range []struct {
		name   string
		header h
		method string
		path   string
		code   int
	}{
		{"cookie reads", h{"Cookie": admin}, "GET", "/api/v1/calls", 200},
		{"cookie changes", h{"Cookie": admin}, "POST", "/api/v1/scripts/reload", 200},
		{"who am I", h{"Cookie": admin}, "GET", "/api/v1/session", 200},
		{"reader reads", h{"Cookie": reader}, "GET", "/api/v1/calls", 200},
		{"reader changes nothing", h{"Cookie": reader}, "POST", "/api/v1/scripts/reload", 403},
		{"nor by DELETE", h{"Authorization": "Bearer look"}, "DELETE", "/api/v1/calls/c1", 403},
		{"reader's token reads", h{"Authorization": "Bearer look"}, "GET", "/api/v1/calls/c1", 200},
		{"forged role", h{"Cookie": forged}, "GET", "/api/v1/calls", 401},
		{"no seal", h{"Cookie": later}, "GET", "/api/v1/calls", 401},
		{"nonsense", h{"Cookie": "tandem_session=..."}, "GET", "/api/v1/calls", 401},
		{"a token beats a cookie", h{"Cookie": admin, "Authorization": "Bearer wrong"}, "GET", "/api/v1/calls", 401},
		{"foreign origin", h{"Cookie": admin, "Origin": "https://evil.example"}, "POST", "/api/v1/scripts/reload", 403},
		{"no session", nil, "GET", "/api/v1/session", 401},
		{"logout", nil, "DELETE", "/api/v1/session", 200},
	} {
		if code, _, body := send(t, s, request{method: tc.method, path: tc.path, header: tc.header}); code != tc.code {
			t.Errorf("%s: %d %s, want %d", tc.name, code, body, tc.code)
		}
	}
}

// TestSessionsEndWithTheirToken: who changes the token ends all sessions made with the old one.
func TestSessionsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	api := web.New(optionsOf(&exchange{}, guardedAccess))
	s := serveAPI(t, api)
	_, header, _ := send(t, s, request{method: "POST", path: "/api/v1/session", header: map[string]string{"Authorization": "Bearer secret"}})
	cookie := map[string]string{"Cookie": login(t, header)}
	if code, _, _ := send(t, s, request{method: "GET", path: "/api/v1/calls", header: cookie}); code != 200 {
		t.Fatalf("the session: %d", code)
	}
	api.SetAccess(web.Access{Token: "another"})
	if code, _, _ := send(t, s, request{method: "GET", path: "/api/v1/calls", header: cookie}); code != 401 {
		t.Errorf("the session with the old token: %d", code)
	}
}

// TestSessionExpires lets the twelve hours pass.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	api := web.New(optionsOf(&exchange{}, guardedAccess))
	s := serveAPI(t, api)
	_, header, _ := send(t, s, request{method: "POST", path: "/api/v1/session", header: map[string]string{"Authorization": "Bearer look"}})
	cookie := map[string]string{"Cookie": login(t, header)}
	for _, tc := range []struct {
		after time.Duration
		code  int
	}{{11 * time.Hour, 200}, {13 * time.Hour, 401}} {
		web.SetNow(api, func() time.Time { return time.Now().Add(tc.after) })
		if code, _, _ := send(t, s, request{method: "GET", path: "/api/v1/calls", header: cookie}); code != tc.code {
			t.Errorf("after %v: %d, want %d", tc.after, code, tc.code)
		}
	}
}
