package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/b2bua/phone"
	"tandem/web"
)

// caller is a phone that calls s.
func caller(t *testing.T) *phone.Phone {
	t.Helper()
	p, err := phone.New(phone.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func (s *served) dial(p *phone.Phone, number string) (*phone.Call, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	return p.Dial(ctx, "sip:"+number+"@"+s.sip, phone.DialOptions{})
}

// get asks the API and reads the answer into v.
func (s *served) get(path string, v any) int {
	s.t.Helper()
	res, err := http.Get(s.http + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && v != nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		s.t.Fatalf("%s: %v in %s", path, err, body)
	}
	return res.StatusCode
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in 10 s not: %s", what)
		}
	}
}

func answeringServer(t *testing.T, data string) *served {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "50-main.lua"), answering)
	return serve(t, "--data", data, "--scripts", dir)
}

func TestCallsOverTheAPI(t *testing.T) {
	t.Parallel()
	s := answeringServer(t, t.TempDir())
	call, err := s.dial(caller(t), "4711")
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Items []web.Call }
	s.get("/api/v1/calls", &list)
	if len(list.Items) != 1 || list.Items[0].Number != "4711" || list.Items[0].State != "answered" || list.Items[0].AnswerMS == nil || len(list.Items[0].Legs) != 1 {
		t.Fatalf("calls: %+v", list)
	}
	id := list.Items[0].ID
	_, stdout, _ := s.api("calls")
	mustContain(t, "calls", stdout, "ID", id, "answered", "4711")
	code, stdout, stderr := s.api("calls", "show", id[:8])
	if code != 0 {
		t.Errorf("show: %s", stderr)
	}
	mustContain(t, "show", stdout, id, "4711", "LEG", "udp:127.0.0.1:")
	eventually(t, "the script is seen to wait", func() bool {
		_, stdout, _ = s.api("calls", "show", id[:8])
		return strings.Contains(stdout, "script waits")
	})
	mustContain(t, "show", stdout, "in call:", "at 50-main.lua:", "in on_call")
	var one web.Call
	s.get("/api/v1/calls/"+id, &one)
	if len(one.Waiting) != 1 || one.ScriptState != "waiting" || one.Waiting[0].Script != "50-main.lua" || one.Waiting[0].Line == 0 ||
		one.Waiting[0].Function != "on_call" || len(one.Waiting[0].Stack) != 1 || one.Waiting[0].SinceMS == 0 {
		t.Errorf("%+v", one.Waiting)
	}
	var record struct{ ID, State string }
	eventually(t, "the record is open", func() bool { return s.get("/api/v1/cdrs/"+id, &record) == 200 })
	if record.State != "open" {
		t.Errorf("record: %+v", record)
	}

	code, stdout, stderr = s.api("calls", "hangup", id[:8])
	if code != 0 || !strings.HasPrefix(stdout, "call "+id+" from ") {
		t.Errorf("hangup: exit %d, %q, %q", code, stdout, stderr)
	}
	select {
	case <-call.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the phone was not hung up")
	}
	eventually(t, "the record is closed", func() bool { s.get("/api/v1/cdrs/"+id, &record); return record.State == "answered" })
	var page struct {
		Items []map[string]any
		Next  string
	}
	if code := s.get("/api/v1/cdrs?to=47*&state=answered&limit=5", &page); code != 200 || len(page.Items) != 1 || page.Items[0]["released_by"] != "system" {
		t.Errorf("cdrs: %d, %+v", code, page)
	}
	if code := s.get("/api/v1/cdrs?to=48*", &page); code != 200 || len(page.Items) != 0 {
		t.Errorf("cdrs to another: %d, %+v", code, page)
	}
	if code := s.get("/api/v1/cdrs/nope", nil); code != 404 {
		t.Errorf("a record that is not there: %d", code)
	}
	var stats struct{ Items []map[string]any }
	if code := s.get("/api/v1/cdrs/stats?by=code", &stats); code != 200 || len(stats.Items) != 1 || stats.Items[0]["key"] != "200" {
		t.Errorf("stats: %d, %+v", code, stats)
	}
}

// The first SIGTERM lets a call go on and takes no other; the second ends it at once,
// and its record is on disk.
func TestDrain(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := answeringServer(t, data)
	p := caller(t)
	call, err := s.dial(p, "4711")
	if err != nil {
		t.Fatal(err)
	}
	s.signals <- syscall.SIGTERM
	eventually(t, "not ready", func() bool { return s.get("/readyz", nil) == 503 })
	if code := s.get("/healthz", nil); code != 200 {
		t.Errorf("healthz while draining: %d", code)
	}
	_, err = s.dial(p, "4712")
	refused, ok := errors.AsType[*phone.Rejected](err)
	if !ok || refused.Code != 503 || len(refused.Response.GetHeaders("Retry-After")) == 0 {
		t.Errorf("a new call while draining: %v", err)
	}
	select {
	case <-call.Done():
		t.Fatal("draining hung up the call")
	default:
	}
	s.signals <- syscall.SIGTERM
	if code := s.end(); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
	select {
	case <-call.Done():
		if call.End().By != "remote" {
			t.Errorf("ended by %+v", call.End())
		}
	case <-time.After(5 * time.Second):
		t.Error("the call got no BYE")
	}
	code, stdout, stderr := command("cdr", "list", "--data", data, "--format", "csv")
	if code != 0 || !strings.Contains(stdout, "4711") || !strings.Contains(stdout, "answered") {
		t.Errorf("the record: exit %d, %q, %q", code, stdout, stderr)
	}
}

// A call that ends while draining ends the server.
func TestDrainEndsWithTheLastCall(t *testing.T) {
	t.Parallel()
	s := answeringServer(t, t.TempDir())
	call, err := s.dial(caller(t), "4711")
	if err != nil {
		t.Fatal(err)
	}
	s.signals <- syscall.SIGTERM
	s.await(s.stderr, "draining")
	if err := call.Hangup(t.Context()); err != nil {
		t.Error(err)
	}
	if code := s.end(); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}

// Users of the file and of the first start register; a reload brings a new one in.
func TestUsersRegister(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "tandem.toml"), "[[user]]\nname = '1001'\npassword = 'first'\n")
	s := serve(t, "-c", file)
	register := func(user, password string) error {
		t.Helper()
		p, err := phone.New(phone.Options{User: user, Password: password, Server: "sip:" + s.sip})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return p.Register(ctx)
	}
	if err := register("1001", "first"); err != nil {
		t.Errorf("1001: %v", err)
	}
	for user, password := range map[string]string{"1001": "wrong", "1003": "later"} {
		if refused, ok := errors.AsType[*phone.Rejected](register(user, password)); !ok || refused.Code != 403 {
			t.Errorf("%s with %s: %v", user, password, refused)
		}
	}
	_, stdout, _ := s.api("registrations")
	mustContain(t, "registrations", stdout, "1001", "sip:", "udp:127.0.0.1:")
	write(t, file, "[[user]]\nname = '1003'\npassword = 'later'\n")
	if code, stdout, stderr := s.api("reload"); code != 0 || !strings.Contains(stdout, "user 1001 removed, user 1003 added") {
		t.Errorf("reload: exit %d, %q, %q", code, stdout, stderr)
	}
	if err := register("1003", "later"); err != nil {
		t.Errorf("1003: %v", err)
	}
	if refused, ok := errors.AsType[*phone.Rejected](register("1001", "first")); !ok || refused.Code != 403 {
		t.Errorf("1001 after its removal: %v", refused)
	}
}
