// Package notifier tells phones what they have subscribed to (RFC 6665): the messages that
// wait for a user (RFC 3842) and the lamps of users and parking slots (RFC 4235). It keeps
// everything in memory, bounded, and no subscription longer than its phone can be reached.
package notifier

import (
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/clock"
)

// The event packages that can be subscribed to.
const (
	MessageSummary = "message-summary" // RFC 3842
	DialogInfo     = "dialog"          // RFC 4235
)

// AllowEvents is the value of that header (RFC 6665 §8.2.2).
const AllowEvents = MessageSummary + ", " + DialogInfo

const (
	defaultExpires = time.Hour       // RFC 3842 §3.4, RFC 4235 §3.4; also the longest that is granted
	minExpires     = time.Minute     // a shorter wish gets 423
	spacing        = time.Second     // between two NOTIFYs of one subscription (RFC 4235 §3.10)
	longestRest    = 5 * time.Minute // that a phone may ask for with Retry-After
	maxRefused     = 5               // NOTIFYs in a row that it may put off so
)

// Sender sends requests; a transaction.Layer is one.
type Sender interface {
	Send(f transport.Flow, req *sip.Request, h transaction.ClientHandler) (*transaction.Client, error)
}

// Options of a Notifier.
type Options struct {
	Sender Sender
	Clock  clock.Clock // the system's
	// Address is the URI of a user or slot of ours as the peer of f is to see it; of "", where
	// we are reached ourselves.
	Address func(f transport.Flow, entity string) sip.Uri
	// Guard runs what sends, so that a panic in it costs that one message.
	Guard func(f transport.Flow, do func())

	MaxPerOwner int // subscriptions of one user: 100; the one refreshed longest ago gives way
	Max         int // in all: 20,000; then 503
}

// Notifier holds the subscriptions and what they are about. It is safe for concurrent use.
type Notifier struct {
	o Options

	mu       sync.Mutex
	subs     map[dialog.ID]*subscription
	owners   map[string][]*subscription
	flows    map[transport.Flow][]*subscription // connections only
	watchers map[topic][]*subscription
	messages map[string]Messages // of users with any
	lamps    map[string][]Dialog // of entities with any
	ready    []*subscription     // have something to say now
	running  bool                // somebody is sending for them
	sending  sync.WaitGroup
	closed   bool
}

// topic is what one can subscribe to.
type topic struct{ event, entity string }

// subscription is one, and what its phone has not been told yet. The Notifier's lock guards it.
type subscription struct {
	d         *dialog.Dialog
	flow      transport.Flow
	owner     string
	topic     topic
	eventID   string // of the Event header (RFC 6665 §8.2.1)
	contact   string // of the first SUBSCRIBE
	refreshed time.Time
	expires   time.Time
	timer     clock.Timer // at its end

	over    string // why it ends; the last NOTIFY says so
	gone    bool
	dirty   bool // there is something to say
	full    bool // all of it, else what is in changed
	changed []Dialog
	version uint32 // of the next dialog-info document

	busy    bool // a NOTIFY has had no answer, or its SUBSCRIBE has had none
	queued  bool // in ready
	sent    time.Time
	rest    clock.Timer // until the next NOTIFY may go
	refused int         // NOTIFYs put off in a row
}

// New makes a Notifier without subscriptions.
func New(o Options) *Notifier {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.MaxPerOwner <= 0 {
		o.MaxPerOwner = 100
	}
	if o.Max <= 0 {
		o.Max = 20_000
	}
	return &Notifier{o: o, subs: map[dialog.ID]*subscription{}, owners: map[string][]*subscription{},
		flows: map[transport.Flow][]*subscription{}, watchers: map[topic][]*subscription{},
		messages: map[string]Messages{}, lamps: map[string][]Dialog{}}
}

// Counts are the number of subscriptions, and of users and slots with a dialog to show.
func (n *Notifier) Counts() (subscriptions, lamps int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.subs), len(n.lamps)
}

// Holder is whose subscription a dialog is, and the flow that it came by last; ok is false
// where there is none.
func (n *Notifier) Holder(id dialog.ID) (owner string, f transport.Flow, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.subs[id]
	if s == nil {
		return "", transport.Flow{}, false
	}
	return s.owner, s.flow, true
}

// FlowClosed ends the subscriptions of a connection that has died: nobody can be told.
func (n *Notifier) FlowClosed(f transport.Flow) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range slices.Clone(n.flows[f]) {
		n.drop(s)
	}
}

// DropOwners ends the subscriptions of every user for whom gone holds.
func (n *Notifier) DropOwners(gone func(owner string) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for owner, list := range n.owners {
		if !gone(owner) {
			continue
		}
		for _, s := range slices.Clone(list) {
			n.end(s, "rejected")
		}
	}
}

// Close ends all subscriptions. The phones are told to come back in a while (RFC 6665 §4.1.3,
// probation); it does not wait for their answers.
func (n *Notifier) Close() {
	n.mu.Lock()
	n.closed = true
	for _, s := range n.subs {
		s.busy = false
		n.end(s, "probation;retry-after=10")
	}
	n.mu.Unlock()
	n.sending.Wait()
}

// add, move and drop are called with mu held.

func (n *Notifier) add(s *subscription) {
	n.subs[s.d.ID()] = s
	n.owners[s.owner] = append(n.owners[s.owner], s)
	n.watchers[s.topic] = append(n.watchers[s.topic], s)
	if s.flow.Reliable() {
		n.flows[s.flow] = append(n.flows[s.flow], s)
	}
	s.timer = n.o.Clock.AfterFunc(max(s.expires.Sub(s.refreshed), minExpires), func() { n.expire(s) })
}

// move notes the flow that a subscription is refreshed over.
func (n *Notifier) move(s *subscription, f transport.Flow) {
	if s.flow == f {
		return
	}
	dropFrom(n.flows, s.flow, s)
	s.flow = f
	if f.Reliable() {
		n.flows[f] = append(n.flows[f], s)
	}
}

func (n *Notifier) drop(s *subscription) {
	if s.gone {
		return
	}
	s.gone = true
	s.timer.Stop()
	if s.rest != nil {
		s.rest.Stop()
	}
	delete(n.subs, s.d.ID())
	dropFrom(n.owners, s.owner, s)
	dropFrom(n.watchers, s.topic, s)
	dropFrom(n.flows, s.flow, s)
}

func dropFrom[K comparable](m map[K][]*subscription, key K, s *subscription) {
	list := m[key]
	i := slices.Index(list, s)
	if i < 0 {
		return
	}
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(m, key)
		return
	}
	m[key] = list
}

// expire ends a subscription that nobody has refreshed (RFC 6665 §4.2.1.4).
func (n *Notifier) expire(s *subscription) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if left := s.expires.Sub(n.o.Clock.Now()); left > 0 {
		s.timer.Reset(left)
		return
	}
	n.end(s, "timeout")
}

// end makes the next NOTIFY the last one; mu is held.
func (n *Notifier) end(s *subscription, why string) {
	if s.gone || s.over != "" {
		return
	}
	s.over = why
	s.timer.Stop()
	n.sayAll(s)
}
