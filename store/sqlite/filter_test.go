package sqlite

import (
	"testing"

	"tandem/store"
	"tandem/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		_, path := newStore(t, Options{})
		return func(t *testing.T, o storetest.Options) store.Store {
			return reopen(t, path, Options{Serve: o.Serve, Node: o.Node})
		}
	})
}

// TestFiltersByIndex: as if the newest records were not enough to answer.
func TestFiltersByIndex(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, Options{})
	s.recent = 50
	storetest.Filters(t, s)
}
