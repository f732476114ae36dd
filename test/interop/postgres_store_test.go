//go:build interop

package interop

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tandem/store"
	"tandem/store/postgres"
	"tandem/store/storetest"
)

// TestPostgresStore: the store means the same on PostgreSQL.
func TestPostgresStore(t *testing.T) {
	t.Parallel()
	server := startPostgres(t)
	var schemas atomic.Int64
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		where := schemaOf(t, server, fmt.Sprintf("s%d", schemas.Add(1)))
		return func(t *testing.T, o storetest.Options) store.Store {
			return openPostgres(t, where, o.Serve, o.Node, "")
		}
	})
}

// schemaOf makes a namespace for tables and returns the URL of it.
func schemaOf(t *testing.T, server, name string) string {
	t.Helper()
	psql, err := postgresProgram("psql")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(psql, server, "-qc", "CREATE SCHEMA "+name).CombinedOutput(); err != nil {
		t.Fatalf("psql: %v %s", err, out)
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

func openPostgres(t *testing.T, where string, serve bool, node, spool string) *postgres.Store {
	t.Helper()
	if node == "" {
		node = "test"
	}
	s, err := postgres.Open(t.Context(), where, postgres.Options{Log: slog.New(slog.DiscardHandler), Serve: serve, Node: where + node, Spool: spool})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestPostgresOneServerANode: two servers of one name could not tell whose calls are lost.
func TestPostgresOneServerANode(t *testing.T) {
	t.Parallel()
	where := startPostgres(t)
	first := openPostgres(t, where, true, "a", "")
	openPostgres(t, where, true, "b", "")
	o := postgres.Options{Log: slog.New(slog.DiscardHandler), Serve: true, Node: where + "a"}
	if _, err := postgres.Open(t.Context(), where, o); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a second server of the same node: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openPostgres(t, where, true, "a", "")
}

// TestPostgresDeadNode: what a node has left open that is gone for good is closed by another. A
// node that says nothing for as long, and is there, keeps its calls.
func TestPostgresDeadNode(t *testing.T) {
	t.Parallel()
	where := startPostgres(t)
	open := func(node string, serve bool) *postgres.Store {
		s, err := postgres.Open(t.Context(), where, postgres.Options{Log: slog.New(slog.DiscardHandler), Serve: serve, Node: node, GoneAfter: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	begin := func(s *postgres.Store, node string) {
		s.Open(&store.Call{ID: "call-of-" + node, LinkedID: "call-of-" + node, Node: node, State: store.StateOpen, StartMS: time.Now().UnixMilli()})
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	quiet, dead := open("quiet", true), open("dead", false) // without the lock, as after its end
	begin(quiet, "quiet")
	begin(dead, "dead")
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	last := open("last", true)
	eventually(t, "the call of the dead node is closed", func() bool {
		c, _, _, err := last.Call(t.Context(), "call-of-dead")
		return err == nil && c.State == store.StateLost && c.EndMS >= c.StartMS && c.ReleasedBy == store.BySystem
	})
	if c, _, _, err := last.Call(t.Context(), "call-of-quiet"); err != nil || c.State != store.StateOpen {
		t.Errorf("the call of a node that is there: %+v, %v", c, err)
	}
}

// TestPostgresGoesAndComesBack: the database is killed while calls come and go, and started
// again; no record is lost or doubled. A second server on the same database sees them all.
func TestPostgresGoesAndComesBack(t *testing.T) {
	t.Parallel()
	db := newPostgres(t)
	config := func(node string) string {
		return fmt.Sprintf("[server]\nnode = %q\n[store]\nurl = %q\n%s", node, db.url, twoUsers)
	}
	srv := serve(t, setup{config: config("a"), scripts: map[string]string{"50-main.lua": `
		return { on_call = function(call)
			call:answer()
			call:play("silence:60")
		end }`}})
	const calls = 200
	load := sipp(t, "uac_random.xml", srv.udp, "-s", "5000", "-key", "run", "pg", "-r", "50", "-m", fmt.Sprint(calls), "-l", "1000")
	eventually(t, "some records are written", func() bool { return srv.stored(t, "written") > 50 })
	db.cmd.Process.Signal(syscall.SIGQUIT) // PostgreSQL's immediate shutdown: as a crash
	<-db.exited
	eventually(t, "records wait in the spool", func() bool { return srv.stored(t, "spooled") > 20 })
	load.succeeds(t)
	db.start()
	second := serve(t, setup{config: config("b")})
	ended := func(s *server) int {
		out, _ := s.tandem(t, "cdr", "list", "--format", "json", "--limit", "1000", "--state", "answered")
		return strings.Count(out, `"from_user":"pgx`)
	}
	eventually(t, "all records are in the database", func() bool {
		return srv.stored(t, "spooled") == 0 && ended(srv) == calls
	})
	if n := ended(second); n != calls {
		t.Errorf("the other server sees %d calls", n)
	}
	psql, err := postgresProgram("psql")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(psql, db.url, "-Atc", `select count(*), count(distinct id), count(distinct from_user),
		count(*) filter (where node = 'a'), (select count(*) from legs), (select count(distinct call_id) from events), (select count(*) from call_sums) from calls`).CombinedOutput()
	if want := strings.Repeat("200|", 6) + "200\n"; err != nil || string(out) != want {
		t.Errorf("psql: %v %s, want %s", err, out, want)
	}
	if out, code := srv.tandem(t, "cdr", "stats", "--by", "code"); code != 0 || !strings.Contains(out, "200") {
		t.Errorf("stats: exit %d %s", code, out)
	}
	if _, code := srv.tandem(t, "backup", "copy"); code != 1 {
		t.Errorf("backup: exit %d; pg_dump does that", code)
	}
	for _, server := range []*server{srv, second} { // before their database, which waits for them
		if server.end(); server.cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("exit code %d", server.cmd.ProcessState.ExitCode())
		}
	}
}

// stored is a number of what the server's status says of its store.
func (s *server) stored(t *testing.T, what string) int {
	t.Helper()
	var status struct{ Store map[string]any }
	s.get(t, "/status", &status)
	n, _ := status.Store[what].(float64)
	return int(n)
}
