// Package postgres keeps Tandem's records in PostgreSQL, which several servers (nodes) may
// share. Tables and their meaning are those of store/sqlite.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tandem/store"
	"tandem/store/journal"
)

// Options of Open. The zero value is sane.
type Options struct {
	Log *slog.Logger // slog.Default() if nil
	// Node is this server's name in the records; the host's name if "". No two servers that
	// share a database may have the same.
	Node string
	// Serve says that this process is the server of that name: no other may be it
	// meanwhile, and rows left open by the one before become lost.
	Serve bool
	// Spool, SpoolBytes and QueueBytes are those of journal.Options; only a server spools.
	Spool      string
	SpoolBytes int64
	QueueBytes int
	// GoneAfter is how long another node may show no sign of life, and hold no lock, before a
	// server closes its calls as lost; 60 s if 0.
	GoneAfter time.Duration
}

const (
	connections = 8
	connectWait = 5 * time.Second
	spoolWait   = 10 * time.Second // for what is in the spool at the start
)

// Store is an open database with its writer. It implements store.Store.
type Store struct {
	*Reader
	*journal.Writer
	node   string
	tenure *tenure // of a server
	log    *slog.Logger
}

var _ store.Store = (*Store)(nil)

// Open opens the database that url names for writing and brings an older schema up to date.
// Errors are one line and hold no password.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Node == "" {
		o.Node, _ = os.Hostname() // without a name the node is ""
	}
	if o.GoneAfter == 0 {
		o.GoneAfter = goneAfter
	}
	s := &Store{log: o.Log, node: o.Node}
	if err := s.open(ctx, url, o); err != nil {
		s.release()
		return nil, fmt.Errorf("store postgres: %w", err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, url string, o Options) error {
	pool, err := connect(ctx, url)
	if err != nil {
		return err
	}
	s.Reader = &Reader{db: pool}
	if err := migrate(ctx, pool); err != nil {
		return err
	}
	jo := journal.Options{Log: o.Log, Node: o.Node, QueueBytes: o.QueueBytes}
	if o.Serve {
		if s.tenure, err = begin(ctx, pool, o); err != nil {
			return err
		}
		if err := closeLost(ctx, pool, o.Node, o.Log); err != nil {
			return err
		}
		jo.Spool, jo.SpoolBytes = o.Spool, o.SpoolBytes
	}
	if s.Writer, err = journal.Start(&sink{db: pool, node: o.Node}, jo); err != nil {
		return err
	}
	if s.Health().Spooled > 0 {
		wait, cancel := context.WithTimeout(ctx, spoolWait)
		defer cancel()
		if err := s.Flush(wait); err != nil {
			o.Log.Error("what is in the spool cannot be written yet; it is tried again", "error", err)
		}
	}
	return nil
}

// Close writes what waits and closes the connections. It gives a failing database 10 s.
func (s *Store) Close() error {
	err := s.Writer.Close()
	s.release()
	return err
}

func (s *Store) release() {
	if s.tenure != nil {
		s.tenure.end()
	}
	if s.Reader != nil {
		s.Reader.Close()
	}
}

// Backup is PostgreSQL's own affair.
func (r *Reader) Backup(context.Context, string) error {
	return errors.New("a PostgreSQL store is copied by its own tools: pg_dump --format=custom --file=FILE URL")
}

// connect makes a pool of connections, of which one has been tried.
func connect(ctx context.Context, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = connections
	cfg.ConnConfig.ConnectTimeout = connectWait
	cfg.ConnConfig.RuntimeParams["application_name"] = "tandem"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// refused tells data that PostgreSQL will never take (classes 22 and 23 of its error codes)
// from a server that is away or busy.
func refused(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && len(e.Code) == 5 && (e.Code[:2] == "22" || e.Code[:2] == "23")
}
