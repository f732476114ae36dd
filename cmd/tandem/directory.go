package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

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
	kept  atomic.Int64 // the store's UsersVersion when it was read last
}

// Credential returns what is needed to check a user's digest.
func (d *directory) Credential(user string) (auth.Credential, bool) {
	c, ok := (*d.users.Load())[user]
	return c, ok
}

// read gathers the users; one of the file wins over one of the store.
func (d *directory) read(ctx context.Context, file []config.User, kept store.Users) (map[string]auth.Credential, error) {
	version, err := kept.UsersVersion(ctx) // before the users: a change between the two is read again
	if err != nil {
		return nil, err
	}
	rows, err := kept.Users(ctx)
	if err != nil {
		return nil, err
	}
	d.kept.Store(version)
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
		allowed, err := algorithms(u.Digest)
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(c.HA1, func(a auth.Algorithm, _ string) bool { return len(allowed) > 0 && !slices.Contains(allowed, a) })
		users[u.Name] = c
	}
	return users, nil
}

// setUsers puts users in force. Those who are gone are reached no more; calls in progress stay.
func (s *server) setUsers(users map[string]auth.Credential) {
	before := s.directory.users.Swap(&users)
	for _, c := range users {
		if c.HA1[auth.SHA256] == "" {
			s.sip.ExpectMD5Only()
			break
		}
	}
	if before == nil {
		return
	}
	s.sip.DropUsers(func(name string) bool {
		_, was := (*before)[name]
		_, is := users[name]
		return was && !is
	})
}

// usersEvery is how often the store is asked whether another process changed its users.
const usersEvery = time.Second

// watchUsers takes what `tandem user` changes in the store, until the server closes.
func (s *server) watchUsers() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		failing := false
		for tick := time.NewTicker(usersEvery); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			err := s.refreshUsers(ctx)
			if err != nil && !failing && ctx.Err() == nil {
				s.log.Error("the users kept in the store cannot be read; it is tried again", "error", err)
			}
			failing = err != nil
		}
	}()
	s.onClose(func() error {
		cancel()
		<-done
		return nil
	})
}

// refreshUsers reads the users again if those in the store have changed.
func (s *server) refreshUsers(ctx context.Context) error {
	version, err := s.store.UsersVersion(ctx)
	if err != nil || version == s.directory.kept.Load() {
		return err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	users, err := s.directory.read(ctx, s.settings().Users, s.store)
	if err != nil {
		return err
	}
	s.setUsers(users)
	s.log.Info("users read again", "users", len(users))
	return nil
}
