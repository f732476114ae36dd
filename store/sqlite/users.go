package sqlite

import (
	"context"
	"database/sql"
	"errors"

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
	_, err := s.db.ExecContext(ctx, "INSERT OR REPLACE INTO users (name, display, realm, ha1, ha1_sha256) VALUES (?, ?, ?, ?, ?)",
		u.Name, u.Display, u.Realm, u.HA1, u.HA1SHA256)
	return err
}

// DeleteUser removes a user; store.ErrNotFound.
func (s *Store) DeleteUser(ctx context.Context, name string) error {
	res, err := s.db.ExecContext(ctx, "DELETE FROM users WHERE name = ?", name)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
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
