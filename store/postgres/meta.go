package postgres

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"tandem/store"
)

// Meta returns the value of key; store.ErrNotFound.
func (r *Reader) Meta(ctx context.Context, key string) (value string, err error) {
	err = r.db.QueryRow(ctx, "SELECT value FROM meta WHERE key = $1", key).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", store.ErrNotFound
	}
	return value, err
}

// SetMeta keeps value under key; it returns when that is on disk.
func (s *Store) SetMeta(ctx context.Context, key, value string) error {
	_, err := s.db.Exec(ctx, upsert("meta", []string{"key", "value"}, "key"), key, value)
	return err
}

// MetaBelow returns all whose key begins with prefix.
func (r *Reader) MetaBelow(ctx context.Context, prefix string) (map[string]string, error) {
	prefix = text(prefix)
	rows, err := r.db.Query(ctx, "SELECT key, value FROM meta WHERE key >= $1 AND key < $2", prefix, beyond(prefix))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	var key, value string
	_, err = pgx.ForEachRow(rows, []any{&key, &value}, func() error {
		out[key] = value
		return nil
	})
	return out, err
}

// KeepMeta sets and removes many.
func (s *Store) KeepMeta(ctx context.Context, put map[string]string, gone []string) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		// In order, lest two nodes wait for each other's rows.
		for _, key := range slices.Sorted(maps.Keys(put)) {
			b.Queue(upsert("meta", []string{"key", "value"}, "key"), text(key), text(put[key]))
		}
		b.Queue("DELETE FROM meta WHERE key = ANY ($1)", gone)
		return tx.SendBatch(ctx, b).Close()
	})
}
