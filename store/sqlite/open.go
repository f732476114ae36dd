// Package sqlite keeps Tandem's records in an SQLite file: one writer that batches, a
// pool of readers, and migrations. The call path hands rows over and never waits for
// the disk.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "github.com/mattn/go-sqlite3" // the driver named "sqlite3"

	"tandem/store"
	"tandem/store/journal"
)

// Options of Open. The zero value is sane.
type Options struct {
	Log *slog.Logger // slog.Default() if nil
	// Node is this server's name in the records; the host's name if "".
	Node string
	// Serve says that this process is the server that owns the store: no other may own
	// it meanwhile, and rows left open by the one before become lost.
	Serve bool
	// Spool is a folder for records that the file does not take in time, used by a server
	// only, and SpoolBytes its bound; "" and 0 as in journal.Options.
	Spool      string
	SpoolBytes int64
	// QueueBytes bounds the memory of what waits to be written; 64 MiB if 0.
	QueueBytes int
	// Readers is the number of connections that answer questions; 4 if 0.
	Readers int
}

const (
	bindingRows = 1000             // in a transaction
	lockWait    = 5 * time.Second  // for another process that is writing
	spoolWait   = 10 * time.Second // for what is in the spool at the start
)

// Store is an open file with its writer. It implements store.Store.
type Store struct {
	*Reader
	*journal.Writer
	db    *sql.DB // one connection, for writing
	sink  *sink
	owner *os.File // locked while we own the store; nil if we do not
	log   *slog.Logger
}

var _ store.Store = (*Store)(nil)

// Open opens the store at path for writing; it makes the folder and the file and brings
// an older schema up to date. Errors name the path and are one line.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	s, err := open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, plain(err))
	}
	return s, nil
}

func open(ctx context.Context, path string, o Options) (*Store, error) {
	o.fill()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	s := &Store{log: o.Log}
	ok := false
	defer func() {
		if !ok {
			s.release()
		}
	}()
	var err error
	if o.Serve {
		if s.owner, err = journal.Own(path + ".lock"); err != nil {
			return nil, err
		}
	}
	if err := create(path); err != nil {
		return nil, err
	}
	if s.db, err = connect(path, writing, 1); err != nil {
		return nil, err
	}
	if err := migrate(ctx, s.db); err != nil {
		return nil, err
	}
	if o.Serve {
		if err := closeLost(ctx, s.db, o.Node, o.Log); err != nil {
			return nil, err
		}
	}
	pool, err := connect(path, reading, o.Readers)
	if err != nil {
		return nil, err
	}
	s.Reader = &Reader{db: pool, recent: recent}
	if err := s.start(ctx, o); err != nil {
		return nil, err
	}
	ok = true
	return s, nil
}

// start begins to write. A server first takes in what the one before it left in the spool.
func (s *Store) start(ctx context.Context, o Options) error {
	k := &sink{db: s.db, node: o.Node}
	if err := k.stmts.prepare(ctx, s.db); err != nil {
		return err
	}
	s.sink = k
	jo := journal.Options{Log: o.Log, Node: o.Node, QueueBytes: o.QueueBytes}
	if o.Serve {
		jo.Spool, jo.SpoolBytes = o.Spool, o.SpoolBytes
	}
	var err error
	if s.Writer, err = journal.Start(s.sink, jo); err != nil {
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

// create makes the file, which holds passwords' hashes and who called whom, so that others
// cannot read it. SQLite gives its -wal and -shm the same mode.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Node == "" {
		o.Node, _ = os.Hostname() // without a name the node is ""
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
}

// Close writes what waits and closes the file. It gives a failing disk 10 s.
func (s *Store) Close() error {
	err := s.Writer.Close()
	return errors.Join(err, s.release())
}

func (s *Store) release() error {
	var errs []error
	if s.sink != nil {
		s.sink.stmts.close()
	}
	if s.Reader != nil {
		errs = append(errs, s.Reader.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.owner != nil {
		errs = append(errs, s.owner.Close())
	}
	return errors.Join(errs...)
}

type mode string

const (
	writing mode = "rwc"
	reading mode = "ro"
	// frozen reads a file in a folder that we may not write, where SQLite cannot share memory.
	frozen mode = "ro&immutable=1"
)

// connect makes a pool of conns connections, all with the same PRAGMAs.
func connect(path string, m mode, conns int) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dsn := (&url.URL{Scheme: "file", Path: abs}).String() + "?mode=" + string(m) +
		"&_busy_timeout=" + strconv.FormatInt(lockWait.Milliseconds(), 10) +
		"&_stmt_cache_size=32"
	if m == writing {
		// FULL: a commit is on disk when it returns, also after a power cut.
		dsn += "&_journal_mode=WAL&_synchronous=FULL&_txlock=immediate"
	}
	db, err := sql.Open("sqlite3", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// plain takes the operation and path out of a file error, which the caller names.
func plain(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
