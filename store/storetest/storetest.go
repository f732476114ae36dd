// Package storetest holds every store to the same meaning.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tandem/store"
)

// Options of a store under test.
type Options struct {
	Serve bool
	Node  string // "test" if ""
}

// Opener opens the same store again and again; what it opens is closed with the test.
type Opener func(t *testing.T, o Options) store.Store

// Run holds the stores that fresh makes, an empty one for each call, to what all must do.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"bansAreKept":             bansAreKept,
		"bindingsAreKept":         bindingsAreKept,
		"callIsUpdatedInPlace":    callIsUpdatedInPlace,
		"filtersAreDataNeverSQL":  filtersAreDataNeverSQL,
		"keepMeta":                keepMeta,
		"manyCallsAtOnce":         manyCallsAtOnce,
		"pagesAreWholeAndInOrder": pagesAreWholeAndInOrder,
		"prefixes":                prefixes,
		"prune":                   prune,
		"recordComesBackWhole":    recordComesBackWhole,
		"stats":                   stats,
		"textIsCut":               textIsCut,
		"usersAndMeta":            usersAndMeta,
		"usersVersion":            usersVersion,
		"filters":                 func(t *testing.T, open Opener) { Filters(t, open(t, Options{})) },
		"lostCalls":               lostCalls,
		"whatHasEndedStaysSo":     whatHasEndedStaysSo,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

// base is the time at which test calls begin; a fixed one, so that failures repeat.
const base = 1_750_000_000_000

func testCall(n int) *store.Call {
	return &store.Call{
		ID: fmt.Sprintf("call%08d", n), StartMS: base + int64(n), State: store.StateOpen,
		FromUser: "1001", ToUser: "1002", Direction: store.Internal,
	}
}

func flush(t *testing.T, s store.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}
