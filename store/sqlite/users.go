package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strconv"

	"tandem/store"
)

// Users returns all users by name.
func (r *Reader) Users(ctx context.Context) ([]store.User, error) {
	res, err := r.db.QueryContext(ctx, "SELECT name, display, realm, ha1, ha1_sha256 FROM users ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var out []store.User
	for res.Next() {
		var u store.User
		if err := res.Scan(&u.Name, &u.Display, &u.Realm, &u.HA1, &u.HA1SHA256); err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, res.Err()
}

// PutUser adds a user or replaces the one of that name; it returns when that is on disk.
func (s *Store) PutUser(ctx context.Context, u store.User) error {
	return s.changeUsers(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO users (name, display, realm, ha1, ha1_sha256) VALUES (?, ?, ?, ?, ?)",
			u.Name, u.Display, u.Realm, u.HA1, u.HA1SHA256)
		return err
	})
}

// DeleteUser removes a user; store.ErrNotFound.
func (s *Store) DeleteUser(ctx context.Context, name string) error {
	return s.changeUsers(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM users WHERE name = ?", name)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err == nil && n == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

// metaUsers counts the changes to the users, so that a running server sees those that another
// process makes.
const metaUsers = "users-version"

func (s *Store) changeUsers(ctx context.Context, change func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := change(tx); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO meta (key, value) VALUES (?, '1') ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1", metaUsers)
	if err != nil {
		return err
	}
	return tx.Commit()
}

// UsersVersion grows with each change to the users; 0 before the first.
func (r *Reader) UsersVersion(ctx context.Context) (int64, error) {
	text, err := r.Meta(ctx, metaUsers)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// Meta returns the value of key; store.ErrNotFound.
func (r *Reader) Meta(ctx context.Context, key string) (string, error) {
	var value string
	err := r.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = ?", key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", store.ErrNotFound
	}
	return value, err
}

// SetMeta keeps value under key; it returns when that is on disk.
func (s *Store) SetMeta(ctx context.Context, key, value string) error {
	_, err := s.db.ExecContext(ctx, upsertMeta, key, value)
	return err
}
