package main

import (
	"context"
	"log/slog"
	"sync/atomic"

	"tandem/b2bua/auth"
	"tandem/config"
	"tandem/store"
)

// directory knows the users: those of the file, then those kept in the store. It
// answers from memory, for nothing on the way of a call waits for a disk.
type directory struct {
	realm string
	log   *slog.Logger
	users atomic.Pointer[map[string]auth.Credential]
}

// Credential returns what is needed to check a user's digest.
func (d *directory) Credential(user string) (auth.Credential, bool) {
	c, ok := (*d.users.Load())[user]
	return c, ok
}

// load replaces the users.
func (d *directory) load(ctx context.Context, file []config.User, kept store.Users) error {
	users, err := d.read(ctx, file, kept)
	if err == nil {
		d.users.Store(&users)
	}
	return err
}

// read gathers the users; one of the file wins over one of the store.
func (d *directory) read(ctx context.Context, file []config.User, kept store.Users) (map[string]auth.Credential, error) {
	rows, err := kept.Users(ctx)
	if err != nil {
		return nil, err
	}
	users := make(map[string]auth.Credential, len(file)+len(rows))
	for _, u := range rows {
		if u.Realm != d.realm {
			d.log.Warn("a user kept in the store was made for another domain and cannot register: set the password anew",
				"user", u.Name, "its realm", u.Realm, "our realm", d.realm)
			continue
		}
		c := auth.Credential{User: u.Name, Display: u.Display, HA1: map[auth.Algorithm]string{}}
		if u.HA1 != "" {
			c.HA1[auth.MD5] = u.HA1
		}
		if u.HA1SHA256 != "" {
			c.HA1[auth.SHA256] = u.HA1SHA256
		}
		users[u.Name] = c
	}
	for _, u := range file {
		c := auth.NewCredential(u.Name, d.realm, string(u.Password))
		c.Display = u.Display
		users[u.Name] = c
	}
	return users, nil
}
