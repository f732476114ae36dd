package auth

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tandem/clock"
)

// Limits bound what is taken on. 0 is no limit.
type Limits struct {
	CallsPerSecond int // of all sources together
	PerSource      PerSource
}

// PerSource bounds one source that is neither trusted nor a trunk.
type PerSource struct {
	CallsPerSecond     int
	RegistersPerMinute int
	AuthFailures       int           // wrong answers within Ban that lead to a ban
	Ban                time.Duration // how long it lasts
}

// Ban is a source that is not listened to for a time.
type Ban struct {
	Source   netip.Prefix // one IPv4 address, or an IPv6 /64
	Since    time.Time
	Until    time.Time
	Failures int // that led to it; 0: it named itself a scanner, or sent far too much
}

const (
	maxBans      = 10_000
	maxOffenders = 8192 // sources with failures
	maxNames     = 8192 // users failing at one source
	slowest      = time.Minute
	tidyEvery    = time.Minute
	maxExcess    = 100 // requests beyond a rate, a minute, that a source is forgiven
)

// Limiter counts requests and failures by source and decides who has had enough. Its memory
// does not grow with the sources that send: rates have a fixed table, and only a source that
// answered a challenge of ours, and so receives at its address, is counted for failures.
// It is safe for concurrent use.
type Limiter struct {
	clock  clock.Clock
	limits atomic.Pointer[Limits]
	meters meters
	seed   maphash.Seed
	bans   atomic.Int64 // how many, to pass by the lock

	mu        sync.Mutex
	calls     int64 // backlog of all calls
	banned    map[netip.Addr]*Ban
	tidied    time.Time               // when Bar looked for bans that are over
	offenders map[netip.Addr]*offence // by source
	names     map[uint64]*offence     // by source and user
}

// offence is a number of failures since a moment.
type offence struct {
	count int
	since time.Time
	until time.Time // a name is not tried before
}

// NewLimiter makes a limiter; c is the system's clock if nil.
func NewLimiter(c clock.Clock, limits Limits) *Limiter {
	if c == nil {
		c = clock.System()
	}
	l := &Limiter{clock: c, seed: maphash.MakeSeed(), banned: map[netip.Addr]*Ban{},
		offenders: map[netip.Addr]*offence{}, names: map[uint64]*offence{}}
	l.SetLimits(limits)
	return l
}

// SetLimits replaces the limits. Bans in force stay.
func (l *Limiter) SetLimits(limits Limits) { l.limits.Store(&limits) }

// Allow counts a request of a source that is neither trusted nor a trunk.
func (l *Limiter) Allow(ip netip.Addr, k Kind) bool {
	per := l.limits.Load().PerSource
	var r rate
	switch k {
	case Calling:
		r = perSecond(per.CallsPerSecond)
	case Registering:
		r = perMinute(per.RegistersPerMinute)
	case Asking:
		// Each call and each REGISTER may begin with a request that is challenged.
		if per.CallsPerSecond > 0 && per.RegistersPerMinute > 0 {
			r = perMinute(60*per.CallsPerSecond + per.RegistersPerMinute)
			r.burst = per.CallsPerSecond + per.RegistersPerMinute
		}
	case Guessing:
		r = rate{time.Second, 3}
	case Telling:
		r = rate{time.Minute, 1}
	case Exceeding:
		r = perMinute(maxExcess)
	}
	return l.meters.take(sourceOf(ip), k, r, l.clock.Now().UnixNano())
}

// AllowCall counts a call against the rate of all calls.
func (l *Limiter) AllowCall() bool {
	now := l.clock.Now().UnixNano()
	l.mu.Lock()
	defer l.mu.Unlock()
	return perSecond(l.limits.Load().CallsPerSecond).take(&l.calls, now)
}

// Overloaded tells, without counting, that AllowCall would refuse now.
func (l *Limiter) Overloaded() bool {
	now := l.clock.Now().UnixNano()
	l.mu.Lock()
	defer l.mu.Unlock()
	backlog := l.calls
	return !perSecond(l.limits.Load().CallsPerSecond).take(&backlog, now)
}

// Banned tells whether nothing of a source is to be heard.
func (l *Limiter) Banned(ip netip.Addr) bool {
	if l.bans.Load() == 0 {
		return false
	}
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.banned[sourceOf(ip)]
	return b != nil && now.Before(b.Until)
}

// Wait is how long a user name must rest at a source after failing there too often; 0 if it
// may be tried.
func (l *Limiter) Wait(ip netip.Addr, user string) time.Duration {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.names[l.nameAt(sourceOf(ip), user)]
	if n == nil {
		return 0
	}
	return max(0, n.until.Sub(now))
}

// Failed counts a wrong answer of a source that received our challenge. When bannable says
// that the source may be banned and it has failed too often, it returns the ban; else only
// the user name is slowed down there.
func (l *Limiter) Failed(ip netip.Addr, user string, bannable bool) (Ban, bool) {
	per, now, source := l.limits.Load().PerSource, l.clock.Now(), sourceOf(ip)
	if per.AuthFailures <= 0 {
		return Ban{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name := fail(l.names, l.nameAt(source, user), now, per.Ban, maxNames)
	if over := name.count - per.AuthFailures; over >= 0 {
		name.until = now.Add(min(time.Second<<min(over, 10), slowest))
	}
	from := fail(l.offenders, source, now, per.Ban, maxOffenders)
	if !bannable || per.Ban <= 0 || from.count < per.AuthFailures {
		return Ban{}, false
	}
	b := Ban{Source: prefixOf(source), Since: now, Until: now.Add(per.Ban), Failures: from.count}
	delete(l.offenders, source)
	l.ban(b)
	return b, true
}

// Bar bans a source for what it says it is, or how much it sends. Nothing proves where such a request came from, so
// these bans take up half of the room at most and push out nobody's.
func (l *Limiter) Bar(ip netip.Addr) (Ban, bool) {
	per, now, source := l.limits.Load().PerSource, l.clock.Now(), sourceOf(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	if per.Ban <= 0 || l.banned[source] != nil && now.Before(l.banned[source].Until) {
		return Ban{}, false
	}
	if len(l.banned) >= maxBans/2 && now.Sub(l.tidied) >= tidyEvery { // not for each of a flood
		l.dropEnded()
		l.tidied = now
	}
	if len(l.banned) >= maxBans/2 {
		return Ban{}, false
	}
	b := Ban{Source: prefixOf(source), Since: now, Until: now.Add(per.Ban)}
	l.ban(b)
	return b, true
}

// Succeeded forgives what one user got wrong at a source: what others got wrong stays, or an
// account of one's own would buy guesses at all others.
func (l *Limiter) Succeeded(ip netip.Addr, user string) {
	source := sourceOf(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := l.nameAt(source, user)
	name := l.names[key]
	if name == nil {
		return
	}
	delete(l.names, key)
	if from := l.offenders[source]; from != nil {
		if from.count -= name.count; from.count <= 0 {
			delete(l.offenders, source)
		}
	}
}

// nameAt is the key of a user name at a source.
func (l *Limiter) nameAt(source netip.Addr, user string) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	ip := source.As16()
	h.Write(ip[:])
	h.WriteString(user)
	return h.Sum64()
}

// fail counts one more failure under a key. A full table forgets the one that began first.
func fail[K comparable](table map[K]*offence, key K, now time.Time, window time.Duration, most int) *offence {
	o := table[key]
	if o == nil || now.Sub(o.since) > window {
		if o == nil && len(table) >= most {
			forgetOldest(table)
		}
		o = &offence{since: now}
		table[key] = o
	}
	o.count++
	return o
}

// forgetOldest drops the entry that began first of a few: to look at all of them for each
// failure would be an attack of its own.
func forgetOldest[K comparable](table map[K]*offence) {
	var oldest K
	var at time.Time
	looked := 0
	for k, o := range table {
		if looked == 0 || o.since.Before(at) {
			oldest, at = k, o.since
		}
		if looked++; looked == 16 {
			break
		}
	}
	delete(table, oldest)
}

// ban enters a ban, making room for it; mu is held.
func (l *Limiter) ban(b Ban) {
	source := b.Source.Addr()
	if l.banned[source] == nil && len(l.banned) >= maxBans {
		l.dropEnded()
		for k := range l.banned {
			if len(l.banned) < maxBans {
				break
			}
			delete(l.banned, k)
		}
	}
	l.banned[source] = &b
	l.bans.Store(int64(len(l.banned)))
}

// dropEnded forgets the bans that are over; mu is held.
func (l *Limiter) dropEnded() {
	now := l.clock.Now()
	for k, b := range l.banned {
		if !now.Before(b.Until) {
			delete(l.banned, k)
		}
	}
	l.bans.Store(int64(len(l.banned)))
}

// Restore puts bans in force that were kept over a restart.
func (l *Limiter) Restore(bans []Ban) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range bans {
		b.Source = prefixOf(sourceOf(b.Source.Addr()))
		l.ban(b)
	}
	l.dropEnded()
}

// Lift ends a ban; false if there is none of that source.
func (l *Limiter) Lift(ip netip.Addr) (Ban, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	source := sourceOf(ip)
	b := l.banned[source]
	delete(l.banned, source)
	l.dropEnded()
	if b == nil || !l.clock.Now().Before(b.Until) {
		return Ban{}, false
	}
	return *b, true
}

// Bans are those in force, the latest first.
func (l *Limiter) Bans() []Ban {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropEnded()
	out := make([]Ban, 0, len(l.banned))
	for _, b := range l.banned {
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b Ban) int {
		return cmp.Or(b.Since.Compare(a.Since), a.Source.Addr().Compare(b.Source.Addr()))
	})
	return out
}
