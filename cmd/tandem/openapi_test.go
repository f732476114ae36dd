package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"tandem/b2bua/phone"
)

// described is a server and what its document says of it.
type described struct {
	*served
	doc    *openapi3.T
	router routers.Router
}

// asked is a request and the code that it must get.
type asked struct {
	method, path, body string
	code               int
	kind               string // of the body; "": JSON
}

const (
	adminToken  = "secret"
	readerToken = "look"
)

// send returns the request, its answer and the answer's body; of a stream, the first byte.
func (d *described) send(q asked, token string) (*http.Request, *http.Response, []byte) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, q.method, d.http+q.path, strings.NewReader(q.body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if q.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.kind != "" {
		req.Header.Set("Content-Type", q.kind)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	var body []byte
	if kind := res.Header.Get("Content-Type"); kind == "text/event-stream" || kind == "application/x-ndjson" {
		body = make([]byte, 1)
		_, err = io.ReadFull(res.Body, body)
	} else {
		body, err = io.ReadAll(res.Body)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return req, res, body
}

// ask sends a request and holds the answer to the document.
func (d *described) ask(q asked, token string) string {
	d.t.Helper()
	req, res, body := d.send(q, token)
	if res.StatusCode != q.code {
		d.t.Errorf("%s %s %.60s: %d %s, want %d", q.method, q.path, q.body, res.StatusCode, body, q.code)
	}
	route, params, err := d.router.FindRoute(req)
	if err != nil {
		d.t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	err = openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json")},
	})
	if err != nil {
		d.t.Errorf("%s %s: %d is not what the document says: %v\n%s", q.method, q.path, res.StatusCode, err, body)
	}
	return string(body)
}

// describe starts a server that has one of everything, and reads its document.
func describe(t *testing.T) (d *described, live, past string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), `return { on_call = function(call)
		call.vars.number = call.number
		call:answer()
		if call.number == "700" then call:sleep(600)
		elseif call.number == "702" then call:queue("support", { agents = "user:1002" })
		elseif call.number == "703" then call:park("71")
		elseif call.number == "704" then call:conference("sales") end
	end }`)
	write(t, filepath.Join(dir, "data", "recordings", "tape.wav"), "RIFF")
	carrier := phoneAt(t, "127.0.0.1", phone.Options{})
	file := write(t, filepath.Join(dir, "tandem.toml"), fmt.Sprintf(`
[http]
token = %q
read_token = %q
[limits]
per_source = { auth_failures = 1 }
[[acl]]
allow = ["127.0.0.1"]
[[user]]
name = "1001"
password = "pw"
[[trunk]]
name = "carrier"
hosts = [%q]
check = "1s"
`, adminToken, readerToken, hostPort(t, carrier)))
	d = &described{served: serve(t, "-c", file)}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	alice := phoneAt(t, "127.0.0.1", phone.Options{User: "1001", Password: "pw", Server: "sip:" + d.sip})
	if err := alice.Register(ctx); err != nil {
		t.Fatal(err)
	}
	go func() { // whoever calls her is answered
		for {
			c, err := alice.Accept(t.Context())
			if err != nil {
				return
			}
			c.Answer()
		}
	}()
	phoneAt(t, "127.0.0.4", phone.Options{User: "1001", Password: "guess", Server: "sip:" + d.sip}).Register(ctx) // and is banned
	if code, out, errs := command("call", "sip:701@"+d.sip); code != 0 {
		t.Fatalf("call: %s%s", out, errs)
	}
	for _, number := range []string{"702", "703", "704", "700"} { // the newest is listed first
		if _, err := d.dial(caller(t), number); err != nil {
			t.Fatal(err)
		}
	}
	_, res, body := d.send(asked{method: "GET", path: "/api/v1/openapi.json"}, readerToken)
	if res.StatusCode != 200 {
		t.Fatalf("the document: %d %s", res.StatusCode, body)
	}
	var err error
	if d.doc, err = openapi3.NewLoader().LoadFromData(body); err != nil {
		t.Fatal(err)
	}
	if err := d.doc.Validate(ctx); err != nil {
		t.Fatalf("the document: %v", err)
	}
	d.doc.Servers = openapi3.Servers{{URL: d.http}}
	if d.router, err = gorillamux.NewRouter(d.doc); err != nil {
		t.Fatal(err)
	}
	live = d.first("/api/v1/calls")
	past = d.first("/api/v1/cdrs?state=answered&to=701")
	return d, live, past
}

// inside waits for an answer to name a call, and returns its id.
func (d *described) inside(path string) string {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, _, body := d.send(asked{method: "GET", path: path}, readerToken)
		if id := regexp.MustCompile(`"id":"(\w+)"`).FindSubmatch(body); id != nil {
			return string(id[1])
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%s names no call", path)
		}
	}
}

// first waits for a list to have something and returns the id of its first item.
func (d *described) first(path string) string {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, _, body := d.send(asked{method: "GET", path: path}, readerToken)
		var list struct{ Items []struct{ ID string } }
		if err := json.Unmarshal(body, &list); err != nil {
			d.t.Fatalf("%s: %v in %s", path, err, body)
		}
		if len(list.Items) > 0 {
			return list.Items[0].ID
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%s stays empty", path)
		}
	}
}

// TestDocumentHoldsTheAPI asks a server for each operation of its document, rightly and wrongly,
// and holds what comes to what the document says.
func TestDocumentHoldsTheAPI(t *testing.T) {
	t.Parallel()
	d, live, past := describe(t)
	waits, member := d.inside("/api/v1/queues"), d.inside("/api/v1/conferences")
	parked := d.inside("/api/v1/parked") // is ended: the call that is transferred may have done so by itself
	good := []asked{
		{"GET", "/healthz", "", 200, ""},
		{"GET", "/readyz", "", 200, ""},
		{"GET", "/metrics", "", 200, ""},
		{"GET", "/api/v1/openapi.json", "", 200, ""},
		{"POST", "/api/v1/session", `{"token":"secret"}`, 200, ""},
		{"GET", "/api/v1/session", "", 200, ""},
		{"DELETE", "/api/v1/session", "", 200, ""},
		{"GET", "/api/v1/events", "", 200, ""},
		{"GET", "/api/v1/trace?call=" + live, "", 200, ""},
		{"GET", "/api/v1/status", "", 200, ""},
		{"GET", "/api/v1/history", "", 200, ""},
		{"GET", "/api/v1/calls", "", 200, ""},
		{"GET", "/api/v1/calls/" + live, "", 200, ""},
		{"POST", "/api/v1/calls", `{"to":"user:1001","number":"701"}`, 201, ""},
		{"POST", "/api/v1/calls/" + live + "/transfer", `{"to":"user:1001","leg":"a"}`, 200, ""},
		{"DELETE", "/api/v1/calls/" + parked, "", 200, ""},
		{"GET", "/api/v1/cdrs?state=answered&limit=1", "", 200, ""},
		{"GET", "/api/v1/cdrs/stats?by=code", "", 200, ""},
		{"GET", "/api/v1/cdrs/" + past, "", 200, ""},
		{"GET", "/api/v1/recordings/tape.wav", "", 200, ""},
		{"GET", "/api/v1/cdrs/" + past + "/explain", "", 200, ""},
		{"GET", "/api/v1/scripts", "", 200, ""},
		{"POST", "/api/v1/scripts/reload", "{}", 200, ""},
		{"GET", "/api/v1/registrations", "", 200, ""},
		{"GET", "/api/v1/trunks", "", 200, ""},
		{"GET", "/api/v1/conferences", "", 200, ""},
		{"GET", "/api/v1/conferences/sales", "", 200, ""},
		{"POST", "/api/v1/conferences/sales/" + member + "/mute", `{"muted":true}`, 200, ""},
		{"DELETE", "/api/v1/conferences/sales/" + member, "", 200, ""},
		{"GET", "/api/v1/queues", "", 200, ""},
		{"GET", "/api/v1/queues/support", "", 200, ""},
		{"DELETE", "/api/v1/queues/support/" + waits, "", 200, ""},
		{"GET", "/api/v1/parked", "", 200, ""},
		{"GET", "/api/v1/bans", "", 200, ""},
		{"DELETE", "/api/v1/bans/127.0.0.4", "", 200, ""},
	}
	asks := map[string]bool{}
	for _, q := range good {
		op := d.operation(q)
		asks[op.OperationID] = true
		if op.Security != nil {
			d.refuses(q)
		}
	}
	for path, item := range d.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !asks[op.OperationID] {
				t.Errorf("%s %s: this test does not ask for it", method, path)
			}
		}
	}
	for _, q := range []asked{
		{"GET", "/api/v1/calls/nobody", "", 404, ""},
		{"DELETE", "/api/v1/calls/nobody", "", 404, ""},
		{"GET", "/api/v1/conferences/nobody", "", 404, ""},
		{"DELETE", "/api/v1/conferences/sales/nobody", "", 404, ""},
		{"POST", "/api/v1/conferences/sales/nobody/mute", `{"muted":true}`, 404, ""},
		{"POST", "/api/v1/conferences/sales/" + member + "/mute", `{}`, 400, ""},
		{"GET", "/api/v1/queues/nobody", "", 404, ""},
		{"DELETE", "/api/v1/queues/support/nobody", "", 404, ""},
		{"GET", "/api/v1/cdrs/nothing", "", 404, ""},
		{"GET", "/api/v1/trace?call=nobody", "", 404, ""},
		{"GET", "/api/v1/trace?colour=blue", "", 400, ""},
		{"GET", "/api/v1/recordings/nothing.wav", "", 404, ""},
		{"GET", "/api/v1/recordings/..%2Ftandem.db", "", 404, ""},
		{"DELETE", "/api/v1/bans/192.0.2.9", "", 404, ""},
		{"POST", "/api/v1/calls/nobody/transfer", `{"to":"user:1001","leg":"a"}`, 404, ""},
		{"POST", "/api/v1/calls/" + live + "/transfer", `{"to":"user:1002","leg":"a"}`, 409, ""},
		{"POST", "/api/v1/calls/" + live + "/transfer", `{"to":"nonsense","leg":"a"}`, 400, ""},
		{"POST", "/api/v1/calls", `{}`, 400, ""},
		{"POST", "/api/v1/calls", `{"to":"nonsense","number":"1"}`, 400, ""},
		{"POST", "/api/v1/session", `{"token":"wrong"}`, 401, ""},
		{"GET", "/api/v1/cdrs?state=upside-down", "", 400, ""},
		{"GET", "/api/v1/cdrs?limit=-1", "", 400, ""},
		{"GET", "/api/v1/cdrs?since=yesteryear", "", 400, ""},
		{"GET", "/api/v1/cdrs?colour=blue", "", 400, ""},
		{"GET", "/api/v1/cdrs?after=x", "", 400, ""},
		{"GET", "/api/v1/cdrs/stats", "", 400, ""},
		{"GET", "/api/v1/cdrs/stats?by=moon", "", 400, ""},
	} {
		d.ask(q, adminToken)
	}
	for _, q := range good {
		d.ask(q, adminToken)
	}
}

func (d *described) operation(q asked) *openapi3.Operation {
	d.t.Helper()
	req, err := http.NewRequest(q.method, d.http+q.path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	route, _, err := d.router.FindRoute(req)
	if err != nil {
		d.t.Fatalf("%s %s is not in the document: %v", q.method, q.path, err)
	}
	return route.Operation
}

// refuses asks as those do who may not, and with what no operation that changes things takes.
func (d *described) refuses(q asked) {
	d.t.Helper()
	wrong := q
	wrong.code = 401
	d.ask(wrong, "wrong")
	if q.method == "GET" {
		return
	}
	wrong.code = 403
	d.ask(wrong, readerToken)
	wrong.body, wrong.kind, wrong.code = "{}", "text/plain", 415
	d.ask(wrong, adminToken)
	wrong.body, wrong.kind, wrong.code = fmt.Sprintf("%q", strings.Repeat("x", 100<<10)), "", 413
	d.ask(wrong, adminToken)
	if q.method == "DELETE" {
		return // its body is not read
	}
	for _, wrong.body = range []string{`{"to":`, `[1,2]`, `{"nobody":"knows"}`} {
		wrong.code = 400
		d.ask(wrong, adminToken)
	}
}
