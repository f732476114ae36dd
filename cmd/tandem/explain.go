package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"tandem/store"
	"tandem/store/explain"
)

// explainCmd tells how a call went.
type explainCmd struct {
	configFlags
	ID    string `arg:"" help:"The call's id, or the beginning of one as a list shows it."`
	Width int    `help:"Characters a line; the terminal's if not given." placeholder:"N"`
}

// Run prints the words and the ladder.
func (e explainCmd) Run(a *app) error {
	if e.Width < 0 {
		return usageError{fmt.Errorf("--width %d: want 40 or more", e.Width)}
	}
	record, err := e.record(a, e.ID)
	if err != nil {
		return err
	}
	o := explain.Options{Zone: time.Local, Width: e.Width}
	if f, ok := a.stdout.(*os.File); ok && isTerminal(f) {
		o.Color = os.Getenv("NO_COLOR") == ""
		if o.Width == 0 {
			o.Width = terminalWidth(f)
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); o.Width == 0 && err == nil {
		o.Width = n
	}
	return explain.Write(a.stdout, record, o)
}

// record reads the call whose id is given or begins so.
func (f configFlags) record(a *app, id string) (store.Record, error) {
	r, err := f.records(a.ctx)
	if err != nil {
		return store.Record{}, err
	}
	defer r.Close()
	whole, err := wholeID(a.ctx, r, id)
	if err != nil {
		return store.Record{}, err
	}
	c, legs, events, err := r.Call(a.ctx, whole)
	if err != nil {
		return store.Record{}, fmt.Errorf("call %q: %w", id, err)
	}
	return store.Record{Call: *c, Legs: legs, Events: events}, nil
}
