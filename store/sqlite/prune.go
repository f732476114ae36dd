package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"tandem/store"
)

const pruneRows = 500

// Prune removes records that began before a time, pruneRows in a transaction; between
// two the writer has its turn. Open calls stay.
func (s *Store) Prune(ctx context.Context, before time.Time, removed func(recording string)) (int, error) {
	total := 0
	for {
		batch, err := s.pruneBatch(ctx, before.UnixMilli())
		if err != nil {
			return total, err
		}
		for _, c := range batch {
			for _, name := range strings.Split(c.Recording, "\n") {
				if name != "" {
					removed(name)
				}
			}
		}
		total += len(batch)
		if len(batch) < pruneRows {
			return total, nil
		}
	}
}

func (s *Store) pruneBatch(ctx context.Context, before int64) ([]store.Call, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	batch, err := oldest(ctx, tx, before)
	if err != nil || len(batch) == 0 {
		return nil, err
	}
	ids := make([]string, len(batch))
	for i, c := range batch {
		ids[i] = c.ID
		if _, err := tx.ExecContext(ctx, "DELETE FROM call_sums WHERE start_ms = ? AND call_id = ?", c.StartMS, c.ID); err != nil {
			return nil, err
		}
		if c.Flags == "" {
			continue
		}
		for flag := range strings.SplitSeq(c.Flags, ",") {
			if _, err := tx.ExecContext(ctx, "DELETE FROM call_flags WHERE flag = ? AND start_ms = ? AND call_id = ?", flag, c.StartMS, c.ID); err != nil {
				return nil, err
			}
		}
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	for _, from := range []string{"timelines WHERE call_id", "legs WHERE call_id", "calls WHERE id"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+from+" IN (SELECT value FROM json_each(?))", string(list)); err != nil {
			return nil, err
		}
	}
	return batch, tx.Commit()
}

// oldest fills id, start_ms, flags and recording only.
func oldest(ctx context.Context, tx *sql.Tx, before int64) ([]store.Call, error) {
	res, err := tx.QueryContext(ctx, "SELECT id, start_ms, flags, recording FROM calls WHERE start_ms < ? AND state <> ? ORDER BY start_ms LIMIT ?",
		before, store.StateOpen, pruneRows)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var out []store.Call
	for res.Next() {
		var c store.Call
		if err := res.Scan(&c.ID, &c.StartMS, &c.Flags, &c.Recording); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, res.Err()
}
