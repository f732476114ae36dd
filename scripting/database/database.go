// Package database asks SQL databases on behalf of scripts: one statement at a time, with
// parameters, within bounds of time and size.
package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of what one statement may give, so that no script fills the server's memory.
const (
	MaxRows  = 10_000
	MaxBytes = 4 << 20 // of values
	maxSQL   = 64 << 10
)

// What holds for a source that does not say otherwise.
const (
	DefaultTimeout     = 5 * time.Second
	DefaultConnections = 8
)

var (
	// ErrTimeout says that a statement, or the wait for a connection, took too long.
	ErrTimeout = errors.New("timeout")
	errRows    = fmt.Errorf("over %d rows", MaxRows)
	errBytes   = fmt.Errorf("over %d MB", MaxBytes>>20)
)

// Source is a database and how it may be used.
type Source struct {
	URL         string        // "sqlite:PATH" or "postgres://user:password@host/name"
	Timeout     time.Duration // of one statement; 0 is DefaultTimeout
	Connections int           // at once; further statements wait; 0 is DefaultConnections
}

// Session runs statements. Arguments are nil, bool, float64 or string; so are values.
type Session interface {
	// Query returns the rows of a statement.
	Query(ctx context.Context, sql string, args []any) (Rows, error)
	// Exec runs a statement for what it changes.
	Exec(ctx context.Context, sql string, args []any) (Changed, error)
}

// DB is a database with a bounded number of connections, which are made when they are needed.
type DB interface {
	Session
	// Begin starts a transaction, which holds a connection until it ends.
	Begin(ctx context.Context) (Tx, error)
	// Timeout is that of one statement.
	Timeout() time.Duration
	// Close waits for what runs and closes the connections.
	Close() error
}

// Tx is a transaction. It ends with Commit or Rollback.
type Tx interface {
	Session
	Commit(ctx context.Context) error
	// Rollback takes back what was done; after Commit it does nothing.
	Rollback()
}

// Rows are what a query found.
type Rows struct {
	Columns []string
	Values  [][]any // a row each; nil is NULL
}

// Changed is what a statement did.
type Changed struct {
	Rows   int64 // inserted, updated or deleted
	LastID int64 // SQLite's last inserted rowid; 0 elsewhere
}

// Open makes a database of a source. It does not connect yet; an error says what is wrong
// with the URL and holds no password.
func Open(s Source) (DB, error) {
	if s.Timeout <= 0 {
		s.Timeout = DefaultTimeout
	}
	if s.Connections <= 0 {
		s.Connections = DefaultConnections
	}
	if path, ok := strings.CutPrefix(s.URL, "sqlite:"); ok && path != "" {
		return openSQLite(path, s)
	}
	if strings.HasPrefix(s.URL, "postgres://") || strings.HasPrefix(s.URL, "postgresql://") {
		return openPostgres(s)
	}
	return nil, errors.New(`want "sqlite:PATH" or "postgres://user:password@host/name"`)
}

// tally counts what a query has found against the bounds.
type tally struct {
	rows  Rows
	bytes int
}

func (t *tally) add(row []any) error {
	if len(t.rows.Values) >= MaxRows {
		return errRows
	}
	for _, v := range row {
		t.bytes += 16
		if s, ok := v.(string); ok {
			t.bytes += len(s)
		}
	}
	if t.bytes > MaxBytes {
		return errBytes
	}
	t.rows.Values = append(t.rows.Values, row)
	return nil
}

// maxWhole bounds the whole numbers that Lua's can hold.
const maxWhole = 1 << 53

// plain names the cause of a context's end, and puts a driver's words on one line.
func plain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
			return cause
		}
		return ErrTimeout
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
