//go:build interop

package interop

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

// setup is what a test changes of the built-in defaults.
type setup struct {
	dir     string            // an earlier server's, to start again on its data
	config  string            // tandem.toml
	scripts map[string]string // file to text; none: the shipped scripts
	listen  []string          // of SIP; UDP and TCP on free ports by default
	in      *namespace        // nil: this machine's network
}

// server is a running tandem serve.
type server struct {
	*process
	dir      string         // of tandem.toml, scripts and data
	udp, tcp netip.AddrPort // the first of each
	sip      []endpoint     // all, in the order in which they were asked for
	api      string
}

// number reads a column that holds a whole number.
func number(row map[string]any, column string) int64 {
	n, _ := row[column].(int64)
	return n
}

// endpoint is one listener of a server.
type endpoint struct {
	proto string
	addr  netip.AddrPort
}

// twoUsers are known by their passwords; the built-in ones are random.
const twoUsers = `
[[user]]
name = "1001"
password = "first-secret"
display = "Alice"

[[user]]
name = "1002"
password = "second-secret"
display = "Bob"
`

// md5Only is for SIPp 3.6, which gives up when the first challenge names an
// algorithm that it does not know, though another one follows.
const md5Only = `
[sip]
digest = ["md5"]
`

// trustNobody is an ACL that does not list loopback: everyone is challenged.
const trustNobody = `
[[acl]]
allow = ["192.0.2.1/32"]
`

var readyLine = regexp.MustCompile(`(?m)^ready sip=(\S+) http=(\S+)$`)

// serve starts the server and waits until it is ready.
func serve(t *testing.T, s setup) *server {
	t.Helper()
	dir := s.dir
	if dir == "" {
		dir = t.TempDir()
	}
	if s.config != "" {
		writeFile(t, filepath.Join(dir, "tandem.toml"), s.config)
	}
	for name, text := range s.scripts {
		name = filepath.Join(dir, "scripts", name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, name, text)
	}
	if s.listen == nil {
		s.listen = []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0"}
	}
	args := []string{"serve", "--http", "127.0.0.1:0", "--data", "data"}
	for _, l := range s.listen {
		args = append(args, "--sip", l)
	}
	srv := &server{dir: dir}
	// Cleanups run backwards: the server has ended when its log is looked at.
	t.Cleanup(func() {
		if srv.process != nil {
			srv.checkSane(t)
			srv.tell(t)
		}
	})
	srv.process = launchIn(t, s.in, dir, tandemBinary, args...)
	eventually(t, "the server is ready", func() bool {
		if !srv.running() {
			t.Fatal("the server has ended")
		}
		m := readyLine.FindStringSubmatch(srv.out.String())
		if m == nil {
			return false
		}
		srv.api = "http://" + m[2]
		for _, e := range strings.Split(m[1], ",") {
			proto, addr, _ := strings.Cut(e, "://")
			a := netip.MustParseAddrPort(addr)
			srv.sip = append(srv.sip, endpoint{proto, a})
			if proto == "udp" && !srv.udp.IsValid() {
				srv.udp = a
			} else if proto == "tcp" && !srv.tcp.IsValid() {
				srv.tcp = a
			}
		}
		return true
	})
	return srv
}

// checkSane looks for what must not be in any server's log.
func (s *server) checkSane(t *testing.T) {
	log := s.out.String()
	for _, bad := range []string{"DATA RACE", "panic"} {
		if i := strings.Index(log, bad); i >= 0 {
			t.Errorf("the server printed %q:\n%s", bad, log[i:min(len(log), i+4000)])
		}
	}
}

// tell shows the timelines of a failed test's calls.
func (s *server) tell(t *testing.T) {
	if _, err := os.Stat(s.store()); err != nil || !t.Failed() {
		return
	}
	for _, e := range s.records(t, `select calls.start_ms, call_id, at_ms, leg, kind, text from events
		join calls on calls.id = call_id order by calls.start_ms, call_id, at_ms`) {
		t.Logf("%v %6d ms  leg %v  %v: %v", e["call_id"], number(e, "at_ms")-number(e, "start_ms"), e["leg"], e["kind"], e["text"])
	}
}

// store is the file of the records.
func (s *server) store() string { return filepath.Join(s.dir, "data", "tandem.db") }

// uri is where a number of this server is called over UDP.
func (s *server) uri(number string) string { return "sip:" + number + "@" + s.udp.String() }

// tandem runs another command of the binary beside the server and returns what
// it printed to stdout.
func (s *server) tandem(t *testing.T, args ...string) (stdout string, exit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tandemBinary, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "TANDEM_SERVER="+s.api)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	t.Logf("tandem %s: exit %d\n%s%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), out.String(), errs.String())
	return out.String(), cmd.ProcessState.ExitCode()
}

// get asks the API and decodes its JSON.
func (s *server) get(t *testing.T, path string, into any) {
	t.Helper()
	res, err := http.Get(s.api + "/api/v1" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v: %s", path, res.Status, err, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("GET %s: %v: %s", path, err, body)
	}
}

// live lists the calls in progress.
func (s *server) live(t *testing.T) []map[string]any {
	t.Helper()
	var answer struct{ Items []map[string]any }
	s.get(t, "/calls", &answer)
	return answer.Items
}

// records reads the store beside the server, as any SQLite tool may.
func (s *server) records(t *testing.T, query string, args ...any) []map[string]any {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+s.store()+"?mode=ro&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(context.WithoutCancel(t.Context()), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for rows.Next() {
		values, pointers := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			t.Fatal(err)
		}
		row := map[string]any{}
		for i, c := range columns {
			row[c] = values[i]
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// finished waits until n calls are in the store and none is open, and returns
// them in the order in which they began.
func (s *server) finished(t *testing.T, n int) []map[string]any {
	t.Helper()
	var calls []map[string]any
	eventually(t, fmt.Sprintf("%d calls are finished in the store", n), func() bool {
		calls = s.records(t, `select * from calls order by start_ms, id`)
		open := 0
		for _, c := range calls {
			if c["state"] == "open" {
				open++
			}
		}
		return len(calls) >= n && open == 0
	})
	if len(calls) != n {
		t.Fatalf("%d calls in the store, want %d: %v", len(calls), n, calls)
	}
	return calls
}

// legs are those of a finished call, the caller's first.
func (s *server) legs(t *testing.T, call map[string]any) []map[string]any {
	t.Helper()
	return s.records(t, `select * from legs where call_id = ? order by seq`, call["id"])
}
