package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-sqlite3"
)

// sqliteDB is a file. Its folder must be there; the file is made by the first statement.
type sqliteDB struct {
	db      *sql.DB
	path    string
	timeout time.Duration
	mu      sync.Mutex
	made    bool
}

func openSQLite(path string, s Source) (DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dsn := (&url.URL{Scheme: "file", Path: abs}).String() + "?mode=rw&_journal_mode=WAL&_synchronous=FULL&_txlock=immediate&_foreign_keys=1" +
		"&_busy_timeout=" + strconv.FormatInt(s.Timeout.Milliseconds(), 10)
	d := &sqliteDB{db: sql.OpenDB(sqliteConnector{dsn}), path: abs, timeout: s.Timeout}
	d.db.SetMaxOpenConns(s.Connections)
	d.db.SetMaxIdleConns(s.Connections)
	d.db.SetConnMaxIdleTime(5 * time.Minute)
	return d, nil
}

// sqliteConnector opens connections that can do nothing beyond their file.
type sqliteConnector struct{ dsn string }

func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	return c.Driver().Open(c.dsn)
}

func (sqliteConnector) Driver() driver.Driver {
	return &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		c.SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, MaxBytes)
		c.SetLimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, maxSQL)
		c.SetLimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
		c.RegisterAuthorizer(authorize)
		return nil
	}}
}

// pragmas are those that only tell something.
var pragmas = []string{"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list", "foreign_key_check"}

// authorize is asked about each thing that a statement does, when it is prepared.
func authorize(op int, first, second, _ string) int {
	switch op {
	case sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH:
		return sqlite3.SQLITE_DENY
	case sqlite3.SQLITE_PRAGMA:
		if !slices.Contains(pragmas, strings.ToLower(first)) && (!strings.EqualFold(first, "user_version") || second != "") {
			return sqlite3.SQLITE_DENY
		}
	case sqlite3.SQLITE_CREATE_VTABLE:
		if module := strings.ToLower(second); !strings.HasPrefix(module, "fts") && module != "rtree" {
			return sqlite3.SQLITE_DENY
		}
	case sqlite3.SQLITE_FUNCTION:
		if f := strings.ToLower(second); f == "load_extension" || f == "fts3_tokenizer" {
			return sqlite3.SQLITE_DENY
		}
	}
	return sqlite3.SQLITE_OK
}

func (d *sqliteDB) Timeout() time.Duration { return d.timeout }
func (d *sqliteDB) Close() error           { return d.db.Close() }

// make creates the file, so that others cannot read it.
func (d *sqliteDB) make() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.made {
		return nil
	}
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return fmt.Errorf("%s: %w", d.path, err)
	}
	d.made = true
	return f.Close()
}

func (d *sqliteDB) Query(ctx context.Context, text string, args []any) (Rows, error) {
	if err := d.make(); err != nil {
		return Rows{}, err
	}
	return sqliteQuery(ctx, d.db, text, args)
}

func (d *sqliteDB) Exec(ctx context.Context, text string, args []any) (Changed, error) {
	if err := d.make(); err != nil {
		return Changed{}, err
	}
	return sqliteExec(ctx, d.db, text, args)
}

func (d *sqliteDB) Begin(ctx context.Context) (Tx, error) {
	if err := d.make(); err != nil {
		return nil, err
	}
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, plain(ctx, err)
	}
	return sqliteTx{tx}, nil
}

type sqliteTx struct{ tx *sql.Tx }

func (t sqliteTx) Query(ctx context.Context, text string, args []any) (Rows, error) {
	return sqliteQuery(ctx, t.tx, text, args)
}

func (t sqliteTx) Exec(ctx context.Context, text string, args []any) (Changed, error) {
	return sqliteExec(ctx, t.tx, text, args)
}

func (t sqliteTx) Commit(ctx context.Context) error {
	if err := t.tx.Commit(); err != nil {
		return plain(ctx, err)
	}
	return nil
}

func (t sqliteTx) Rollback() { _ = t.tx.Rollback() } // it has ended already, or its connection has

// preparer prepares the first statement of a text, and no more of it.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func prepare(ctx context.Context, db preparer, text string, args []any) (*sql.Stmt, []any, error) {
	text, places, err := one(text)
	if err != nil {
		return nil, nil, err
	}
	st, err := db.PrepareContext(ctx, numbered(text, places))
	if err != nil {
		return nil, nil, plain(ctx, err)
	}
	bound := make([]any, len(args))
	for i, v := range args {
		bound[i] = v
		if n, ok := v.(float64); ok && n == math.Trunc(n) && math.Abs(n) <= maxWhole {
			bound[i] = int64(n)
		}
	}
	return st, bound, nil
}

func sqliteExec(ctx context.Context, db preparer, text string, args []any) (Changed, error) {
	st, bound, err := prepare(ctx, db, text, args)
	if err != nil {
		return Changed{}, err
	}
	defer st.Close()
	res, err := st.ExecContext(ctx, bound...)
	if err != nil {
		return Changed{}, plain(ctx, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return Changed{}, plain(ctx, err)
	}
	id, err := res.LastInsertId()
	if err != nil {
		return Changed{}, plain(ctx, err)
	}
	return Changed{Rows: n, LastID: id}, nil
}

func sqliteQuery(ctx context.Context, db preparer, text string, args []any) (Rows, error) {
	st, bound, err := prepare(ctx, db, text, args)
	if err != nil {
		return Rows{}, err
	}
	defer st.Close()
	rows, err := st.QueryContext(ctx, bound...)
	if err != nil {
		return Rows{}, plain(ctx, err)
	}
	defer rows.Close()
	var t tally
	if t.rows.Columns, err = rows.Columns(); err != nil {
		return Rows{}, plain(ctx, err)
	}
	into, row := make([]any, len(t.rows.Columns)), make([]any, len(t.rows.Columns))
	for i := range into {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return Rows{}, plain(ctx, err)
		}
		values := make([]any, len(row))
		for i, v := range row {
			values[i] = fromSQLite(v)
		}
		if err := t.add(values); err != nil {
			return Rows{}, err
		}
	}
	if err := rows.Err(); err != nil {
		return Rows{}, plain(ctx, err)
	}
	return t.rows, nil
}

// fromSQLite is a value as scripts get it. The driver makes times of what stands in a column
// that was declared as one.
func fromSQLite(v any) any {
	switch v := v.(type) {
	case int64:
		if v > maxWhole || v < -maxWhole {
			return strconv.FormatInt(v, 10)
		}
		return float64(v)
	case []byte:
		return string(v)
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.999999999")
	}
	return v
}
