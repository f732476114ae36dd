package sqlite

import (
	"context"
	"database/sql"
	"log/slog"

	"tandem/store"
	"tandem/store/journal"
)

// aliveKey holds in meta when a node last wrote, in ms: with each batch, and every few
// seconds while calls are open.
func aliveKey(node string) string { return "alive/" + node }

// closeLost closes the rows that a crash of this node left open. They end when the node
// is last known to have been alive.
func closeLost(ctx context.Context, db *sql.DB, node string, log *slog.Logger) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, `
		UPDATE calls SET end_ms = max(start_ms, ifnull(ring_ms, 0), ifnull(answer_ms, 0),
			ifnull((SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?), 0))
		WHERE state = ? AND node = ?`, aliveKey(node), store.StateOpen, node)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT OR IGNORE INTO call_sums "+intoColumns(journal.SumColumns())+`
		SELECT start_ms, id, trunk, auth_user, 0, answer_ms IS NOT NULL, ifnull(end_ms - answer_ms, 0), end_ms - start_ms,
			ifnull(pdd_ms, -1), 0, 0, 0.0, 0 FROM calls WHERE state = ? AND node = ?`, store.StateOpen, node)
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `
		UPDATE calls SET state = ?, released_by = ?,
			duration_ms = end_ms - start_ms, billable_ms = ifnull(end_ms - answer_ms, 0)
		WHERE state = ? AND node = ?`, store.StateLost, store.BySystem, store.StateOpen, node)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n > 0 {
		log.Warn("the server before this one died with calls up; their records are closed as lost", "calls", n)
	}
	return tx.Commit()
}
