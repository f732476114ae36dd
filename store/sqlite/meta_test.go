package sqlite

import (
	"fmt"
	"maps"
	"path/filepath"
	"testing"
)

// Many facts are kept and removed at once, and found again by how their keys begin.
func TestKeepMeta(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tandem.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := map[string]string{"other": "x", "share": "y"}
	for i := range 2500 {
		put[fmt.Sprintf("shared:%d%%_'", i)] = "ü"
	}
	if err := s.KeepMeta(t.Context(), put, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.KeepMeta(t.Context(), map[string]string{"shared:a": "2"}, []string{"shared:0%_'", "missing"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(t.Context(), path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	found, err := s.MetaBelow(t.Context(), "shared:")
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(put, func(k, _ string) bool { return k == "other" || k == "share" || k == "shared:0%_'" })
	put["shared:a"] = "2"
	if !maps.Equal(found, put) {
		t.Errorf("found %d, want %d", len(found), len(put))
	}
}
