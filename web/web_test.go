package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"tandem/store"
	"tandem/web"
)

// exchange stands in for the server behind the API: what the API asks for, by hand.
type exchange struct {
	mu       sync.Mutex
	calls    []web.Call
	draining bool
	reload   func() (web.Reloaded, error)
}

func (e *exchange) Calls(context.Context) []web.Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls
}

func (e *exchange) Call(_ context.Context, id string) (web.Call, bool) {
	for _, c := range e.Calls(context.Background()) {
		if c.ID == id {
			return c, true
		}
	}
	return web.Call{}, false
}

func (e *exchange) Hangup(ctx context.Context, id string) bool {
	_, ok := e.Call(ctx, id)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = nil
	return ok
}

func (e *exchange) Transfer(_ context.Context, _, to, leg string) error {
	if to == "user:busy" {
		return &web.Error{Code: 409, Message: "486 Busy Here"}
	}
	return nil
}

func (e *exchange) Originate(_ context.Context, o web.Origination) (string, error) {
	if o.To[0] == "user:full" {
		return "", &web.Error{Code: 503, Message: "no room for another call"}
	}
	return "c9", nil
}

func (e *exchange) Scripts() web.ScriptsStatus                   { return web.ScriptsStatus{Generation: 3} }
func (e *exchange) Registrations() []web.Registration            { return nil }
func (e *exchange) Bans() []web.Ban                              { return []web.Ban{{Source: "2001:db8::/64", Failures: 5}} }
func (e *exchange) LiftBan(s string) bool                        { return s == "2001:db8::/64" }
func (e *exchange) Trunks() []web.Trunk                          { return []web.Trunk{{Name: "carrier", State: "up"}} }
func (e *exchange) Status(context.Context) web.Status            { return web.Status{Version: "v1", Calls: 7} }
func (e *exchange) Draining() bool                               { return e.draining }
func (e *exchange) Reload(context.Context) (web.Reloaded, error) { return e.reload() }
func (e *exchange) Back(context.Context) (web.Reloaded, error) {
	return web.Reloaded{Generation: 5, Again: 3}, nil
}

func newAPI(t *testing.T, e *exchange, access web.Access) *httptest.Server {
	t.Helper()
	return serveAPI(t, web.New(optionsOf(e, access)))
}

func optionsOf(e *exchange, access web.Access) web.Options {
	return web.Options{Access: access, Calls: e, Scripts: e, Registrations: e, Trunks: e, Bans: e, Conferences: e, Queues: e, Server: e,
		Records: store.None(), Log: slog.New(slog.DiscardHandler)}
}

func serveAPI(t *testing.T, api *web.API) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(api)
	t.Cleanup(s.Close)
	return s
}

type request struct {
	method, path, host, body string
	header                   map[string]string
}

func send(t *testing.T, s *httptest.Server, q request) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(q.method, s.URL+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range q.header {
		req.Header.Set(k, v)
	}
	if q.host != "" {
		req.Host = q.host
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(body)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	e := &exchange{calls: []web.Call{{ID: "c1", State: "answered"}}, reload: func() (web.Reloaded, error) {
		return web.Reloaded{Generation: 4, Restart: []string{"sip.listen"}}, nil
	}}
	s := newAPI(t, e, web.Access{})
	big := `{"x":"` + strings.Repeat("a", 70<<10) + `"}`
	type h = map[string]string
	tests := []struct {
		name string
		request
		code int
		has  string
	}{
		{"health", request{method: "GET", path: "/healthz"}, 200, `{"status":"ok"}`},
		{"ready", request{method: "GET", path: "/readyz"}, 200, `{"status":"ready"}`},
		{"status", request{method: "GET", path: "/api/v1/status"}, 200, `"calls":7`},
		{"head", request{method: "HEAD", path: "/api/v1/status"}, 200, ""},
		{"calls", request{method: "GET", path: "/api/v1/calls"}, 200, `{"items":[{"id":"c1"`},
		{"call", request{method: "GET", path: "/api/v1/calls/c1"}, 200, `"answer_ms":null`},
		{"no call", request{method: "GET", path: "/api/v1/calls/c2"}, 404, `{"error":{"code":404,"message":"there is no call \"c2\" in progress"}}`},
		{"registrations are a list", request{method: "GET", path: "/api/v1/registrations"}, 200, `{"items":[]}`},
		{"bans", request{method: "GET", path: "/api/v1/bans"}, 200, `{"items":[{"source":"2001:db8::/64",`},
		{"ban lifted", request{method: "DELETE", path: "/api/v1/bans/2001:db8::%2F64"}, 200, `{"source":"2001:db8::/64"}`},
		{"no ban", request{method: "DELETE", path: "/api/v1/bans/192.0.2.1"}, 404, `\"192.0.2.1\" is not banned`},
		{"trunks", request{method: "GET", path: "/api/v1/trunks"}, 200, `{"items":[{"name":"carrier","state":"up"`},
		{"scripts", request{method: "GET", path: "/api/v1/scripts"}, 200, `"generation":3`},
		{"reload", request{method: "POST", path: "/api/v1/scripts/reload"}, 200, `"restart":["sip.listen"]`},
		{"reload with a body", request{method: "POST", path: "/api/v1/scripts/reload", body: "{}", header: h{"Content-Type": "application/json; charset=utf-8"}}, 200, `"generation":4`},
		{"back", request{method: "POST", path: "/api/v1/scripts/reload", body: `{"back":true}`, header: h{"Content-Type": "application/json"}}, 200, `"again":3`},
		{"not back", request{method: "POST", path: "/api/v1/scripts/reload", body: `{"back":false}`, header: h{"Content-Type": "application/json"}}, 200, `"generation":4`},
		{"unknown field", request{method: "POST", path: "/api/v1/scripts/reload", body: `{"a":1}`, header: h{"Content-Type": "application/json"}}, 400, `unknown field`},
		{"half a body", request{method: "POST", path: "/api/v1/scripts/reload", body: `{`, header: h{"Content-Type": "application/json"}}, 400, `"code":400`},
		{"two values", request{method: "POST", path: "/api/v1/scripts/reload", body: `{}{}`, header: h{"Content-Type": "application/json"}}, 400, `more than one value`},
		{"array", request{method: "POST", path: "/api/v1/scripts/reload", body: `[]`, header: h{"Content-Type": "application/json"}}, 400, `"code":400`},
		{"form", request{method: "POST", path: "/api/v1/scripts/reload", body: "a=b", header: h{"Content-Type": "application/x-www-form-urlencoded"}}, 415, `must be application/json`},
		{"no type", request{method: "POST", path: "/api/v1/scripts/reload", body: "{}"}, 415, `must be application/json`},
		{"text", request{method: "POST", path: "/api/v1/scripts/reload", body: "{}", header: h{"Content-Type": "text/plain"}}, 415, `"code":415`},
		{"large", request{method: "POST", path: "/api/v1/scripts/reload", body: big, header: h{"Content-Type": "application/json"}}, 413, `larger than 65536 bytes`},
		{"method", request{method: "PUT", path: "/api/v1/calls"}, 405, `takes GET`},
		{"nothing", request{method: "GET", path: "/api/v1/nope"}, 404, `there is nothing at /api/v1/nope`},
		{"root", request{method: "GET", path: "/x"}, 404, `"code":404`},
		{"no records", request{method: "GET", path: "/api/v1/cdrs"}, 404, `no records are kept`},
		{"no record", request{method: "GET", path: "/api/v1/cdrs/x"}, 404, `no records are kept`},
		{"filter", request{method: "GET", path: "/api/v1/cdrs?state=nope"}, 400, `want one of`},
		{"unknown filter", request{method: "GET", path: "/api/v1/cdrs?stat=busy"}, 400, `there is no filter \"stat\"`},
		{"filter twice", request{method: "GET", path: "/api/v1/cdrs?user=1&user=2"}, 400, `stands twice`},
		{"bad limit", request{method: "GET", path: "/api/v1/cdrs?limit=-1"}, 400, `limit`},
		{"stats by nothing", request{method: "GET", path: "/api/v1/cdrs/stats"}, 400, `want one of`},
		{"stats", request{method: "GET", path: "/api/v1/cdrs/stats?by=trunk&since=24h"}, 404, `no records are kept`},
		{"transfer", request{method: "POST", path: "/api/v1/calls/c1/transfer", body: `{"to":"user:1001","leg":"b"}`, header: h{"Content-Type": "application/json"}}, 200, `{"id":"c1","to":"user:1001","leg":"b"}`},
		{"transfer to the busy", request{method: "POST", path: "/api/v1/calls/c1/transfer", body: `{"to":"user:busy","leg":"b"}`, header: h{"Content-Type": "application/json"}}, 409, `486 Busy Here`},
		{"transfer of no leg", request{method: "POST", path: "/api/v1/calls/c1/transfer", body: `{"to":"user:1001"}`, header: h{"Content-Type": "application/json"}}, 400, `\"leg\"`},
		{"transfer to nobody", request{method: "POST", path: "/api/v1/calls/c1/transfer", body: `{"leg":"a"}`, header: h{"Content-Type": "application/json"}}, 400, `\"to\"`},
		{"transfer without a body", request{method: "POST", path: "/api/v1/calls/c1/transfer"}, 400, `"code":400`},
		{"transfer of no call", request{method: "POST", path: "/api/v1/calls/c2/transfer", body: `{"to":"user:1001","leg":"a"}`, header: h{"Content-Type": "application/json"}}, 404, `there is no call`},
		{"transfer by GET", request{method: "GET", path: "/api/v1/calls/c1/transfer"}, 405, `takes POST`},
		{"hangup", request{method: "DELETE", path: "/api/v1/calls/c1"}, 200, `{"id":"c1"}`},
		{"hangup again", request{method: "DELETE", path: "/api/v1/calls/c1"}, 404, `"code":404`},
		{"no calls are a list", request{method: "GET", path: "/api/v1/calls"}, 200, `{"items":[]}`},
	}
	for _, tt := range tests { // in order: the hangups build on what is before
		code, head, body := send(t, s, tt.request)
		if code != tt.code || !strings.Contains(body, tt.has) {
			t.Errorf("%s: got %d %s, want %d with %s", tt.name, code, body, tt.code, tt.has)
		}
		if head.Get("Content-Type") != "application/json" || tt.method != "HEAD" && !json.Valid([]byte(body)) {
			t.Errorf("%s: %s is not JSON: %s", tt.name, head.Get("Content-Type"), body)
		}
	}
}

func TestReadyWhileDraining(t *testing.T) {
	t.Parallel()
	s := newAPI(t, &exchange{draining: true}, web.Access{})
	if code, _, body := send(t, s, request{method: "GET", path: "/readyz"}); code != 503 {
		t.Errorf("got %d %s", code, body)
	}
	if code, _, _ := send(t, s, request{method: "GET", path: "/healthz"}); code != 200 {
		t.Errorf("healthz: got %d", code)
	}
}

func TestGuards(t *testing.T) {
	t.Parallel()
	e := &exchange{reload: func() (web.Reloaded, error) { return web.Reloaded{}, nil }}
	open := newAPI(t, e, web.Access{Hosts: []string{"pbx.example.com"}})
	closed := newAPI(t, e, web.Access{Token: "s3cret"})
	type h = map[string]string
	reload := "/api/v1/scripts/reload"
	tests := []struct {
		name   string
		server *httptest.Server
		request
		code int
	}{
		{"address", open, request{method: "GET", path: "/api/v1/status", host: "192.0.2.1:8080"}, 200},
		{"IPv6", open, request{method: "GET", path: "/api/v1/status", host: "[::1]:8080"}, 200},
		{"localhost", open, request{method: "GET", path: "/api/v1/status", host: "LocalHost:8080"}, 200},
		{"our name", open, request{method: "GET", path: "/api/v1/status", host: "PBX.example.com"}, 200},
		{"rebinding", open, request{method: "GET", path: "/api/v1/status", host: "evil.example"}, 403},
		{"rebinding, health", open, request{method: "GET", path: "/healthz", host: "evil.example"}, 403},
		{"name like an address", open, request{method: "GET", path: "/api/v1/status", host: "127.0.0.1.evil.example"}, 403},
		{"name like localhost", open, request{method: "GET", path: "/api/v1/status", host: "localhost.evil.example"}, 403},
		{"name like ours", open, request{method: "GET", path: "/api/v1/status", host: "xpbx.example.com"}, 403},
		{"odd host", open, request{method: "GET", path: "/api/v1/status", host: "a@127.0.0.1"}, 403},

		{"foreign origin", open, request{method: "POST", path: reload, header: h{"Origin": "http://evil.example"}}, 403},
		{"null origin", open, request{method: "POST", path: reload, header: h{"Origin": "null"}}, 403},
		{"another port", open, request{method: "POST", path: reload, host: "127.0.0.1:8080", header: h{"Origin": "http://127.0.0.1:9999"}}, 403},
		{"foreign delete", open, request{method: "DELETE", path: "/api/v1/calls/x", header: h{"Origin": "http://evil.example"}}, 403},
		{"foreign read", open, request{method: "GET", path: "/api/v1/status", header: h{"Origin": "http://evil.example"}}, 200},
		{"own origin", open, request{method: "POST", path: reload, host: "pbx.example.com", header: h{"Origin": "https://pbx.example.com"}}, 200},

		{"no token", closed, request{method: "GET", path: "/api/v1/status"}, 401},
		{"no token, nothing there", closed, request{method: "GET", path: "/api/v1/nope"}, 401},
		{"wrong token", closed, request{method: "GET", path: "/api/v1/status", header: h{"Authorization": "Bearer s3cre"}}, 401},
		{"empty token", closed, request{method: "GET", path: "/api/v1/status", header: h{"Authorization": "Bearer "}}, 401},
		{"basic", closed, request{method: "GET", path: "/api/v1/status", header: h{"Authorization": "Basic s3cret"}}, 401},
		{"token", closed, request{method: "GET", path: "/api/v1/status", header: h{"Authorization": "bearer s3cret"}}, 200},
		{"health is open", closed, request{method: "GET", path: "/healthz"}, 200},
		{"readiness is open", closed, request{method: "GET", path: "/readyz"}, 200},
		{"token and rebinding", closed, request{method: "GET", path: "/api/v1/status", host: "evil.example", header: h{"Authorization": "Bearer s3cret"}}, 403},
		{"token and origin", closed, request{method: "POST", path: reload, header: h{"Authorization": "Bearer s3cret", "Origin": "http://evil.example"}}, 403},
	}
	for _, tt := range tests {
		code, head, body := send(t, tt.server, tt.request)
		if code != tt.code {
			t.Errorf("%s: got %d %s, want %d", tt.name, code, body, tt.code)
		}
		if code == 401 && head.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: 401 without a challenge", tt.name)
		}
		if strings.Contains(body, "s3cret") {
			t.Errorf("%s: the token is in the answer", tt.name)
		}
	}
}

func TestReloadBroken(t *testing.T) {
	t.Parallel()
	e := &exchange{reload: func() (web.Reloaded, error) {
		return web.Reloaded{}, &web.Broken{Errors: []web.FileError{{File: "50-main.lua", Line: 12, Message: "'=' expected"}}}
	}}
	s := newAPI(t, e, web.Access{})
	code, _, body := send(t, s, request{method: "POST", path: "/api/v1/scripts/reload"})
	want := `{"error":{"code":409,"message":"50-main.lua:12: '=' expected","errors":[{"file":"50-main.lua","line":12,"message":"'=' expected"}]}}` + "\n"
	if code != 409 || body != want {
		t.Errorf("got %d %s, want %s", code, body, want)
	}
	e.reload = func() (web.Reloaded, error) { return web.Reloaded{}, errors.New("disk on fire at /secret/path") }
	code, _, body = send(t, s, request{method: "POST", path: "/api/v1/scripts/reload"})
	if code != 500 || strings.Contains(body, "secret") {
		t.Errorf("internal error: got %d %s", code, body)
	}
}

func TestAccessChanges(t *testing.T) {
	t.Parallel()
	e := &exchange{}
	api := web.New(web.Options{Access: web.Access{Token: "old"}, Calls: e, Scripts: e, Registrations: e, Trunks: e, Bans: e, Server: e, Records: store.None()})
	s := httptest.NewServer(api)
	defer s.Close()
	api.SetAccess(web.Access{Token: "new"})
	for token, want := range map[string]int{"old": 401, "new": 200} {
		code, _, _ := send(t, s, request{method: "GET", path: "/api/v1/status", header: map[string]string{"Authorization": "Bearer " + token}})
		if code != want {
			t.Errorf("%s: got %d, want %d", token, code, want)
		}
	}
}

// A handler that panics costs one request and nothing else: net/http sees to it.
func TestPanicStaysInside(t *testing.T) {
	t.Parallel()
	e := &exchange{reload: func() (web.Reloaded, error) { panic("injected") }}
	api := web.New(web.Options{Calls: e, Scripts: e, Registrations: e, Trunks: e, Bans: e, Server: e, Records: store.None()})
	s := httptest.NewUnstartedServer(api)
	s.Config = web.NewServer(api, slog.New(slog.DiscardHandler))
	s.Start()
	defer s.Close()
	res, err := http.Post(s.URL+"/api/v1/scripts/reload", "application/json", nil)
	if err == nil {
		res.Body.Close()
		t.Fatalf("got %d, want a broken connection", res.StatusCode)
	}
	if code, _, _ := send(t, s, request{method: "GET", path: "/api/v1/status"}); code != 200 {
		t.Errorf("after the panic: got %d", code)
	}
}
