package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mattn/go-sqlite3"

	"tandem/store/journal"
)

// sink writes batches of records; it implements journal.Sink.
type sink struct {
	db    *sql.DB
	node  string
	stmts statements
}

// Write writes entries, and that this node is alive, in one transaction.
func (s *sink) Write(ctx context.Context, batch []*journal.Entry) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	in := s.stmts.within(ctx, tx)
	for _, e := range batch {
		if err := in.write(ctx, e); err != nil {
			return fmt.Errorf("call %s: %w", e.Call.ID, err)
		}
	}
	if _, err := in.meta.ExecContext(ctx, aliveKey(s.node), time.Now().UnixMilli()); err != nil {
		return err
	}
	return tx.Commit()
}

// Refused tells rows that SQLite will never take from a disk that fails or is locked.
func (s *sink) Refused(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case sqlite3.ErrConstraint, sqlite3.ErrTooBig, sqlite3.ErrMismatch, sqlite3.ErrRange:
		return true
	}
	return false
}
