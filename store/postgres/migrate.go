package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tandem/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// class keeps our advisory locks apart from others' ("TNDM"); schemaLock is the one of migrations.
const (
	class      = 0x544e444d
	schemaLock = 0
)

// migrate applies the migrations that the database lacks. Nodes that start at once take turns.
func migrate(ctx context.Context, db *pgxpool.Pool) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", class, schemaLock); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS tandem_schema (version integer NOT NULL)"); err != nil {
		return err
	}
	have, err := schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	if have > len(names) {
		return newer(have, len(names))
	}
	for i := have; i < len(names); i++ {
		text, err := migrations.ReadFile(names[i])
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, string(text)); err != nil {
			return fmt.Errorf("migration %d: %w", i+1, err)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO tandem_schema VALUES ($1)", i+1); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func schemaVersion(ctx context.Context, q queryer) (version int, err error) {
	err = q.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM tandem_schema").Scan(&version)
	return version, err
}

// checkSchema wants exactly the schema that this program knows.
func checkSchema(ctx context.Context, q queryer) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	have, err := schemaVersion(ctx, q)
	const undefinedTable = "42P01"
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == undefinedTable {
		return store.ErrNoStore
	}
	switch {
	case err != nil:
		return err
	case have > len(names):
		return newer(have, len(names))
	case have < len(names):
		return fmt.Errorf("has the older schema %d: start the server once to bring it to %d", have, len(names))
	}
	return nil
}

func newer(have, known int) error {
	return fmt.Errorf("written by a newer tandem (schema %d, this one knows %d)", have, known)
}
