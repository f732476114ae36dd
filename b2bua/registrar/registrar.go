// Package registrar keeps where users can be reached: the contacts they
// registered (RFC 3261 §10.3), each with the flow it came over, in memory,
// bounded, and gone when they expire or their connection dies.
package registrar

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
	"tandem/clock"
)

// Contact is one binding of a user. Its URIs are shared: clone before changing one.
type Contact struct {
	ID         int64 // its own as long as it is bound, also over a restart
	User       string
	URI        sip.Uri        // as the phone wrote it; requests carry it as Request-URI
	Flow       transport.Flow // what it registered over, and is reached over; with a Path it may be zero
	Source     netip.AddrPort // where the REGISTER came from
	Registered time.Time      // when it was first bound
	Refreshed  time.Time      // when it was last bound
	Expires    time.Time
	UserAgent  string // at most 128 bytes
	CallID     string
	CSeq       uint32
	Q          float64   // 0 to 1; 1 if the phone named none
	Path       []sip.Uri // RFC 3327, nearest first
	Instance   string    // +sip.instance, RFC 5626 §4.1
	RegID      string    // reg-id, RFC 5626 §4.2
	NAT        bool      // it says that it is elsewhere than it sends from
}

// ChangeKind says what happened to a binding.
type ChangeKind string

const (
	Added     ChangeKind = "added"
	Refreshed ChangeKind = "refreshed"
	Removed   ChangeKind = "removed" // by the phone
	Expired   ChangeKind = "expired"
	Closed    ChangeKind = "closed"  // its connection died
	Evicted   ChangeKind = "evicted" // it gave way to a newer one of the same user
	Dropped   ChangeKind = "dropped" // the user is no user any more
)

// Change is what OnChange gets.
type Change struct {
	Kind    ChangeKind
	Contact Contact
}

// Options of a Registrar. The zero value of each field means its default.
type Options struct {
	Clock          clock.Clock   // the system's
	MinExpires     time.Duration // a shorter wish gets 423: 60 s
	MaxExpires     time.Duration // a longer wish is cut to it: 2 h
	DefaultExpires time.Duration // for a phone without a wish: 1 h
	MaxContacts    int           // of one user: 10; the one refreshed longest ago gives way
	MaxBindings    int           // in all: 200,000; then 503
	// OnChange sees every change, in order, one at a time. It must not block.
	OnChange func(Change)
	// Ping is called every KeepAlive for each contact behind a NAT that is reached by UDP,
	// spread over that time. It must not block. No KeepAlive, no pings.
	KeepAlive time.Duration
	Ping      func(Contact)
}

// Registrar holds the bindings. It is safe for concurrent use.
type Registrar struct {
	o Options

	mu      sync.Mutex
	users   map[string][]*binding
	flows   map[transport.Flow][]*binding
	sources map[netip.Addr]int // bindings by the address they registered from
	expiry  expiryHeap         // by Expires
	wheel   wheel
	timer   clock.Timer
	closed  bool
	changes []Change
	telling bool // somebody is handing changes to OnChange
}

// binding is a Contact with its place in the heap of expiries.
type binding struct {
	Contact
	index      int
	berth      int // in flows
	slot, spot int // in the wheel; slot -1: it is not
}

// New makes an empty registrar.
func New(o Options) *Registrar {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	setDefault(&o.MinExpires, time.Minute)
	setDefault(&o.MaxExpires, 2*time.Hour)
	setDefault(&o.DefaultExpires, time.Hour)
	setDefault(&o.MaxContacts, 10)
	setDefault(&o.MaxBindings, 200_000)
	o.DefaultExpires = min(max(o.DefaultExpires, o.MinExpires), o.MaxExpires)
	r := &Registrar{o: o, users: map[string][]*binding{}, flows: map[transport.Flow][]*binding{}, sources: map[netip.Addr]int{}}
	r.wheel.init(o.KeepAlive)
	return r
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// MinExpires is what a 423 names in its Min-Expires header.
func (r *Registrar) MinExpires() time.Duration { return r.o.MinExpires }

// Close stops the expiry timer; the bindings stay readable.
func (r *Registrar) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	r.wheel.stop()
}

// Contacts are the bindings of a user that can be reached now: highest q
// first, and of equal ones the latest refreshed.
func (r *Registrar) Contacts(user string) []Contact {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live(user)
}

func (r *Registrar) live(user string) []Contact {
	now := r.o.Clock.Now()
	var out []Contact
	for _, b := range r.users[user] {
		if b.reachable(now) {
			out = append(out, b.Contact)
		}
	}
	slices.SortStableFunc(out, func(a, b Contact) int {
		if a.Q != b.Q {
			if a.Q > b.Q {
				return -1
			}
			return 1
		}
		return b.Refreshed.Compare(a.Refreshed)
	})
	return out
}

// reachable is false between a binding's end and its removal, and for a dead connection.
func (b *binding) reachable(now time.Time) bool {
	return now.Before(b.Expires) && (b.Flow.IsZero() || b.Flow.Alive() || len(b.Path) > 0)
}

// All are the live bindings of all users, by user and then as Contacts orders them.
func (r *Registrar) All() []Contact {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.users))
	for user := range r.users {
		names = append(names, user)
	}
	slices.Sort(names)
	out := make([]Contact, 0, len(r.expiry))
	for _, user := range names {
		out = append(out, r.live(user)...)
	}
	return out
}

// Len is the number of bindings held.
func (r *Registrar) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.expiry)
}

// FlowUser is the user who registered over f. When several did, as behind a
// gateway, it is the one named from, the user part of the request's From; ok is
// false if that is none of them.
func (r *Registrar) FlowUser(f transport.Flow, from string) (user string, ok bool) {
	if f.IsZero() {
		return "", false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Clock.Now()
	for _, b := range r.users[from] {
		if b.Flow == f && now.Before(b.Expires) {
			return from, true
		}
	}
	for _, b := range r.flows[f] {
		switch {
		case !now.Before(b.Expires):
		case user == "":
			user = b.User
		case user != b.User:
			return "", false // several
		}
	}
	return user, user != ""
}

// HasFlow tells whether some user is registered over f.
func (r *Registrar) HasFlow(f transport.Flow) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.flows[f]) > 0
}

// HasSource tells whether some user is registered from an address.
func (r *Registrar) HasSource(ip netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sources[ip.Unmap()] > 0
}

// DropUsers removes the bindings of every user for whom gone holds.
func (r *Registrar) DropUsers(gone func(user string) bool) {
	r.mu.Lock()
	for user, list := range r.users {
		if !gone(user) {
			continue
		}
		for _, b := range slices.Clone(list) {
			r.remove(b, Dropped)
		}
	}
	r.arm()
	r.mu.Unlock()
	r.tell()
}

// Restore puts bindings back that were kept over a restart. One that has expired, or has no
// way to be reached, is left out.
func (r *Registrar) Restore(contacts []Contact) (restored int) {
	r.mu.Lock()
	now := r.o.Clock.Now()
	for _, c := range contacts {
		if now.Before(c.Expires) && (!c.Flow.IsZero() || len(c.Path) > 0) && len(r.expiry) < r.o.MaxBindings {
			r.add(c)
			restored++
		}
	}
	r.changes = nil // nobody needs to hear what is known
	r.arm()
	r.mu.Unlock()
	return restored
}

// FlowClosed forgets the bindings of a connection that has died. Where a Path leads to the
// phone, the connection was the proxy's: another can be opened.
func (r *Registrar) FlowClosed(f transport.Flow) {
	r.mu.Lock()
	for _, b := range slices.Clone(r.flows[f]) {
		if len(b.Path) > 0 {
			r.unberth(b)
			b.Flow = transport.Flow{}
			continue
		}
		r.remove(b, Closed)
	}
	r.arm()
	r.mu.Unlock()
	r.tell()
}

// add, replace and remove are called with mu held.

func (r *Registrar) add(c Contact) {
	if c.ID == 0 {
		c.ID = rand.Int64()
	}
	b := &binding{Contact: c, slot: -1}
	r.users[c.User] = append(r.users[c.User], b)
	r.index(b)
	heap.Push(&r.expiry, b)
	r.note(Added, c)
}

func (r *Registrar) replace(b *binding, c Contact) {
	same := b.Flow == c.Flow && b.Source == c.Source && b.NAT == c.NAT // as nearly always
	if !same {
		r.unindex(b)
	}
	c.ID, c.Registered = b.ID, b.Registered
	b.Contact = c
	if !same {
		r.index(b)
	}
	heap.Fix(&r.expiry, b.index)
	r.note(Refreshed, c)
}

func (r *Registrar) remove(b *binding, why ChangeKind) {
	dropFrom(r.users, b.User, b)
	r.unindex(b)
	heap.Remove(&r.expiry, b.index)
	r.note(why, b.Contact)
}

func (r *Registrar) index(b *binding) {
	if !b.Flow.IsZero() {
		b.berth = len(r.flows[b.Flow])
		r.flows[b.Flow] = append(r.flows[b.Flow], b)
	}
	if ip := b.Source.Addr().Unmap(); ip.IsValid() {
		r.sources[ip]++
	}
	if b.NAT && r.o.Ping != nil {
		r.wheel.add(b)
		r.spin()
	}
}

func (r *Registrar) unindex(b *binding) {
	r.unberth(b)
	ip := b.Source.Addr().Unmap()
	if r.sources[ip]--; r.sources[ip] <= 0 {
		delete(r.sources, ip)
	}
	r.wheel.remove(b)
}

// unberth takes b out of flows. A proxy's one flow may carry all there are: no search there.
func (r *Registrar) unberth(b *binding) {
	if b.Flow.IsZero() {
		return
	}
	list := r.flows[b.Flow]
	last := list[len(list)-1]
	list[b.berth], last.berth = last, b.berth
	list[len(list)-1] = nil
	if list = list[:len(list)-1]; len(list) == 0 {
		delete(r.flows, b.Flow)
		return
	}
	r.flows[b.Flow] = list
}

func dropFrom[K comparable](m map[K][]*binding, key K, b *binding) {
	list := m[key]
	if i := slices.Index(list, b); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	if len(list) == 0 {
		delete(m, key)
		return
	}
	m[key] = list
}

func (r *Registrar) note(kind ChangeKind, c Contact) {
	if r.o.OnChange != nil {
		r.changes = append(r.changes, Change{kind, c})
	}
}

// tell hands pending changes to OnChange without mu, in order: whoever is at it
// already takes ours along, so OnChange may call the registrar.
func (r *Registrar) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.telling {
		return
	}
	r.telling = true
	defer func() { r.telling = false }()
	for len(r.changes) > 0 {
		batch := r.changes
		r.changes = nil
		r.handOver(batch)
	}
}

func (r *Registrar) handOver(batch []Change) {
	r.mu.Unlock()
	defer r.mu.Lock()
	for _, c := range batch {
		r.o.OnChange(c)
	}
}
