package main

import (
	"context"
	"log/slog"

	"tandem/config"
	"tandem/store"
	"tandem/store/postgres"
	"tandem/store/sqlite"
)

// records is a store opened for questions, beside a running server or without one.
type records interface {
	store.Reader
	Users(ctx context.Context) ([]store.User, error)
	// Backup writes a consistent copy into a new file.
	Backup(ctx context.Context, file string) error
	Close() error
}

// records opens the store that serve would use.
func (f configFlags) records(ctx context.Context) (records, error) {
	c, err := f.load()
	if err != nil {
		return nil, err
	}
	if path, ok := c.Store.URL.SQLite(); ok {
		r, err := sqlite.OpenReader(ctx, path)
		if err != nil {
			return nil, err // not r: a nil in an interface is none
		}
		return r, nil
	}
	if !c.Store.URL.Postgres() {
		return nil, store.ErrNoRecords
	}
	r, err := postgres.OpenReader(ctx, string(c.Store.URL))
	if err != nil {
		return nil, err
	}
	return r, nil
}

// openStore opens the store of cfg for writing; serve is as in the options of each kind.
func openStore(ctx context.Context, cfg *config.Config, serve bool, log *slog.Logger) (store.Store, error) {
	if path, ok := cfg.Store.URL.SQLite(); ok {
		s, err := sqlite.Open(ctx, path, sqlite.Options{
			Log: log, Node: cfg.Server.Node, Serve: serve, Spool: spoolDir(cfg), SpoolBytes: int64(cfg.Store.Spool),
		})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	if !cfg.Store.URL.Postgres() {
		return store.None(), nil
	}
	s, err := postgres.Open(ctx, string(cfg.Store.URL), postgres.Options{
		Log: log, Node: cfg.Server.Node, Serve: serve, Spool: spoolDir(cfg), SpoolBytes: int64(cfg.Store.Spool),
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}
