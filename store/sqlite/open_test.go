package sqlite

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/store"
)

func reader(t *testing.T, path string) *Reader {
	t.Helper()
	r, err := OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	garbage := file("garbage.db", strings.Repeat("not a database ", 100))
	foreign := filepath.Join(dir, "foreign.db")
	execSQL(t, foreign, "CREATE TABLE songs (name TEXT)")
	newer := filepath.Join(dir, "newer.db")
	s := reopen(t, newer, Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execSQL(t, newer, "PRAGMA user_version = 99")
	for _, c := range []struct{ path, want string }{
		{filepath.Join(file("plain", ""), "data", "tandem.db"), "not a directory"},
		{dir, ""}, // the words are SQLite's
		{garbage, "not a database"},
		{foreign, "an SQLite file of some other program"},
		{newer, "written by a newer tandem (schema 99, this one knows 3)"},
	} {
		for name, open := range map[string]func() error{
			"Open":       func() error { _, err := Open(t.Context(), c.path, Options{Serve: true}); return err },
			"OpenReader": func() error { _, err := OpenReader(t.Context(), c.path); return err },
		} {
			err := open()
			if err == nil {
				t.Errorf("%s %s: no error", name, c.path)
				continue
			}
			text := err.Error()
			if !strings.HasPrefix(text, "store "+c.path+": ") || !strings.Contains(text, c.want) || strings.Contains(text, "\n") {
				t.Errorf("%s: %q, want one line with %q", name, text, c.want)
			}
		}
	}
}

func execSQL(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}

func TestOddPaths(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "50% & more?", "a#b ü", "tandem.db")
	s := reopen(t, path, Options{Serve: true})
	s.Open(testCall(1))
	flush(t, s)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if n := count(t, reader(t, path).db, "SELECT count(*) FROM calls"); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestOneServerOwnsTheStore(t *testing.T) {
	t.Parallel()
	s, path := newStore(t, Options{Serve: true})
	if _, err := Open(t.Context(), path, Options{Serve: true}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a second server: %v", err)
	}
	admin := reopen(t, path, Options{}) // `tandem user add` beside a server
	if err := admin.PutUser(t.Context(), store.User{Name: "1003"}); err != nil {
		t.Error(err)
	}
	if users, err := s.Users(t.Context()); err != nil || len(users) != 1 {
		t.Errorf("the server sees %v, %v", users, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reopen(t, path, Options{Serve: true})
}

func TestReaderChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "tandem.db")
	if _, err := OpenReader(t.Context(), path); !errors.Is(err, store.ErrNoStore) {
		t.Errorf("no file: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("the reader made %v", entries)
	}
	s := reopen(t, path, Options{Serve: true})
	s.Open(testCall(1))
	flush(t, s)
	for _, serving := range []bool{true, false} {
		r := reader(t, path)
		if rows, _, err := r.Calls(t.Context(), store.Filter{}); err != nil || len(rows) != 1 || rows[0].State != store.StateOpen {
			t.Errorf("serving %v: %v %v", serving, rows, err)
		}
		if _, err := r.db.Exec("DELETE FROM calls"); err == nil {
			t.Error("a reader could delete")
		}
		if serving {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Opened by anything but a server, open calls stay open too.
	admin := reopen(t, path, Options{})
	if n := count(t, admin.db, "SELECT count(*) FROM calls WHERE state = 'open'"); n != 1 {
		t.Error("the call was closed by a program that is no server")
	}
}

func TestReaderOfAFileAlone(t *testing.T) {
	t.Parallel()
	s, path := newStore(t, Options{})
	s.Open(testCall(1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := tryReader(t.Context(), path, frozen)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n := count(t, r.db, "SELECT count(*) FROM calls"); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestMigrationsRunOnce(t *testing.T) {
	t.Parallel()
	s, path := newStore(t, Options{})
	s.Open(testCall(1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := reopen(t, path, Options{})
	if n := count(t, again.db, "SELECT count(*) FROM calls"); n != 1 {
		t.Errorf("%d calls after the second start", n)
	}
	// Two programs that find no store at once: both work on the one that comes to be.
	path = filepath.Join(t.TempDir(), "tandem.db")
	errs := make(chan error)
	for range 4 {
		go func() {
			s, err := Open(t.Context(), path, Options{})
			if err == nil {
				err = s.Close()
			}
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
