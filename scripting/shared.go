package scripting

import (
	"errors"
	"sync"
	"time"

	"tandem/clock"
)

// Bounds of what scripts may share: keys may come from callers.
const (
	maxSharedKeys  = 1 << 20
	maxSharedKept  = 1 << 16   // keys to keep over a restart
	maxSharedValue = 256 << 10 // bytes, roughly
	sweepEvery     = 1 << 14   // writes between two searches for what has expired
)

var errSharedFull = errors.New("full")

// sharedValues are what scripts share between calls: plain data that is never changed once
// it is stored.
type sharedValues struct {
	clock  clock.Clock
	mu     sync.RWMutex
	all    map[string]sharedValue
	writes int
	serial uint64

	kept    int               // of all, those to keep over a restart
	changed func(SharedValue) // is told of them, in order; nil: nobody wants to know
}

type sharedValue struct {
	v       any
	expires time.Time // zero: never
	serial  uint64    // tells one write from another
	keep    bool      // over a restart
}

// SharedValue is what scripts share and want kept over a restart.
type SharedValue struct {
	Key     string
	Value   any       // plain data, not to be changed; nil: it is gone
	Expires time.Time // zero: never
}

// life says how long a value lives.
type life struct {
	ttl  time.Duration // 0: for ever
	keep bool          // over a restart
}

func newSharedValues(c clock.Clock) *sharedValues {
	return &sharedValues{clock: c, all: map[string]sharedValue{}}
}

func (s *sharedValues) get(key string) (sharedValue, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.live(key)
}

// live finds a value that has not expired. s.mu is held.
func (s *sharedValues) live(key string) (sharedValue, bool) {
	v, ok := s.all[key]
	if ok && !v.expires.IsZero() && !s.clock.Now().Before(v.expires) {
		return sharedValue{}, false
	}
	return v, ok
}

// restore puts back what was kept.
func (s *sharedValues) restore(values []SharedValue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		s.serial++
		s.all[v.Key] = sharedValue{v: v.Value, expires: v.Expires, serial: s.serial, keep: true}
		s.kept++
	}
}

func (s *sharedValues) set(key string, v any, l life) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := sharedValue{v: v, keep: l.keep}
	if l.ttl > 0 {
		entry.expires = s.clock.Now().Add(l.ttl)
	}
	return s.put(key, entry)
}

// put stores an entry, or removes it when its value is nil. s.mu is held.
func (s *sharedValues) put(key string, entry sharedValue) error {
	if entry.v == nil {
		s.drop(key)
		return nil
	}
	if s.writes++; s.writes >= sweepEvery {
		s.sweep()
	}
	old, ok := s.all[key]
	if !ok && len(s.all) >= maxSharedKeys || entry.keep && !old.keep && s.kept >= maxSharedKept {
		s.sweep()
		if !ok && len(s.all) >= maxSharedKeys || entry.keep && !old.keep && s.kept >= maxSharedKept {
			return errSharedFull
		}
	}
	if old.keep && !entry.keep {
		s.drop(key)
	} else if entry.keep && !old.keep {
		s.kept++
	}
	s.serial++
	entry.serial = s.serial
	s.all[key] = entry
	if entry.keep {
		s.tell(SharedValue{key, entry.v, entry.expires})
	}
	return nil
}

// drop removes a value. s.mu is held.
func (s *sharedValues) drop(key string) {
	if s.all[key].keep {
		s.kept--
		s.tell(SharedValue{Key: key})
	}
	delete(s.all, key)
}

func (s *sharedValues) tell(v SharedValue) {
	if s.changed != nil {
		s.changed(v)
	}
}

func (s *sharedValues) sweep() {
	s.writes = 0
	now := s.clock.Now()
	for k, v := range s.all {
		if !v.expires.IsZero() && !now.Before(v.expires) {
			s.drop(k)
		}
	}
}

// incr adds to a number; one that is not there counts as 0 and takes the life, one that is
// there keeps its own but for what l gives.
func (s *sharedValues) incr(key string, by float64, l life) (float64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.live(key)
	n, isNumber := old.v.(float64)
	if ok && !isNumber {
		return 0, errors.New("not a number")
	}
	n += by
	return n, s.put(key, s.renewed(old, n, l))
}

// renewed is an entry with another value, whose life is that of old but for what l gives.
func (s *sharedValues) renewed(old sharedValue, v any, l life) sharedValue {
	entry := sharedValue{v: v, expires: old.expires, keep: old.keep || l.keep}
	if l.ttl > 0 {
		entry.expires = s.clock.Now().Add(l.ttl)
	}
	return entry
}

// swap stores v if nothing was written to key since old was read.
func (s *sharedValues) swap(key string, old sharedValue, v any, l life) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, _ := s.live(key); now.serial != old.serial {
		return false, nil
	}
	return true, s.put(key, s.renewed(old, v, l))
}
