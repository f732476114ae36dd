package postgres

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tandem/store"
)

// Users returns all users by name.
func (r *Reader) Users(ctx context.Context) ([]store.User, error) {
	res, err := r.db.Query(ctx, "SELECT name, display, realm, ha1, ha1_sha256 FROM users ORDER BY name")
	if err != nil {
		return nil, err
	}
	users, err := pgx.CollectRows(res, pgx.RowToStructByPos[store.User])
	return nilled(users), err
}

// PutUser adds a user or replaces the one of that name; it returns when that is on disk.
func (s *Store) PutUser(ctx context.Context, u store.User) error {
	return s.changeUsers(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, upsert("users", []string{"name", "display", "realm", "ha1", "ha1_sha256"}, "name"),
			u.Name, u.Display, u.Realm, u.HA1, u.HA1SHA256)
		return err
	})
}

// DeleteUser removes a user; store.ErrNotFound.
func (s *Store) DeleteUser(ctx context.Context, name string) error {
	return s.changeUsers(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM users WHERE name = $1", name)
		if err == nil && tag.RowsAffected() == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

// metaUsers counts the changes to the users, so that running servers see those of others.
const metaUsers = "users-version"

func (s *Store) changeUsers(ctx context.Context, change func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO meta (key, value) VALUES ($1, '1') ON CONFLICT (key) DO UPDATE SET value = (meta.value::bigint + 1)::text", metaUsers)
		return err
	})
}

// UsersVersion grows with each change to the users; 0 before the first.
func (r *Reader) UsersVersion(ctx context.Context) (int64, error) {
	version, err := r.Meta(ctx, metaUsers)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(version, 10, 64)
}
