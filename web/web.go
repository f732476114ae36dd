// Package web is Tandem's HTTP API. It declares what it needs of the server as
// interfaces and knows neither scripts nor signalling. Client is its other end.
package web

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"tandem/store"
)

// Options are what an API is made of. All interfaces are needed.
type Options struct {
	Access        Access
	Calls         Calls
	Scripts       Scripts
	Registrations Registrations
	Trunks        Trunks
	Bans          Bans
	Conferences   Conferences
	Queues        Queues
	Server        Server
	Records       Records
	Feed          *Feed        // of GET /events; nil: nothing ever happens
	Tracer        Tracer       // of GET /trace; nil: there is none
	Recordings    fs.FS        // the folder of recordings; nil: none are shown
	History       *History     // of GET /history; nil: an empty one
	Metrics       http.Handler // of GET /metrics; nil: there is none
	Version       string       // of the server, for the document
	Log           *slog.Logger
}

// Access is who may use the API.
type Access struct {
	Token     string   // "" lets everyone in who reaches it
	ReadToken string   // its bearer may look and not change anything; "": there is none
	Hosts     []string // names a Host header may carry besides addresses and localhost
}

// Calls are those in progress.
type Calls interface {
	// Calls returns them, the newest first.
	Calls(ctx context.Context) []Call
	Call(ctx context.Context, id string) (Call, bool)
	// Hangup ends a call; false when there is none of that id.
	Hangup(ctx context.Context, id string) bool
	// Transfer connects the party of a leg, "a" or "b", with another target and returns when
	// that has answered. Its errors are *Error.
	Transfer(ctx context.Context, id, to, leg string) error
	// Originate begins a call of our own and returns its id at once. Its errors are *Error.
	Originate(ctx context.Context, o Origination) (id string, err error)
}

// Scripts are the Lua plugins and, as they are reloaded with it, the configuration.
type Scripts interface {
	Scripts() ScriptsStatus
	// Reload puts changed files in force. It returns a *Broken when something is wrong
	// with them, and then nothing has changed.
	Reload(ctx context.Context) (Reloaded, error)
	// Back puts the scripts in force that were so before; the configuration stays. It
	// returns a *Broken when there are none, or their on_load fails.
	Back(ctx context.Context) (Reloaded, error)
}

// Registrations are the phones that registered.
type Registrations interface {
	Registrations() []Registration
}

// Server is the process as a whole.
type Server interface {
	Status(ctx context.Context) Status
	Draining() bool
}

// Records answers questions about calls past and present.
type Records interface {
	Calls(ctx context.Context, f store.Filter) (rows []store.Call, next string, err error)
	Call(ctx context.Context, id string) (*store.Call, []store.Leg, []store.Event, error)
	Stats(ctx context.Context, f store.Filter, by store.By) ([]store.Stat, error)
}

// API serves HTTP.
type API struct {
	o        Options
	access   atomic.Pointer[Access]
	sessions *sessions
	streams  atomic.Int64  // clients that listen to events
	patience time.Duration // with those that do not read
	mux      *http.ServeMux
}

// New makes the API.
func New(o Options) *API {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	a := &API{o: o, sessions: newSessions(), patience: patience, mux: http.NewServeMux()}
	if a.o.Feed == nil {
		a.o.Feed = NewFeed()
	}
	if a.o.History == nil {
		a.o.History = NewHistory(func() (int, int) { return 0, 0 })
	}
	a.SetAccess(o.Access)
	a.routes()
	return a
}

// metrics answers a scrape in Prometheus's own form.
func (a *API) metrics(*http.Request) (any, error) { return raw(a.o.Metrics.ServeHTTP), nil }

// SetAccess replaces who may use the API, for requests that come from now on.
func (a *API) SetAccess(to Access) { a.access.Store(&to) }

// ServeHTTP guards and answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if err := a.access.Load().admit(r); err != nil {
		a.fail(w, r, err)
		return
	}
	a.mux.ServeHTTP(w, r)
}
