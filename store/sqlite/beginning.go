package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"tandem/store"
)

// recent is how many of the newest records are looked at in order of time before the index
// by number is.
const recent = 20_000

// beginning finds the newest n calls whose number begins with some text. SQLite has an index
// by number and one by time, none that serves both, and cannot know which is the shorter way:
// a frequent beginning is found soon among the newest records, a rare one has few to sort.
func (r *Reader) beginning(ctx context.Context, f store.Filter, q *query, n int) ([]store.Call, error) {
	period, err := selection(store.Filter{Since: f.Since, Until: f.Until, After: f.After})
	if err != nil {
		return nil, err
	}
	var from int64
	err = r.db.QueryRowContext(ctx, "SELECT c.start_ms FROM calls c INDEXED BY calls_start"+period.where()+
		" ORDER BY c.start_ms DESC, c.id DESC LIMIT 1 OFFSET ?", append(period.args, r.recent)...).Scan(&from)
	all := errors.Is(err, sql.ErrNoRows)
	if err != nil && !all {
		return nil, err
	}
	newest := query{conds: slices.Clone(q.conds), args: slices.Clone(q.args)}
	newest.add("c.start_ms >= ?", from)
	rows, err := r.rows(ctx, "SELECT "+allOfCall()+" FROM calls c INDEXED BY calls_start"+newest.where()+q.newest(), append(newest.args, n))
	if err != nil || all || len(rows) == n {
		return rows, err
	}
	// The index holds all that is needed to find the newest; only those are looked up.
	return r.rows(ctx, "SELECT "+allOfCall()+" FROM calls c WHERE c.rowid IN (SELECT c.rowid FROM calls c INDEXED BY "+q.begin+
		q.where()+q.newest()+")"+q.newest(), append(slices.Concat(q.args, []any{n}), n))
}
