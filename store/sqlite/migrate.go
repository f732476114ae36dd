package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks an SQLite file as Tandem's ("TNDM").
const applicationID = 0x544e444d

type migration struct {
	version int
	sql     string
}

// steps lists the migrations in order; their numbers are 1, 2, 3…
func steps() ([]migration, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var out []migration
	for i, name := range names {
		num, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		version, err := strconv.Atoi(num)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s: want number %d", name, i+1)
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out = append(out, migration{version, string(text)})
	}
	return out, nil
}

// migrate applies the migrations that db lacks, each in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB) error {
	all, err := steps()
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := apply(ctx, db, m); err != nil {
			return err
		}
	}
	return checkSchema(ctx, db)
}

func apply(ctx context.Context, db *sql.DB, m migration) error {
	// The transaction is immediate, so of two processes that start together the second
	// finds the work of the first.
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	have, err := schemaVersion(ctx, tx)
	if err != nil || have >= m.version {
		return err
	}
	if _, err := tx.ExecContext(ctx, m.sql); err != nil {
		return fmt.Errorf("migration %d: %w", m.version, err)
	}
	mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, m.version)
	if _, err := tx.ExecContext(ctx, mark); err != nil {
		return err
	}
	return tx.Commit()
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// schemaVersion is 0 for an empty file; a database that is not ours is an error.
func schemaVersion(ctx context.Context, q queryer) (int, error) {
	var version, app, tables int
	if err := q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, err
	}
	if err := q.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return 0, err
	}
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return 0, err
	}
	if app != applicationID && (tables > 0 || version > 0) {
		return 0, errors.New("an SQLite file of some other program")
	}
	return version, nil
}

// checkSchema wants exactly the schema that this program knows.
func checkSchema(ctx context.Context, q queryer) error {
	all, err := steps()
	if err != nil {
		return err
	}
	have, err := schemaVersion(ctx, q)
	switch {
	case err != nil:
		return err
	case have > len(all):
		return fmt.Errorf("written by a newer tandem (schema %d, this one knows %d)", have, len(all))
	case have < len(all):
		return fmt.Errorf("has the older schema %d: start the server once to bring it to %d", have, len(all))
	}
	return nil
}
