package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tandem/store"
)

const pruneRows = 500

// Prune removes records that began before a time, pruneRows in a transaction. Open calls
// stay, and records with recordings stay for the node that has the files.
func (s *Store) Prune(ctx context.Context, before time.Time, removed func(recording string)) (int, error) {
	total := 0
	for {
		res, err := s.db.Query(ctx, `
			WITH old AS (SELECT id, start_ms FROM calls WHERE start_ms < $1 AND state <> $2 AND (node = $3 OR recording = '')
				ORDER BY start_ms LIMIT $4 FOR UPDATE SKIP LOCKED),
			t AS (DELETE FROM timelines USING old WHERE call_id = old.id),
			l AS (DELETE FROM legs USING old WHERE call_id = old.id),
			f AS (DELETE FROM call_flags f USING old WHERE f.call_id = old.id AND f.start_ms = old.start_ms),
			s AS (DELETE FROM call_sums s USING old WHERE s.call_id = old.id AND s.start_ms = old.start_ms)
			DELETE FROM calls USING old WHERE calls.id = old.id RETURNING calls.recording`,
			before.UnixMilli(), store.StateOpen, s.node, pruneRows)
		if err != nil {
			return total, err
		}
		recordings, err := pgx.CollectRows(res, pgx.RowTo[string])
		if err != nil {
			return total, err
		}
		for _, list := range recordings {
			for name := range strings.SplitSeq(list, "\n") {
				if name != "" {
					removed(name)
				}
			}
		}
		total += len(recordings)
		if len(recordings) < pruneRows {
			return total, nil
		}
	}
}
