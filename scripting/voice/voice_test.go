package voice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// program writes a shell script that stands for a speech program: it notes how it was called.
// It is given to sh rather than run itself: what another test has just forked may still hold
// the file open, and then it cannot be executed.
func program(t *testing.T, body string) (path, notes string) {
	t.Helper()
	dir := t.TempDir()
	path, notes = filepath.Join(dir, "speak"), filepath.Join(dir, "notes")
	text := "#!/bin/sh\nfor a in \"$@\"; do printf '[%s]' \"$a\" >> '" + notes + "'; done\necho >> '" + notes + "'\n" + body + "\n"
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path, notes
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSpeakByProgram(t *testing.T) {
	t.Parallel()
	toFile, notes := program(t, `[ "$1" = -v ] && printf 'sound of %s' "$4" > "$3"`)
	s := New(Options{Command: []string{"sh", toFile, "-v", "{voice}", "{file}", "{text}"}, Voice: "en", Dir: filepath.Join(t.TempDir(), "say")})
	for _, tt := range []struct{ voice, text, want string }{
		{"", "hello world", "sound of hello world"},
		{"", "hello world", "sound of hello world"},
		{"de+f3", "hello world", "sound of hello world"},
		{"", "--help; $(rm -rf /) `x` '", "sound of  --help; $(rm -rf /) `x` '"},
	} {
		path, err := s.Speak(t.Context(), tt.voice, tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != tt.want {
			t.Errorf("%q: %q", tt.text, got)
		}
	}
	if got := strings.Count(read(t, notes), "\n"); got != 3 {
		t.Errorf("it ran %d times, want 3:\n%s", got, read(t, notes))
	}
	byPipe, notes := program(t, "cat")
	s = New(Options{Command: []string{"sh", byPipe, "-"}, Dir: t.TempDir()})
	path, err := s.Speak(t.Context(), "", "-x ü")
	if err != nil || read(t, path) != "-x ü\n" || read(t, notes) != "[-]\n" {
		t.Errorf("by pipe: %v, %q, %q", err, read(t, path), read(t, notes))
	}
}

// The program sees nothing of the server's environment that could be a secret.
func TestEnvironment(t *testing.T) {
	t.Setenv("TANDEM_TOKEN", "secret")
	env, _ := program(t, "env")
	path, err := New(Options{Command: []string{"sh", env}, Dir: t.TempDir()}).Speak(t.Context(), "", "x")
	if err != nil || strings.Contains(read(t, path), "secret") || !strings.Contains(read(t, path), "PATH=") {
		t.Errorf("%v, %s", err, read(t, path))
	}
}

func TestSpeakFails(t *testing.T) {
	t.Parallel()
	fails := func(o Options, text, want string) {
		t.Helper()
		o.Dir = t.TempDir()
		if path, err := New(o).Speak(t.Context(), "", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s, %v; want %q", path, err, want)
		}
		if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
			t.Errorf("left %v, %v", left, err)
		}
	}
	wrong, _ := program(t, "echo no such voice >&2; exit 3")
	nothing, _ := program(t, "exit 0")
	slow, _ := program(t, "exec sleep 60")
	fails(Options{}, "x", "there is no voice")
	fails(Options{Command: []string{"sh", wrong, "{file}"}}, "x", "sh: exit status 3: no such voice")
	fails(Options{Command: []string{"sh", nothing, "{file}"}}, "x", "the program made no file")
	fails(Options{Command: []string{"sh", nothing}}, "x", "the sound has 0 bytes")
	fails(Options{Command: []string{"/no/such/program"}}, "x", "no such file")
	fails(Options{Command: []string{"sh", slow}, Timeout: 50 * time.Millisecond}, "x", "timeout")
	for text, want := range map[string]string{" ": "the text is empty", "a\x00": "NUL", strings.Repeat("x", MaxText+1): "over 4000 bytes"} {
		fails(Options{Command: []string{"sh", nothing}}, text, want)
	}
	for _, voice := range []string{"-w", "../x", "a b", "{file}", strings.Repeat("x", 65)} {
		_, err := New(Options{Command: []string{"sh", nothing}, Dir: t.TempDir()}).Speak(t.Context(), voice, "x")
		if _, ok := errors.AsType[*Misuse](err); !ok {
			t.Errorf("voice %q: %v", voice, err)
		}
	}
}

// Whoever wants the same at once shares the work; it ends when nobody waits any more.
func TestSpeakTogether(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	waits, notes := program(t, "while [ ! -e '"+gate+"' ]; do sleep 0.02; done; echo sound")
	s := New(Options{Command: []string{"sh", waits}, Dir: t.TempDir(), Timeout: time.Minute})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if path, err := s.Speak(t.Context(), "", "x"); err != nil || read(t, path) != "sound\n" {
				t.Errorf("%s, %v", path, err)
			}
		})
	}
	gone, leave := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, leave)
	if _, err := s.Speak(gone, "", "y"); !errors.Is(err, context.Canceled) {
		t.Errorf("who left: %v", err)
	}
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if n := strings.Count(read(t, notes), "\n"); n > 2 {
		t.Errorf("it ran %d times", n)
	}
	if path, err := s.Speak(t.Context(), "", "y"); err != nil || read(t, path) != "sound\n" {
		t.Errorf("again: %v", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	hundred, notes := program(t, "head -c 100 /dev/zero")
	s := New(Options{Command: []string{"sh", hundred}, Dir: t.TempDir(), Cache: 350})
	old := time.Now().Add(-time.Hour)
	for i := range 6 {
		path, err := s.Speak(t.Context(), "", fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			continue
		}
		if err := os.Chtimes(path, old, old.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(s.o.Dir)
	if err != nil || len(files) != 3 {
		t.Errorf("%d files, %v", len(files), err)
	}
	before := read(t, notes)
	for _, kept := range []string{"0", "4", "5"} { // 0 was used last
		if _, err := s.Speak(t.Context(), "", kept); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, notes) != before {
		t.Error("what was used last is gone")
	}
}

func TestSpeakByService(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.FormValue("t") == "bad" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "sound of "+r.FormValue("t")+" by "+r.FormValue("v"))
	}))
	t.Cleanup(web.Close)
	s := New(Options{URL: web.URL + "/?v={voice}&t={text}", Voice: "en", Dir: t.TempDir()})
	for range 2 {
		if path, err := s.Speak(t.Context(), "", "a&b=ü"); err != nil || read(t, path) != "sound of a&b=ü by en" {
			t.Errorf("%s, %v", path, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	instead, _ := program(t, "cat")
	both := New(Options{URL: web.URL + "/?t={text}", Command: []string{"sh", instead}, Dir: t.TempDir()})
	if path, err := both.Speak(t.Context(), "", "bad"); err != nil || read(t, path) != "bad\n" {
		t.Errorf("the program instead: %v", err)
	}
	if _, err := s.Speak(t.Context(), "", "bad"); err == nil || err.Error() != "the service answers 503 Service Unavailable" {
		t.Errorf("%v", err)
	}
}
