package sqlite

import (
	"context"
	"maps"
	"slices"
)

// MetaBelow returns all whose key begins with prefix.
func (r *Reader) MetaBelow(ctx context.Context, prefix string) (map[string]string, error) {
	rows, err := r.db.QueryContext(ctx, "SELECT key, value FROM meta WHERE substr(key, 1, length(?1)) = ?1", prefix)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]string{}
	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return nil, err
		}
		found[key] = value
	}
	return found, rows.Err()
}

// KeepMeta sets and removes many, a thousand a transaction, so that call records need not
// wait long for their turn; it returns when that is on disk.
func (s *Store) KeepMeta(ctx context.Context, put map[string]string, gone []string) error {
	keys := slices.Sorted(maps.Keys(put))
	for len(keys)+len(gone) > 0 {
		some, old := keys[:min(len(keys), bindingRows)], gone[:min(len(gone), bindingRows)]
		keys, gone = keys[len(some):], gone[len(old):]
		if err := s.keepMeta(ctx, put, some, old); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) keepMeta(ctx context.Context, put map[string]string, keys, gone []string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, key := range keys {
		if _, err := tx.ExecContext(ctx, upsertMeta, key, put[key]); err != nil {
			return err
		}
	}
	for _, key := range gone {
		if _, err := tx.ExecContext(ctx, "DELETE FROM meta WHERE key = ?", key); err != nil {
			return err
		}
	}
	return tx.Commit()
}
