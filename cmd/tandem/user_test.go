package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
)

// typed runs a command that reads.
func typed(input string, args ...string) (code int, stdout, stderr string) {
	out, errs := newOutput(), newOutput()
	code = runWith(args, strings.NewReader(input), out, errs, nil)
	return code, out.String(), errs.String()
}

// Users made, changed and removed beside a running server are its users within moments, and
// no password is anywhere on the disk.
func TestUserCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	file := write(t, filepath.Join(dir, "tandem.toml"), "[sip]\ndomain = 'pbx.example'\n[[user]]\nname = '1001'\npassword = 'fromfile'\ndisplay = 'Alice'\n")
	s := serve(t, "-c", file, "--data", data)
	user := func(input string, args ...string) (int, string, string) {
		return typed(input, append(append([]string{"user"}, args...), "-c", file, "--data", data)...)
	}
	register := func(name, password string) error {
		p := phoneAt(t, "127.0.0.1", phone.Options{User: name, Password: password, Server: "sip:" + s.sip})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return p.Register(ctx)
	}
	works := func(name, password string) func() bool { return func() bool { return register(name, password) == nil } }
	fails := func(name, password string) func() bool {
		return func() bool {
			refused, ok := errors.AsType[*phone.Rejected](register(name, password))
			return ok && refused.Code == 403
		}
	}

	if code, stdout, stderr := user("correct horse\n", "add", "2001", "--display", "Bob"); code != 0 || stdout != "user 2001 added\n" {
		t.Fatalf("add: exit %d, %q, %q", code, stdout, stderr)
	}
	eventually(t, "the new user registers", works("2001", "correct horse"))
	code, stdout, stderr := user("", "add", "2002", "--generate")
	made := regexp.MustCompile(`^user 2002 added\npassword ([a-z2-7]{16})\n$`).FindStringSubmatch(stdout)
	if code != 0 || made == nil {
		t.Fatalf("generate: exit %d, %q, %q", code, stdout, stderr)
	}
	eventually(t, "the made password works", works("2002", made[1]))
	code, stdout, _ = user("", "list")
	if want := `(?s)^NAME +DISPLAY +FROM\n1001 +Alice +file\n2001 +Bob +store\n2002 +- +store\n$`; code != 0 || !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("list: exit %d\n%s", code, stdout)
	}
	if code, stdout, stderr := user("battery staple", "passwd", "2001"); code != 0 || stdout != "user 2001 changed\n" {
		t.Errorf("passwd: exit %d, %q, %q", code, stdout, stderr)
	}
	eventually(t, "the old password is refused", fails("2001", "correct horse"))
	if err := register("2001", "battery staple"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if _, stdout, _ := s.api("registrations"); !strings.Contains(stdout, "2001") {
		t.Errorf("2001 is not registered:\n%s", stdout)
	}
	if code, stdout, stderr := user("", "remove", "2001"); code != 0 || stdout != "user 2001 removed\n" {
		t.Errorf("remove: exit %d, %q, %q", code, stdout, stderr)
	}
	eventually(t, "a removed user is reached no more", func() bool {
		_, stdout, _ := s.api("registrations")
		return !strings.Contains(stdout, "2001") && strings.Contains(stdout, "2002")
	})
	if !fails("2001", "battery staple")() {
		t.Error("a removed user registers")
	}

	for _, tt := range []struct {
		input string
		args  string
		code  int
		want  string
	}{
		{"x\n", "add 2002", 1, "there is a user 2002 already"},
		{"x\n", "add 1001", 1, "user 1001 stands in " + file + ", which wins over the store"},
		{"x\n", "passwd 2009", 1, "there is no user 2009 in the store"},
		{"", "remove 2009", 1, "there is no user 2009 in the store"},
		{"x\n", "add a@b", 2, `"a@b" holds a character that a SIP user cannot have`},
		{"\n", "add 2003", 1, "the password is empty"},
		{"2003\n", "add 2003", 1, "the password is the user's name"},
		{"a\tb\n", "add 2003", 1, "holds a control character"},
		{strings.Repeat("x", 300) + "\n", "add 2003", 1, "longer than 256 bytes"},
	} {
		if code, stdout, stderr := user(tt.input, strings.Fields(tt.args)...); code != tt.code || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit %d, %q, %q; want %d, %q", tt.args, code, stdout, stderr, tt.code, tt.want)
		}
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
	files, err := filepath.Glob(filepath.Join(data, "tandem.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"correct horse", "battery staple", made[1]} {
			if strings.Contains(string(b), secret) || strings.Contains(s.stderr.String(), secret) {
				t.Errorf("%s or the log holds a password", f)
			}
		}
	}
}

// Users may be made before the first start, which then makes none.
func TestUserBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	if code, stdout, _ := command("user", "list", "--data", data); code != 0 || stdout != "no users\n" {
		t.Errorf("list: exit %d, %q", code, stdout)
	}
	if code, _, stderr := typed("secret\n", "user", "add", "1001", "--data", data); code != 0 {
		t.Fatal(stderr)
	}
	s := serve(t, "--data", data)
	if strings.Contains(s.stdout.String(), "password") {
		t.Errorf("users were made:\n%s", s.stdout)
	}
	p := phoneAt(t, "127.0.0.1", phone.Options{User: "1001", Password: "secret", Server: "sip:" + s.sip})
	if err := p.Register(t.Context()); err != nil {
		t.Error(err)
	}
}

// Which algorithms a user may answer by is the user's.
func TestUserDigest(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "tandem.toml"),
		"[[user]]\nname = 'old'\npassword = 'pw'\ndigest = ['md5']\n[[user]]\nname = 'new'\npassword = 'pw'\ndigest = ['sha-256']\n")
	s := serve(t, "-c", file)
	for _, name := range []string{"old", "new"} { // a phone takes SHA-256 where it is offered
		p := phoneAt(t, "127.0.0.1", phone.Options{User: name, Password: "pw", Server: "sip:" + s.sip})
		if err := p.Register(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
