package store

import "context"

// Binding is a registered contact as it is kept over a restart.
type Binding struct {
	ID           int64 // of the registrar's making, unique
	User         string
	URI          string
	Transport    string // udp, tcp, …
	Local        string // our address and port that it registered at
	Source       string // the address and port that it registered from
	RegisteredMS int64
	RefreshedMS  int64
	ExpiresMS    int64
	UserAgent    string
	CallID       string
	CSeq         int64
	Q            float64
	Path         string // URIs in angle brackets, comma-separated
	Instance     string
	RegID        string
	NAT          bool
}

// Bindings keeps where users can be reached.
type Bindings interface {
	// Bindings returns those that expire after a time, in no order, and forgets the others.
	Bindings(ctx context.Context, nowMS int64) ([]Binding, error)
	// KeepBindings adds or replaces bindings by their id and removes others; it returns when
	// that is on disk.
	KeepBindings(ctx context.Context, put []Binding, gone []int64) error
}

// Ban is a source that is not listened to for a time.
type Ban struct {
	Source   string // an address range: 192.0.2.1/32, 2001:db8::/64
	SinceMS  int64
	UntilMS  int64
	Failures int64
}

// Bans keeps bans by their source.
type Bans interface {
	// Bans returns those that last beyond a time, and forgets the others.
	Bans(ctx context.Context, nowMS int64) ([]Ban, error)
	// PutBan adds a ban or replaces the one of that source.
	PutBan(ctx context.Context, b Ban) error
	// DeleteBan ends a ban; it is no error if there is none.
	DeleteBan(ctx context.Context, source string) error
}
