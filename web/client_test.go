package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tandem/web"
)

func TestClient(t *testing.T) {
	t.Parallel()
	e := &exchange{calls: []web.Call{{ID: "c/1", State: "answered", Legs: []web.Leg{{Seq: 1, Codec: "pcma"}}}}, reload: func() (web.Reloaded, error) {
		return web.Reloaded{}, &web.Broken{Errors: []web.FileError{{File: "a.lua", Line: 1, Message: "bad"}, {File: "b.lua", Line: 2, Message: "worse"}}}
	}}
	s := newAPI(t, e, web.Access{Token: "t"})
	c, err := web.NewClient(s.URL+"/", "t")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if st, err := c.Status(ctx); err != nil || st.Calls != 7 {
		t.Errorf("status: %+v, %v", st, err)
	}
	if calls, err := c.Calls(ctx); err != nil || len(calls) != 1 || calls[0].Legs[0].Codec != "pcma" {
		t.Errorf("calls: %+v, %v", calls, err)
	}
	if call, err := c.Call(ctx, "c/1"); err != nil || call.ID != "c/1" {
		t.Errorf("call: %+v, %v", call, err)
	}
	if regs, err := c.Registrations(ctx); err != nil || len(regs) != 0 {
		t.Errorf("registrations: %+v, %v", regs, err)
	}
	if sc, err := c.Scripts(ctx); err != nil || sc.Generation != 3 {
		t.Errorf("scripts: %+v, %v", sc, err)
	}
	if err := c.Hangup(ctx, "c/1"); err != nil {
		t.Errorf("hangup: %v", err)
	}
	if _, err := c.Reload(ctx); err == nil || err.Error() != "a.lua:1: bad\nb.lua:2: worse" {
		t.Errorf("reload: %v", err)
	}
}

func TestClientErrors(t *testing.T) {
	t.Parallel()
	api := newAPI(t, &exchange{}, web.Access{Token: "right"})
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) }))
	defer other.Close()
	lies := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) }))
	defer lies.Close()
	away := httptest.NewServer(http.RedirectHandler(lies.URL, http.StatusFound))
	defer away.Close()
	tests := []struct{ name, url, token, want string }{
		{"gone", gone.URL, "", "cannot reach " + gone.URL + ": is the server running? (dial tcp " + strings.TrimPrefix(gone.URL, "http://") + ": connect: connection refused)"},
		{"no token", api.URL, "", api.URL + " needs a token: --token or TANDEM_TOKEN"},
		{"wrong token", api.URL, "wrong", api.URL + " does not take this token"},
		{"proxy", other.URL, "", other.URL + " does not answer like a Tandem server (HTTP 502)"},
		{"something else", lies.URL, "", lies.URL + " does not answer like a Tandem server"},
		{"redirect", away.URL, "t", away.URL + " does not answer like a Tandem server (HTTP 302)"},
	}
	for _, tt := range tests {
		c, err := web.NewClient(tt.url, tt.token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Status(t.Context()); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
	for _, bad := range []string{"", "localhost:8080", "ftp://x", "http://", "://"} {
		if _, err := web.NewClient(bad, ""); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	c, _ := web.NewClient(api.URL, "right")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Status(ctx); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}
