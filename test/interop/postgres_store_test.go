//go:build interop

package interop

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os/exec"
	"sync/atomic"
	"testing"

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
		return func(t *testing.T, o storetest.Options) store.Store { return openPostgres(t, where, o.Serve, o.Node, "") }
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
