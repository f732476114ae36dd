package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"tandem/store"
)

func TestBackupWhileWriting(t *testing.T) {
	t.Parallel()
	s, path := newStore(t, Options{Serve: true})
	for i := range 3000 {
		s.Finish(testCall(i), []store.Leg{{Seq: 1}}, []store.Event{{Text: "x"}})
	}
	flush(t, s)
	if err := s.PutUser(t.Context(), store.User{Name: "1001", HA1: "aa"}); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 3000; ; i++ {
			select {
			case <-stop:
				return
			default:
				s.Finish(testCall(i), []store.Leg{{Seq: 1}}, []store.Event{{Text: "x"}})
			}
		}
	}()
	dir := t.TempDir()
	for i, from := range []*Reader{s.Reader, reader(t, path)} {
		file := filepath.Join(dir, fmt.Sprintf("copy%d.db", i))
		if err := from.Backup(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		if err := from.Backup(t.Context(), file); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over a file: %v", err)
		}
		copied := reopen(t, file, Options{Serve: true, Node: "other"})
		calls := count(t, copied.db, "SELECT count(*) FROM calls")
		if calls < 3000 || calls != count(t, copied.db, "SELECT count(*) FROM legs") || calls != count(t, copied.db, "SELECT count(*) FROM timelines") {
			t.Errorf("the copy has %d calls", calls)
		}
		var check string
		if err := copied.db.QueryRow("PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
			t.Errorf("integrity: %s %v", check, err)
		}
		if users, err := copied.Users(t.Context()); err != nil || len(users) != 1 {
			t.Errorf("users %v %v", users, err)
		}
		copied.Close()
	}
	close(stop)
	<-stopped
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}
