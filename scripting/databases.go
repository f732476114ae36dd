package scripting

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"tandem/scripting/database"
)

// databases are the scripts' own and those that the configuration names.
type databases struct {
	mu      sync.Mutex
	own     database.DB // nil: there is none
	named   map[string]namedDatabase
	closing sync.WaitGroup // those that the configuration names no more
}

type namedDatabase struct {
	source database.Source
	db     database.DB
}

var errNoDatabase = errors.New("scripts have no database of their own here")

func (d *databases) open(file string) {
	if file == "" {
		return
	}
	// The path is ours, so the error cannot be.
	d.own, _ = database.Open(database.Source{URL: "sqlite:" + file})
}

// SetDatabases replaces those that db.named gives. One that stays as it was keeps its
// connections; one that goes away ends when its statements have. With an error nothing changes.
func (e *Engine) SetDatabases(sources map[string]database.Source) error {
	d := &e.dbs
	d.mu.Lock()
	defer d.mu.Unlock()
	after, opened := map[string]namedDatabase{}, []database.DB{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if have, ok := d.named[name]; ok && have.source == sources[name] {
			after[name] = have
			continue
		}
		db, err := database.Open(sources[name])
		if err != nil {
			for _, db := range opened {
				err = errors.Join(err, db.Close())
			}
			return fmt.Errorf("db.%s.url: %w", name, err)
		}
		opened = append(opened, db)
		after[name] = namedDatabase{sources[name], db}
	}
	for name, have := range d.named {
		if after[name].db != have.db {
			d.closing.Go(func() { e.closeDatabase(name, have.db) })
		}
	}
	d.named = after
	return nil
}

func (e *Engine) closeDatabase(name string, db database.DB) {
	if err := db.Close(); err != nil {
		e.o.Log.Warn("a database was not closed well", "db", name, "error", err)
	}
}

// find gives a database by its name; "" is the scripts' own.
func (d *databases) find(name string) (database.DB, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == "" {
		return d.own, d.own != nil
	}
	have, ok := d.named[name]
	return have.db, ok
}

func (d *databases) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.named))
}

// close ends all; no script runs any more.
func (d *databases) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	if d.own != nil {
		errs = append(errs, d.own.Close())
	}
	for _, have := range d.named {
		errs = append(errs, have.db.Close())
	}
	d.closing.Wait()
	return errors.Join(errs...)
}
