package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"tandem/store"
)

// Reader answers questions about a store, also of a server running in another process.
// It implements store.Reader.
type Reader struct {
	db     *sql.DB
	recent int // records to look at in order of time before an index by number is asked
}

var _ store.Reader = (*Reader)(nil)

// OpenReader opens an existing store for questions only: it makes no file, changes no
// row and marks nothing as lost. Without a file the error is store.ErrNoStore.
func OpenReader(ctx context.Context, path string) (*Reader, error) {
	r, err := openReader(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, plain(err))
	}
	return r, nil
}

func openReader(ctx context.Context, path string) (*Reader, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrNoStore
	} else if err != nil {
		return nil, err
	}
	r, err := tryReader(ctx, path, reading)
	if err == nil {
		return r, nil
	}
	// In a folder that we may not write, SQLite cannot share a WAL; without one the file
	// can be read as it lies.
	if wal, serr := os.Stat(path + "-wal"); serr == nil && wal.Size() > 0 {
		return nil, err
	}
	if r, ferr := tryReader(ctx, path, frozen); ferr == nil {
		return r, nil
	}
	return nil, err
}

func tryReader(ctx context.Context, path string, m mode) (*Reader, error) {
	db, err := connect(path, m, 4)
	if err != nil {
		return nil, err
	}
	if err := checkSchema(ctx, db); err != nil {
		db.Close()
		return nil, err
	}
	return &Reader{db: db, recent: recent}, nil
}

// Close closes the connections.
func (r *Reader) Close() error { return r.db.Close() }

// pick lists columns of the table named by alias, NULL as the zero value.
func pick(alias string, fields []store.Field) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = alias + "." + f.Name
		switch f.Kind {
		case store.Opt, store.Real:
			out[i] = "ifnull(" + out[i] + ", 0)"
		case store.JSON:
			out[i] = "ifnull(" + out[i] + ", '')"
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
	if q.begin != "" && !q.exact && q.order == "c" {
		rows, err = r.beginning(ctx, f, q, limit+1)
	} else {
		rows, err = r.rows(ctx, "SELECT "+allOfCall()+q.from()+q.where()+q.newest(), append(q.args, limit+1))
	}
	if err == nil && len(rows) > limit {
		rows = rows[:limit]
		next = store.Cursor(&rows[limit-1])
	}
	return rows, next, err
}

func allOfCall() string { return pick("c", new(store.Call).Fields()) }

func (r *Reader) rows(ctx context.Context, text string, args []any) ([]store.Call, error) {
	res, err := r.db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var rows []store.Call
	for res.Next() {
		var c store.Call
		if err := res.Scan(pointers(c.Fields())...); err != nil {
			return nil, err
		}
		rows = append(rows, c)
	}
	return rows, res.Err()
}

// Call returns a record by its whole id.
func (r *Reader) Call(ctx context.Context, id string) (*store.Call, []store.Leg, []store.Event, error) {
	// One transaction, so that call, legs and events are of one moment.
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, nil, nil, err
	}
	defer tx.Rollback()
	c := &store.Call{}
	err = tx.QueryRowContext(ctx, "SELECT "+pick("c", c.Fields())+" FROM calls c WHERE id = ?", id).Scan(pointers(c.Fields())...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, nil, store.ErrNotFound
	}
	if err != nil {
		return nil, nil, nil, err
	}
	legs, err := collect(ctx, tx, "SELECT "+pick("l", new(store.Leg).Fields())+" FROM legs l WHERE call_id = ? ORDER BY seq", id, (*store.Leg).Fields)
	if err != nil {
		return nil, nil, nil, err
	}
	events, err := collect(ctx, tx, "SELECT "+pick("e", new(store.Event).Fields())+" FROM events e WHERE call_id = ?", id, (*store.Event).Fields)
	if err != nil {
		return nil, nil, nil, err
	}
	return c, legs, events, nil
}

func collect[T any](ctx context.Context, tx *sql.Tx, query, id string, fields func(*T) []store.Field) ([]T, error) {
	res, err := tx.QueryContext(ctx, query, id)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var out []T
	for res.Next() {
		var row T
		if err := res.Scan(pointers(fields(&row))...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, res.Err()
}

// beyond is greater than every text that begins with prefix: no UTF-8 has the byte 0xff.
func beyond(prefix string) string { return prefix + "\xff" }

// Match returns up to limit ids that begin with prefix.
func (r *Reader) Match(ctx context.Context, prefix string, limit int) ([]string, error) {
	res, err := r.db.QueryContext(ctx, "SELECT id FROM calls WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", prefix, beyond(prefix), limit)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var ids []string
	for res.Next() {
		var id string
		if err := res.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, res.Err()
}

const shortest = 8

// Shorten returns for each id the shortest prefix that no other record shares: one
// longer than what it has in common with its neighbours in order.
func (r *Reader) Shorten(ctx context.Context, ids []string) ([]string, error) {
	stmt, err := r.db.PrepareContext(ctx, "SELECT ifnull((SELECT max(id) FROM calls WHERE id < ?1), ''), ifnull((SELECT min(id) FROM calls WHERE id > ?1), '')")
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	out := make([]string, len(ids))
	for i, id := range ids {
		var before, after string
		if err := stmt.QueryRowContext(ctx, id).Scan(&before, &after); err != nil {
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
