//go:build interop

package interop

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// postgresProgram finds a program of PostgreSQL's server, which Debian keeps out of PATH.
func postgresProgram(name string) (string, error) {
	if found, err := exec.LookPath(name); err == nil {
		return found, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
	}
	return found[len(found)-1], nil
}

// startPostgres runs a PostgreSQL server of the test's own, and returns the URL of an empty
// database in it. It listens on a socket in a folder of its own and on no port, so any number
// of them run side by side.
func startPostgres(t *testing.T) string {
	t.Helper()
	return newPostgres(t).url
}

// postgresServer can be stopped and started again.
type postgresServer struct {
	*process
	url   string
	start func()
}

// newPostgres is startPostgres with the server at hand.
func newPostgres(t *testing.T) *postgresServer {
	t.Helper()
	// Not t.TempDir: the server's user has to reach it, and a socket's path is short.
	dir, err := os.MkdirTemp("", "tandem-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := postgresUser(t, dir)
	command := func(program string, args ...string) *exec.Cmd {
		path, err := postgresProgram(program)
		if err != nil {
			t.Fatalf("%v (make peers installs it)", err)
		}
		cmd := exec.Command(path, args...)
		cmd.Dir, cmd.SysProcAttr = dir, as
		return cmd
	}
	data := filepath.Join(dir, "data")
	if out, err := command("initdb", "-D", data, "-U", "tandem", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s := &postgresServer{url: (&url.URL{Scheme: "postgres", User: url.User("tandem"), Path: "/postgres",
		RawQuery: url.Values{"host": {dir}, "sslmode": {"disable"}}.Encode()}).String()}
	s.start = func() {
		s.process = launchCommand(t, command("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"))
		s.waitOutput(t, "ready to accept connections")
	}
	s.start()
	return s
}

// postgresUser hands dir to the user that the server runs as: PostgreSQL refuses to run as root.
func postgresUser(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("%v (it comes with Debian's postgresql)", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// TestPostgresStarts: the server that other tests stand on answers, and ends with the test.
func TestPostgresStarts(t *testing.T) {
	t.Parallel()
	for range 2 { // side by side
		where := startPostgres(t)
		psql, err := postgresProgram("psql")
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(psql, where, "-Atc", "select 6 * 7").CombinedOutput()
		if err != nil || string(out) != "42\n" {
			t.Fatalf("psql: %v %s", err, out)
		}
	}
}
