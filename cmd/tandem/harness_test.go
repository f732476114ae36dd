package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output collects what a command writes and can be waited on.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	grow chan struct{}
}

func newOutput() *output { return &output{grow: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.grow <- struct{}{}:
	default:
	}
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// command runs one to its end.
func command(args ...string) (code int, stdout, stderr string) {
	out, errs := newOutput(), newOutput()
	code = run(args, out, errs, nil)
	return code, out.String(), errs.String()
}

// served is `tandem serve` running in this process.
type served struct {
	t              *testing.T
	stdout, stderr *output
	signals        chan os.Signal
	exit           chan int
	sip, http      string // udp address, API's URL
}

// serve starts a server on free ports and returns when it is ready.
func serve(t *testing.T, args ...string) *served {
	t.Helper()
	s := &served{t: t, stdout: newOutput(), stderr: newOutput(), signals: make(chan os.Signal, 4), exit: make(chan int, 1)}
	args = append([]string{"serve", "--sip", "udp://127.0.0.1:0", "--sip", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0"}, args...)
	go func() { s.exit <- run(args, s.stdout, s.stderr, s.signals) }()
	t.Cleanup(s.kill)
	found := s.await(s.stdout, `(?m)^ready sip=udp://(\S+),tcp://\S+ http=(\S+)$`)
	s.sip, s.http = found[1], "http://"+found[2]
	return s
}

// tcp is the second listener: tcp://ADDR:PORT.
func (s *served) tcp() string { return s.await(s.stdout, `(tcp://\S+) http=`)[1] }

// await waits until what was written matches.
func (s *served) await(o *output, pattern string) []string {
	s.t.Helper()
	re, deadline := regexp.MustCompile(pattern), time.After(20*time.Second)
	for {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m
		}
		select {
		case <-o.grow:
		case code := <-s.exit:
			s.exit <- code
			s.t.Fatalf("exit %d before %s\n%s%s", code, pattern, s.stdout, s.stderr)
		case <-deadline:
			s.t.Fatalf("no %s in\n%s%s", pattern, s.stdout, s.stderr)
		}
	}
}

// end waits for the exit code.
func (s *served) end() int {
	s.t.Helper()
	select {
	case code := <-s.exit:
		s.exit <- code
		return code
	case <-time.After(20 * time.Second):
		s.t.Fatalf("the server does not end\n%s", s.stderr)
		return -1
	}
}

func (s *served) stop() int {
	s.t.Helper()
	s.signals <- syscall.SIGTERM
	return s.end()
}

// kill ends a server that a test left running.
func (s *served) kill() {
	for {
		select {
		case s.signals <- syscall.SIGTERM:
		default:
		}
		select {
		case code := <-s.exit:
			s.exit <- code
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// api runs a command against the server.
func (s *served) api(args ...string) (code int, stdout, stderr string) {
	return command(append([]string{"--server", s.http}, args...)...)
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustContain(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s lacks %q:\n%s", what, p, text)
		}
	}
}
