package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo terminal: what is typed into keys is read from screen.
func terminal(t *testing.T) (keys, screen *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetUint32(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return keys, screen
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return s.Lflag&unix.ECHO != 0
}

func TestPasswordIsNotShown(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		second, want string
	}{"same": {"s3cret", ""}, "different": {"other", "the two passwords differ"}} {
		keys, screen := terminal(t)
		said := newOutput()
		a := &app{ctx: t.Context(), stdin: screen, stderr: said}
		type result struct {
			password string
			err      error
		}
		done := make(chan result, 1)
		go func() {
			p, err := a.readPassword("1001")
			done <- result{p, err}
		}()
		for i, line := range []string{"s3cret", tt.second} {
			prompt := []string{"Password for 1001: ", "Once more: "}[i]
			eventually(t, prompt, func() bool { return strings.Contains(said.String(), prompt) })
			if echoes(t, screen) {
				t.Errorf("%s: %s shows what is typed", name, prompt)
			}
			if _, err := keys.WriteString(line + "\n"); err != nil {
				t.Fatal(err)
			}
		}
		got := <-done
		if (got.err == nil) != (tt.want == "") || got.err != nil && !strings.Contains(got.err.Error(), tt.want) || got.err == nil && got.password != "s3cret" {
			t.Errorf("%s: %q, %v", name, got.password, got.err)
		}
		if !echoes(t, screen) || strings.Contains(said.String(), "s3cret") {
			t.Errorf("%s: the terminal is left blind, or the password was shown", name)
		}
	}
}

// Ctrl-C leaves the terminal as it was.
func TestPromptEndsWithTheContext(t *testing.T) {
	t.Parallel()
	keys, screen := terminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	said := newOutput()
	a := &app{ctx: ctx, stdin: screen, stderr: said}
	done := make(chan error, 1)
	go func() {
		_, err := a.readPassword("1001")
		done <- err
	}()
	eventually(t, "the prompt", func() bool { return strings.Contains(said.String(), "Password") })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || !echoes(t, screen) {
		t.Errorf("%v; echo %v", err, echoes(t, screen))
	}
	if _, err := keys.WriteString("\n"); err != nil { // lets the reader go
		t.Error(err)
	}
}
