// Package b2bua is a back-to-back user agent: it ends every inbound call and makes new
// ones for it. It is to calls what net/http is to requests: a Server hands each Call to a
// Handler, which rings, answers, plays, dials and bridges through the Call's methods.
package b2bua

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/notifier"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/b2bua/trunk"
	"tandem/clock"
	"tandem/media"
	"tandem/store"
)

// Handler decides what happens to a call. ServeCall returns when it is done with it; the
// call then ends. ctx ends with the server, not with the call.
type Handler interface {
	ServeCall(ctx context.Context, c *Call) error
}

// Directory knows the users. Its answers come from memory.
type Directory interface {
	// Credential returns what is needed to check a user's digest.
	Credential(user string) (auth.Credential, bool)
}

// Journal keeps the records. Its methods never block.
type Journal interface {
	Open(c *store.Call)
	Update(c *store.Call)
	Finish(c *store.Call, legs []store.Leg, events []store.Event)
}

// Options are what a Server is made of. All but the last group are needed.
type Options struct {
	Transport *transport.Layer
	Media     *media.Engine
	Handler   Handler
	Directory Directory
	Registrar *registrar.Registrar
	Trunks    *trunk.Set // nil: there are none
	Journal   Journal

	Realm      string           // of our challenges and the host of our addresses; "tandem" if empty
	Domain     string           // host of our addresses; the local address if empty
	Algorithms []auth.Algorithm // offered in this order
	ACL        *auth.ACL
	Codecs     []string
	// ServiceRoute are the URIs of the proxies that registered phones are to send their requests
	// by, nearest first (RFC 3608); none: straight to us.
	ServiceRoute []string
	Recordings   string   // the folder recordings lie below
	Node         string   // of the records
	MaxCalls     int      // at once; 0: no limit (SetMaxCalls)
	Emergency    []string // numbers that pass every limit (SetEmergency)

	MediaTimeout   time.Duration // end a call when no side has sent for so long, hold apart; 0: never
	SessionExpires time.Duration // RFC 4028: how long a dialog lives without a sign of life; 0: for ever

	MaxSubscriptions int // at once, of all; 0: what the notifier takes

	Guard Guard          // against strangers; SetGuard changes it
	Bans  []auth.Ban     // kept from before
	OnBan func(auth.Ban) // must not block
	Hooks Hooks          // questions to scripts; nil: none

	// Preferences of a user; nil: nobody has any. Its answers come from memory.
	Preferences func(user string) Preferences

	// Trace keeps the whole text of each message in the timelines, without what is secret.
	Trace bool

	Timers transaction.Timers // those of transaction.DefaultTimers for each that is 0
	Clock  clock.Clock
	Log    *slog.Logger
}

// Server takes calls and hands them to its Handler.
type Server struct {
	o      Options
	tx     *transaction.Layer
	digest *auth.Digest
	acl    atomic.Pointer[auth.ACL]
	room   atomic.Int64 // calls at once; 0: no limit
	panics atomic.Int64
	trunks *trunk.Set
	events *notifier.Notifier
	urgent atomic.Pointer[[]string] // numbers that pass every limit
	loud   limiter
	door

	ctx    context.Context // ends with the server
	cancel context.CancelFunc

	conferences conferences
	parking     parking
	queues      queues

	mu             sync.Mutex
	calls          map[string]*Call // listed until their record is finished
	running        map[*Call]struct{}
	closingRecords map[*Call]struct{} // calls that are over, see closeRecord
	dialogs        map[dialog.ID]*Leg
	outgoing       map[string]string  // Call-ID of our INVITEs → From tag
	loops          map[string]looping // Call-ID of an INVITE to ourselves → who sent it
	closing        bool
	draining       bool
	quiet          chan struct{} // closed when draining and the last call has gone
}

// New makes a server and starts taking calls.
func New(o Options) (*Server, error) {
	if o.Handler == nil || o.Transport == nil || o.Media == nil || o.Directory == nil || o.Registrar == nil || o.Journal == nil {
		return nil, errors.New("b2bua: an option is missing")
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Realm == "" {
		o.Realm = "tandem"
	}
	o.Timers = o.Timers.WithDefaults()
	s := &Server{
		o:              o,
		digest:         auth.NewDigest(auth.DigestOptions{Realm: o.Realm, Algorithms: o.Algorithms, Clock: o.Clock}),
		calls:          map[string]*Call{},
		running:        map[*Call]struct{}{},
		closingRecords: map[*Call]struct{}{},
		dialogs:        map[dialog.ID]*Leg{},
		loops:          map[string]looping{},
		outgoing:       map[string]string{},
		quiet:          make(chan struct{}),
	}
	s.queues.server = s
	if s.trunks = o.Trunks; s.trunks == nil {
		s.trunks = trunk.New(trunk.Options{Transport: o.Transport, Clock: o.Clock, Log: o.Log})
	}
	s.SetEmergency(o.Emergency)
	s.acl.Store(o.ACL)
	s.openDoor()
	s.room.Store(int64(o.MaxCalls))
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.tx = transaction.New(transaction.Options{Transport: o.Transport, Clock: o.Clock, Timers: o.Timers, Log: o.Log, Handler: (*receiver)(s)})
	s.events = notifier.New(notifier.Options{Sender: s.tx, Clock: o.Clock, Address: s.shownAs, Guard: o.Transport.Guard, Max: o.MaxSubscriptions})
	for _, e := range o.Transport.Endpoints() {
		if e.Proto == transport.UDP {
			o.Media.Reserve(e.Addr.Port())
		}
	}
	o.Transport.Serve(gate{s.tx, s})
	s.trunks.Start(s.tx)
	return s, nil
}

// SetACL replaces the access list, for calls that come from now on.
func (s *Server) SetACL(a *auth.ACL) { s.acl.Store(a) }

// ExpectMD5Only says that some users can answer by MD5 and nothing else: see auth.Digest.
func (s *Server) ExpectMD5Only() { s.digest.ExpectMD5Only() }

// SetMaxCalls changes how many calls may be up at once; calls in progress stay.
func (s *Server) SetMaxCalls(n int) { s.room.Store(int64(n)) }

// Panics is how many panics were caught since the start: in calls, their handlers and timers,
// in messages read and in media.
func (s *Server) Panics() int64 {
	return s.panics.Load() + int64(s.o.Transport.Counts().Panics+s.o.Media.Faults())
}

// Draining reports whether new calls are refused.
func (s *Server) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// Drain refuses new calls and waits until the last one has ended or ctx is done.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	if !s.draining {
		s.draining = true
		s.checkQuiet()
	}
	s.mu.Unlock()
	select {
	case <-s.quiet:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close hangs up all calls, waits until their records are finished or ctx is done, and
// stops. The transport stays open: its owner closes it.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for c := range s.running {
		c.box.post(do(func(c *Call) { c.end(BySystem, failure(503, "")) }))
	}
	s.mu.Unlock()
	defer s.cancel()
	defer s.events.Close()
	return s.Drain(ctx)
}

// checkQuiet needs s.mu.
func (s *Server) checkQuiet() {
	if !s.draining || len(s.calls)+len(s.closingRecords) > 0 {
		return
	}
	select {
	case <-s.quiet:
	default:
		close(s.quiet)
	}
}

// admit lists a new call; false when the server has no room for it.
func (s *Server) admit(c *Call) (ok bool, retry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if retry, full := s.full(); full && !s.emergency(c.Number()) {
		return false, retry
	}
	s.calls[c.id] = c
	s.running[c] = struct{}{}
	return true, 0
}

// full tells whether there is no room for another call; s.mu is held.
func (s *Server) full() (retry time.Duration, full bool) {
	switch {
	case s.draining:
		return 30 * time.Second, true
	case s.room.Load() > 0 && int64(len(s.calls)) >= s.room.Load():
		return 5 * time.Second, true
	}
	return 0, false
}

// over takes a call off the list whose record has yet to be finished.
func (s *Server) over(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c.id)
	s.closingRecords[c] = struct{}{}
}

// recorded takes a call off the list once its record is finished.
func (s *Server) recorded(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c.id)
	delete(s.closingRecords, c)
	s.checkQuiet()
}

// ended forgets a call whose goroutine returns.
func (s *Server) ended(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c.id)
	delete(s.closingRecords, c)
	delete(s.running, c)
	for id, l := range s.loops {
		if l.parent == c {
			delete(s.loops, id)
		}
	}
	s.checkQuiet()
}

// Call returns a call in progress.
func (s *Server) Call(id string) (*Call, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.calls[id]
	return c, ok
}

// Counts tells how much of everything is alive, for metrics and leak tests.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := Counts{Calls: len(s.calls), Running: len(s.running), Dialogs: len(s.dialogs)}
	n.Subscriptions, n.Lamps = s.events.Counts()
	n.ServerTransactions, n.ClientTransactions = s.tx.Counts()
	return n
}

// Counts is how much of everything is alive.
type Counts struct {
	Calls, Running, Dialogs                int
	Subscriptions, Lamps                   int // lamps that are lit
	ServerTransactions, ClientTransactions int
}

// Sums tells what has happened since the start, for metrics.
func (s *Server) Sums() Sums { return Sums{Resent: s.tx.Resent(), Merged: s.tx.Merged()} }

// Sums only grow.
type Sums struct {
	Resent uint64 // messages sent again for want of an answer
	Merged uint64 // requests that came twice by different ways
}

// remember makes requests of dialog d reach leg l.
func (s *Server) remember(d *dialog.Dialog, l *Leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialogs[d.ID()] = l
}

func (s *Server) forget(d *dialog.Dialog) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.dialogs, d.ID())
}

func (s *Server) legOf(id dialog.ID) *Leg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialogs[id]
}
