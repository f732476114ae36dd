package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func openTest(t *testing.T, s Source) DB {
	t.Helper()
	if s.URL == "" {
		s.URL = "sqlite:" + filepath.Join(t.TempDir(), "scripts.db")
	}
	db, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func exec(t *testing.T, db Session, text string, args ...any) Changed {
	t.Helper()
	c, err := db.Exec(t.Context(), text, args)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

func TestSQLiteTypes(t *testing.T) {
	t.Parallel()
	db := openTest(t, Source{})
	exec(t, db, "create table t (id integer primary key, a, b text, c boolean, d datetime, e blob, f real)")
	if c := exec(t, db, "insert into t (a, b, c, d, e, f) values (?, ?, ?, ?, ?, $6)", 7.0, "ü'", true, "2026-11-22 10:00:00", "\x00\xff", 1.5); c != (Changed{Rows: 1, LastID: 1}) {
		t.Errorf("changed %+v", c)
	}
	exec(t, db, "insert into t (a) values ($1)", nil)
	rows, err := db.Query(t.Context(), "select *, typeof(a) as g, 9007199254740993 as h from t order by id;", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Rows{Columns: []string{"id", "a", "b", "c", "d", "e", "f", "g", "h"}, Values: [][]any{
		{1.0, 7.0, "ü'", true, "2026-11-22 10:00:00", "\x00\xff", 1.5, "integer", "9007199254740993"},
		{2.0, nil, nil, nil, nil, nil, nil, "null", "9007199254740993"},
	}}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("got  %v\nwant %v", rows, want)
	}
	if rows, err := db.Query(t.Context(), "select $2 || $1 || $2 as x", []any{"a", "b"}); err != nil || rows.Values[0][0] != "bab" {
		t.Errorf("numbered: %v, %v", rows, err)
	}
	if rows, err := db.Query(t.Context(), "insert into t (b) values ('x') returning id", nil); err != nil || rows.Values[0][0] != 3.0 {
		t.Errorf("returning: %v, %v", rows, err)
	}
}

// Scripts reach one file and nothing else, and leave the connection as it was.
func TestSQLiteRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openTest(t, Source{URL: "sqlite:" + filepath.Join(dir, "a.db")})
	exec(t, db, "create table t (a)")
	for text, want := range map[string]string{
		"attach 'other.db' as o":              "cannot begin",
		"explain attach 'other.db' as o":      "not authorized",
		"vacuum into 'copy.db'":               "cannot begin",
		"pragma journal_mode = delete":        "not authorized",
		"pragma writable_schema = 1":          "not authorized",
		"select load_extension('x')":          "not authorized",
		"create virtual table v using csv(x)": "not authorized",
		"commit":                              "cannot begin",
		"select 1; drop table t":              "one statement",
		"select * from missing":               "no such table: missing",
		"select ?":                            "expected 1 arguments, got 0",
		"select zeroblob(100000000)":          "too big",
		"with recursive n(i) as (select 1 union all select i + 1 from n) select i from n":                         "over 10000 rows",
		"with recursive n(i) as (select 1 union all select i + 1 from n limit 9) select zeroblob(1000000) from n": "over 4 MB",
	} {
		if _, err := db.Query(t.Context(), text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
	if _, err := db.Query(t.Context(), "pragma table_info(t)", nil); err != nil {
		t.Errorf("table_info: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "a.db") {
			t.Errorf("there is a file %s", e.Name())
		}
		if info, err := e.Info(); err != nil || info.Mode().Perm()&0o007 != 0 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	for _, url := range []string{"", "sqlite:", "mysql://x", "postgres://u:secret@:bad:port/x"} {
		if _, err := Open(Source{URL: url}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
	gone := openTest(t, Source{URL: "sqlite:" + filepath.Join(dir, "no", "such.db")})
	if _, err := gone.Query(t.Context(), "select 1", nil); err == nil || !strings.Contains(err.Error(), "such.db: no such file") {
		t.Errorf("without a folder: %v", err)
	}
}

// A statement that takes for ever ends with its context, and the database goes on.
func TestSQLiteEndsWithItsContext(t *testing.T) {
	t.Parallel()
	db := openTest(t, Source{Connections: 1})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	if _, err := db.Query(ctx, "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n", nil); err != why {
		t.Errorf("it ended with %v", err)
	}
	if _, err := db.Query(t.Context(), "select 1", nil); err != nil {
		t.Error(err)
	}
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := db.Query(short, "select 1", nil); err != ErrTimeout { // the only connection is taken
		t.Errorf("without a connection: %v", err)
	}
	tx.Rollback()
}

func TestSQLiteTransactions(t *testing.T) {
	t.Parallel()
	db := openTest(t, Source{})
	exec(t, db, "create table n (i)")
	exec(t, db, "insert into n values (0)")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				tx, err := db.Begin(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				rows, err := tx.Query(t.Context(), "select i from n", nil)
				if err != nil {
					t.Error(err)
					tx.Rollback()
					return
				}
				_, err = tx.Exec(t.Context(), "update n set i = $1", []any{rows.Values[0][0].(float64) + 1})
				if err = errors.Join(err, tx.Commit(t.Context())); err != nil {
					t.Error(err)
				}
				tx.Rollback()
			}
		})
	}
	wg.Wait()
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "update n set i = 1000")
	tx.Rollback()
	if rows, err := db.Query(t.Context(), "select i from n", nil); err != nil || fmt.Sprint(rows.Values) != "[[40]]" {
		t.Errorf("%v, %v; want 40", rows.Values, err)
	}
}
