package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/b2bua/phone"
)

// tracing is `tandem trace` running beside a server.
type tracing struct {
	s              *served
	stdout, stderr *output
	signals        chan os.Signal
	exit           chan int
}

func (s *served) trace(args ...string) *tracing {
	s.t.Helper()
	r := &tracing{s: s, stdout: newOutput(), stderr: newOutput(), signals: make(chan os.Signal, 1), exit: make(chan int, 1)}
	go func() {
		r.exit <- run(append([]string{"--server", s.http, "trace"}, args...), r.stdout, r.stderr, r.signals)
	}()
	for deadline := time.Now().Add(20 * time.Second); !s.watched(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("nobody traces: %s", r.stderr)
		}
	}
	return r
}

// watched tells whether somebody listens: the figure is that of the metrics.
func (s *served) watched() bool {
	_, body := s.text("/metrics")
	return strings.Contains(body, "\ntandem_event_listeners 1\n")
}

func (r *tracing) end() (code int) {
	r.s.t.Helper()
	r.signals <- syscall.SIGINT
	select {
	case code = <-r.exit:
	case <-time.After(20 * time.Second):
		r.s.t.Fatal("the trace does not end")
	}
	return code
}

// TestTrace watches a registration, which carries a password's hash, and then one call of two.
func TestTrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), `return { on_call = function(call) call:answer() call:sleep(600) end }`)
	file := write(t, filepath.Join(dir, "tandem.toml"), "[[user]]\nname = '1001'\npassword = 'pw'\n")
	s := serve(t, "-c", file)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	r := s.trace()
	alice := phoneAt(t, "127.0.0.1", phone.Options{User: "1001", Password: "pw", Server: "sip:" + s.sip})
	if err := alice.Register(ctx); err != nil {
		t.Fatal(err)
	}
	s.await(r.stdout, `received from udp 127\.0\.0\.1:\d+\nREGISTER sip:(?s:.*)sent to udp 127\.0\.0\.1:\d+\nSIP/2\.0 200 OK\n`)
	if code := r.end(); code != 0 {
		t.Errorf("exit %d: %s", code, r.stderr)
	}
	if text := r.stdout.String(); strings.Contains(text, "response=") || !strings.Contains(text, "Authorization: ****") {
		t.Errorf("the password's hash shows:\n%s", text)
	}

	one, err := s.dial(caller(t), "700")
	if err != nil {
		t.Fatal(err)
	}
	var calls struct{ Items []struct{ ID string } }
	s.get("/api/v1/calls", &calls)
	capture := filepath.Join(dir, "one.pcap")
	r = s.trace("--call", calls.Items[0].ID[:8], "-o", capture)
	other, err := s.dial(caller(t), "701")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*phone.Call{other, one} {
		if err := c.Hangup(ctx); err != nil {
			t.Fatal(err)
		}
	}
	read := func() string {
		b, err := os.ReadFile(capture)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(read(), "BYE sip:"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("its BYE is not in the file")
		}
	}
	r.end()
	if strings.Contains(read(), "sip:701@") {
		t.Error("the other call is in the file")
	}
	if code, _, errs := s.api("trace", "-o", capture); code != 1 || !strings.Contains(errs, "is there already") {
		t.Errorf("onto a file that is there: exit %d: %s", code, errs)
	}
	if code, _, errs := s.api("trace", "--call", "nobody"); code != 1 || errs == "" {
		t.Errorf("of a call that is not: exit %d: %s", code, errs)
	}
}

// text is what the API answers, as it is.
func (s *served) text(path string) (int, string) {
	s.t.Helper()
	res, err := http.Get(s.http + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}
