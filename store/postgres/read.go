package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tandem/store"
)

// Reader answers questions about a store, also beside running servers. It implements store.Reader.
type Reader struct{ db *pgxpool.Pool }

var _ store.Reader = (*Reader)(nil)

// OpenReader opens an existing store for questions only: it makes no table and marks nothing
// as lost. Without the tables the error is store.ErrNoStore.
func OpenReader(ctx context.Context, url string) (*Reader, error) {
	pool, err := connect(ctx, url)
	if err == nil {
		if err = checkSchema(ctx, pool); err != nil {
			pool.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("store postgres: %w", err)
	}
	return &Reader{db: pool}, nil
}

// Close closes the connections.
func (r *Reader) Close() error {
	r.db.Close()
	return nil
}

// pick lists columns of the table named by alias, NULL as the zero value.
func pick(alias string, fields []store.Field) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = alias + "." + f.Name
		switch f.Kind {
		case store.Opt, store.Real:
			out[i] = "coalesce(" + out[i] + ", 0)"
		case store.JSON:
			out[i] = "coalesce(" + out[i] + ", '')"
		}
	}
	return strings.Join(out, ", ")
}

func pointers(fields []store.Field) []any {
	out := make([]any, len(fields))
	for i, f := range fields {
		out[i] = f.Ptr
	}
	return out
}

type asker interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func collect[T any](ctx context.Context, db asker, fields func(*T) []store.Field, text string, args ...any) ([]T, error) {
	res, err := db.Query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(res, func(row pgx.CollectableRow) (out T, err error) {
		err = row.Scan(pointers(fields(&out))...)
		return out, err
	})
}

// Calls returns one page, newest first.
func (r *Reader) Calls(ctx context.Context, f store.Filter) (rows []store.Call, next string, err error) {
	q, err := selection(f)
	if err != nil {
		return nil, "", err
	}
	limit := f.Limit
	if limit == 0 {
		limit = store.DefaultLimit
	}
	// One more than asked for tells whether there is a next page.
	rows, err = collect(ctx, r.db, (*store.Call).Fields, "SELECT "+pick("c", new(store.Call).Fields())+q.from()+q.where()+
		" ORDER BY "+q.order+".start_ms DESC, "+q.orderID()+" DESC LIMIT "+q.arg(limit+1), q.args...)
	if err == nil && len(rows) > limit {
		rows = rows[:limit]
		next = store.Cursor(&rows[limit-1])
	}
	return rows, next, err
}

// Call returns a record by its whole id.
func (r *Reader) Call(ctx context.Context, id string) (*store.Call, []store.Leg, []store.Event, error) {
	// One snapshot, so that call, legs and events are of one moment.
	tx, err := r.db.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, nil, nil, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	calls, err := collect(ctx, tx, (*store.Call).Fields, "SELECT "+pick("c", new(store.Call).Fields())+" FROM calls c WHERE id = $1", id)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(calls) == 0 {
		return nil, nil, nil, store.ErrNotFound
	}
	legs, err := collect(ctx, tx, (*store.Leg).Fields, "SELECT "+pick("l", new(store.Leg).Fields())+" FROM legs l WHERE call_id = $1 ORDER BY seq", id)
	if err != nil {
		return nil, nil, nil, err
	}
	events, err := collect(ctx, tx, (*store.Event).Fields, "SELECT "+pick("e", new(store.Event).Fields())+" FROM events e WHERE call_id = $1", id)
	if err != nil {
		return nil, nil, nil, err
	}
	return &calls[0], nilled(legs), nilled(events), nil
}

// nilled is none as nil.
func nilled[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// beyond is greater than every text that begins with prefix.
func beyond(prefix string) string { return prefix + "\U0010ffff" }

// Match returns up to limit ids that begin with prefix.
func (r *Reader) Match(ctx context.Context, prefix string, limit int) ([]string, error) {
	prefix = text(prefix)
	res, err := r.db.Query(ctx, "SELECT id FROM calls WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3", prefix, beyond(prefix), limit)
	if err != nil {
		return nil, err
	}
	ids, err := pgx.CollectRows(res, pgx.RowTo[string])
	return nilled(ids), err
}

const shortest = 8

// Shorten returns for each id the shortest prefix that no other record shares: one longer
// than what it has in common with its neighbours in order.
func (r *Reader) Shorten(ctx context.Context, ids []string) ([]string, error) {
	b := &pgx.Batch{}
	for _, id := range ids {
		b.Queue("SELECT coalesce((SELECT max(id) FROM calls WHERE id < $1), ''), coalesce((SELECT min(id) FROM calls WHERE id > $1), '')", text(id))
	}
	res := r.db.SendBatch(ctx, b)
	defer res.Close()
	out := make([]string, len(ids))
	for i, id := range ids {
		var before, after string
		if err := res.QueryRow().Scan(&before, &after); err != nil {
			return nil, err
		}
		n := max(shortest, common(id, before)+1, common(id, after)+1)
		out[i] = id[:min(n, len(id))]
	}
	return out, nil
}

// common is the length of the prefix that a and b share.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
