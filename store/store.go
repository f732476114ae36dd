// Package store says what Tandem keeps: call records, their legs and timelines,
// users, and how they are asked for. It holds row types and interfaces and imports
// no driver; store/sqlite keeps them in a file, None keeps no records.
package store

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotFound says that no row has the id, user name or key asked for.
	ErrNotFound = errors.New("not found")
	// ErrNoRecords says that this store was told to keep no records ([store] url = "none").
	ErrNoRecords = errors.New(`no records are kept ([store] url = "none")`)
	// ErrNoStore says that there is no store yet at the place where it was looked for.
	ErrNoStore = errors.New("there is no store yet: the first start of the server makes it")
	// ErrInUse says that another running server owns the store.
	ErrInUse = errors.New("in use by another running server")
)

// Journal takes the records of calls as they happen. Its methods copy the call, never
// block on a disk and never fail: what cannot be kept shows in Health. The three calls
// for one id must come in order from one goroutine at a time.
type Journal interface {
	// Open begins the record of a call.
	Open(c *Call)
	// Update replaces what is known of an open call.
	Update(c *Call)
	// Finish closes the record. The slices belong to the store from then on.
	Finish(c *Call, legs []Leg, events []Event)
}

// Reader answers questions about records. It is safe for use by many goroutines.
type Reader interface {
	// Calls returns one page, newest first, and the cursor of the next one ("" after the last).
	Calls(ctx context.Context, f Filter) (rows []Call, next string, err error)
	// Call returns a record by its whole id, its legs by seq and its events in order; ErrNotFound.
	Call(ctx context.Context, id string) (*Call, []Leg, []Event, error)
	// Match returns up to limit ids that begin with prefix, in order.
	Match(ctx context.Context, prefix string, limit int) ([]string, error)
	// Shorten returns for each id the shortest prefix, at least 8 long, that no other record shares.
	Shorten(ctx context.Context, ids []string) ([]string, error)
	// Stats groups the finished calls that f selects (its Limit and After do not matter).
	Stats(ctx context.Context, f Filter, by By) ([]Stat, error)
}

// User is a user kept in the store: hashes of name, realm and password, never the password.
type User struct {
	Name    string `json:"name"`
	Display string `json:"display"`
	Realm   string `json:"realm"`
	// HA1 and HA1SHA256 are lower-case hex (RFC 7616 §3.4.2) and stay out of every output.
	HA1       string `json:"-"`
	HA1SHA256 string `json:"-"`
}

// Users keeps users by name.
type Users interface {
	// Users returns all users by name.
	Users(ctx context.Context) ([]User, error)
	// PutUser adds a user or replaces the one of that name.
	PutUser(ctx context.Context, u User) error
	// DeleteUser removes a user; ErrNotFound.
	DeleteUser(ctx context.Context, name string) error
	// UsersVersion grows with each change to the users, whoever makes it.
	UsersVersion(ctx context.Context) (int64, error)
}

// Meta keeps small facts of the server itself by key.
type Meta interface {
	// Meta returns the value of key; ErrNotFound.
	Meta(ctx context.Context, key string) (string, error)
	SetMeta(ctx context.Context, key, value string) error
	// MetaBelow returns all whose key begins with prefix.
	MetaBelow(ctx context.Context, prefix string) (map[string]string, error)
	// KeepMeta sets and removes many; it returns when that is on disk.
	KeepMeta(ctx context.Context, put map[string]string, gone []string) error
}

// Health is how writing goes.
type Health struct {
	// Queued rows wait to be written; QueuedBytes is about the memory they take.
	Queued      int
	QueuedBytes int
	// Spooled records wait on disk, in SpooledBytes, for a database that is slow or fails.
	Spooled      int
	SpooledBytes int64
	// Written counts states of calls written, Retried batches that had to be tried again.
	Written, Retried uint64
	// Dropped counts changes to records that were lost for want of room, Shed the
	// timelines given up so that their calls could be kept.
	Dropped, Shed uint64
	// Err is why the last batch failed, since when; nil while all is well.
	Err   error
	Since time.Time
}

// Store is all of it, for a server.
type Store interface {
	Journal
	Reader
	Users
	Bindings
	Bans
	Meta
	// Prune removes records that began before a time, in small batches between which
	// others may write. It calls removed with the path of each recording whose record
	// is gone, and returns the number of records removed.
	Prune(ctx context.Context, before time.Time, removed func(recording string)) (int, error)
	// Backup writes a consistent copy into a new file.
	Backup(ctx context.Context, file string) error
	// Flush returns when all that was handed over before is on disk.
	Flush(ctx context.Context) error
	Health() Health
	// Close flushes and closes; the error says how many records could not be kept.
	Close() error
}
