package storetest

import (
	"fmt"
	"maps"
	"testing"
)

// Many facts are kept and removed at once, and found again by how their keys begin.
func keepMeta(t *testing.T, open Opener) {
	s := open(t, Options{})
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
	s = open(t, Options{})
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
