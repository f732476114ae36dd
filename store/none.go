package store

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// None is the store of a server that keeps no records ([store] url = "none"). Questions
// about records give ErrNoRecords; users and meta are kept in memory until the end.
func None() Store {
	return &none{users: map[string]User{}, meta: map[string]string{}}
}

type none struct {
	mu      sync.Mutex
	changes int64 // to users
	users   map[string]User
	meta    map[string]string
}

func (*none) Open(*Call)                           {}
func (*none) Update(*Call)                         {}
func (*none) Finish(*Call, []Leg, []Event)         {}
func (*none) Flush(context.Context) error          { return nil }
func (*none) Health() Health                       { return Health{} }
func (*none) Close() error                         { return nil }
func (*none) Backup(context.Context, string) error { return ErrNoRecords }

func (*none) Calls(context.Context, Filter) ([]Call, string, error) { return nil, "", ErrNoRecords }

func (*none) Call(context.Context, string) (*Call, []Leg, []Event, error) {
	return nil, nil, nil, ErrNoRecords
}

func (*none) Match(context.Context, string, int) ([]string, error)        { return nil, ErrNoRecords }
func (*none) Shorten(context.Context, []string) ([]string, error)         { return nil, ErrNoRecords }
func (*none) Stats(context.Context, Filter, By) ([]Stat, error)           { return nil, ErrNoRecords }
func (*none) Prune(context.Context, time.Time, func(string)) (int, error) { return 0, nil }

func (n *none) Users(context.Context) ([]User, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]User, 0, len(n.users))
	for _, u := range n.users {
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (n *none) PutUser(_ context.Context, u User) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.users[u.Name] = u
	n.changes++
	return nil
}

func (n *none) DeleteUser(_ context.Context, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.users[name]; !ok {
		return ErrNotFound
	}
	delete(n.users, name)
	n.changes++
	return nil
}

func (n *none) UsersVersion(context.Context) (int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changes, nil
}

// Bindings and bans end with the process: there is nothing to keep them in.

func (*none) Bindings(context.Context, int64) ([]Binding, error)     { return nil, nil }
func (*none) KeepBindings(context.Context, []Binding, []int64) error { return nil }
func (*none) Bans(context.Context, int64) ([]Ban, error)             { return nil, nil }
func (*none) PutBan(context.Context, Ban) error                      { return nil }
func (*none) DeleteBan(context.Context, string) error                { return nil }

func (n *none) Meta(_ context.Context, key string) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	v, ok := n.meta[key]
	if !ok {
		return "", ErrNotFound
	}
	return v, nil
}

func (n *none) SetMeta(_ context.Context, key, value string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.meta[key] = value
	return nil
}

func (n *none) MetaBelow(_ context.Context, prefix string) (map[string]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	found := map[string]string{}
	for k, v := range n.meta {
		if strings.HasPrefix(k, prefix) {
			found[k] = v
		}
	}
	return found, nil
}

func (n *none) KeepMeta(_ context.Context, put map[string]string, gone []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.Copy(n.meta, put)
	for _, k := range gone {
		delete(n.meta, k)
	}
	return nil
}
