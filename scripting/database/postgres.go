package database

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTimeout = 5 * time.Second
	closeTimeout   = 5 * time.Second
)

type postgresDB struct {
	pool    *pgxpool.Pool
	timeout time.Duration
}

func openPostgres(s Source) (DB, error) {
	c, err := pgxpool.ParseConfig(s.URL)
	if err != nil {
		// The driver's error may quote a password that it took for something else.
		return nil, errors.New(`not a URL that PostgreSQL's driver can read: want "postgres://user:password@host:5432/name"`)
	}
	c.MaxConns = int32(s.Connections)
	c.MinConns, c.MinIdleConns = 0, 0
	c.MaxConnIdleTime = 5 * time.Minute
	c.ConnConfig.ConnectTimeout = connectTimeout
	if _, ok := c.ConnConfig.RuntimeParams["application_name"]; !ok {
		c.ConnConfig.RuntimeParams["application_name"] = "tandem"
	}
	// Values come as text, so how times are written is part of what scripts rely on.
	c.ConnConfig.RuntimeParams["timezone"] = "UTC"
	c.ConnConfig.RuntimeParams["datestyle"] = "ISO"
	// A statement that takes too long ends at the server, too.
	c.ConnConfig.BuildContextWatcherHandler = func(pc *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pc, DeadlineDelay: time.Second}
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		return nil, errors.New("the connection pool cannot be made")
	}
	return &postgresDB{pool: pool, timeout: s.Timeout}, nil
}

func (d *postgresDB) Timeout() time.Duration { return d.timeout }

func (d *postgresDB) Close() error {
	d.pool.Close()
	return nil
}

func (d *postgresDB) Query(ctx context.Context, text string, args []any) (Rows, error) {
	rows, _, err := d.run(ctx, text, args, true)
	return rows, err
}

func (d *postgresDB) Exec(ctx context.Context, text string, args []any) (Changed, error) {
	_, changed, err := d.run(ctx, text, args, false)
	return changed, err
}

func (d *postgresDB) run(ctx context.Context, text string, args []any, keep bool) (Rows, Changed, error) {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return Rows{}, Changed{}, postgresError(ctx, err)
	}
	defer conn.Release()
	return postgresRun(ctx, conn.Conn().PgConn(), text, args, keep)
}

func (d *postgresDB) Begin(ctx context.Context) (Tx, error) {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, postgresError(ctx, err)
	}
	t := &postgresTx{conn: conn}
	if err := t.say(ctx, "begin"); err != nil {
		t.Rollback()
		return nil, err
	}
	return t, nil
}

type postgresTx struct{ conn *pgxpool.Conn } // nil once it has ended

var errTxEnded = errors.New("the transaction has ended")

func (t *postgresTx) say(ctx context.Context, text string) error {
	if t.conn == nil {
		return errTxEnded
	}
	if _, err := t.conn.Conn().PgConn().Exec(ctx, text).ReadAll(); err != nil {
		return postgresError(ctx, err)
	}
	return nil
}

func (t *postgresTx) Query(ctx context.Context, text string, args []any) (Rows, error) {
	if t.conn == nil {
		return Rows{}, errTxEnded
	}
	rows, _, err := postgresRun(ctx, t.conn.Conn().PgConn(), text, args, true)
	return rows, err
}

func (t *postgresTx) Exec(ctx context.Context, text string, args []any) (Changed, error) {
	if t.conn == nil {
		return Changed{}, errTxEnded
	}
	_, changed, err := postgresRun(ctx, t.conn.Conn().PgConn(), text, args, false)
	return changed, err
}

func (t *postgresTx) Commit(ctx context.Context) error {
	if err := t.say(ctx, "commit"); err != nil {
		return err
	}
	t.conn.Release()
	t.conn = nil
	return nil
}

// Rollback gives the connection back; the pool closes one that is in a transaction still.
func (t *postgresTx) Rollback() {
	if t.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = t.say(ctx, "rollback") // it fails with the connection, and then there is nothing to take back
	t.conn.Release()
	t.conn = nil
}

// postgresRun runs a statement by the extended protocol, in which the server takes one
// statement only. Parameters and values travel as text, and the server knows their types.
func postgresRun(ctx context.Context, pc *pgconn.PgConn, text string, args []any, keep bool) (Rows, Changed, error) {
	text, _, err := one(text)
	if err != nil {
		return Rows{}, Changed{}, err
	}
	values, formats := make([][]byte, len(args)), make([]int16, len(args))
	for i, v := range args {
		values[i], formats[i] = toPostgres(v)
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	rr := pc.ExecParams(inner, text, values, nil, formats, nil)
	var t tally
	for _, f := range rr.FieldDescriptions() {
		t.rows.Columns = append(t.rows.Columns, f.Name)
	}
	for keep && rr.NextRow() {
		if t.rows.Columns == nil {
			for _, f := range rr.FieldDescriptions() {
				t.rows.Columns = append(t.rows.Columns, f.Name)
			}
		}
		row := make([]any, len(rr.Values()))
		for i, v := range rr.Values() {
			row[i] = fromPostgres(v, rr.FieldDescriptions()[i].DataTypeOID)
		}
		if err := t.add(row); err != nil {
			cancel() // the rest is not worth waiting for
			_, _ = rr.Close()
			return Rows{}, Changed{}, err
		}
	}
	tag, err := rr.Close()
	if err != nil {
		return Rows{}, Changed{}, postgresError(ctx, err)
	}
	changed := Changed{}
	if tag.Insert() || tag.Update() || tag.Delete() || strings.HasPrefix(tag.String(), "MERGE") {
		changed.Rows = tag.RowsAffected()
	}
	return t.rows, changed, nil
}

// toPostgres writes a parameter as text. What is no text goes as bytes, which bytea takes.
func toPostgres(v any) (value []byte, format int16) {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(nil, v), pgtype.TextFormatCode
	case float64:
		return strconv.AppendFloat(nil, v, 'f', -1, 64), pgtype.TextFormatCode
	case string:
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			return []byte(v), pgtype.BinaryFormatCode
		}
		return []byte(v), pgtype.TextFormatCode
	}
	return nil, pgtype.TextFormatCode
}

// fromPostgres is a value as scripts get it.
func fromPostgres(v []byte, oid uint32) any {
	if v == nil {
		return nil
	}
	text := string(v)
	switch oid {
	case pgtype.BoolOID:
		return text == "t"
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n <= maxWhole && n >= -maxWhole {
			return float64(n)
		}
	case pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	case pgtype.ByteaOID:
		if digits, ok := strings.CutPrefix(text, `\x`); ok {
			if b, err := hex.DecodeString(digits); err == nil {
				return string(b)
			}
		}
	}
	return text
}

// postgresError keeps what the server says and leaves out where it runs.
func postgresError(ctx context.Context, err error) error {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && ctx.Err() == nil {
		return fmt.Errorf("%s (%s)", pe.Message, pe.Code)
	}
	return plain(ctx, err)
}
