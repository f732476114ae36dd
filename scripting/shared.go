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
}

type sharedValue struct {
	v       any
	expires time.Time // zero: never
	serial  uint64    // tells one write from another
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

func (s *sharedValues) set(key string, v any, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(key, v, ttl)
}

// put stores a value, or removes it when it is nil. s.mu is held.
func (s *sharedValues) put(key string, v any, ttl time.Duration) error {
	if v == nil {
		delete(s.all, key)
		return nil
	}
	if s.writes++; s.writes >= sweepEvery {
		s.sweep()
	}
	if _, ok := s.all[key]; !ok && len(s.all) >= maxSharedKeys {
		if s.sweep(); len(s.all) >= maxSharedKeys {
			return errSharedFull
		}
	}
	s.serial++
	entry := sharedValue{v: v, serial: s.serial}
	if ttl > 0 {
		entry.expires = s.clock.Now().Add(ttl)
	}
	s.all[key] = entry
	return nil
}

func (s *sharedValues) sweep() {
	s.writes = 0
	now := s.clock.Now()
	for k, v := range s.all {
		if !v.expires.IsZero() && !now.Before(v.expires) {
			delete(s.all, k)
		}
	}
}

// incr adds to a number; one that is not there counts as 0 and takes the ttl, one that is
// there keeps its own unless ttl is given.
func (s *sharedValues) incr(key string, by float64, ttl time.Duration) (float64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.live(key)
	n, isNumber := old.v.(float64)
	if ok && !isNumber {
		return 0, errors.New("not a number")
	}
	n += by
	if err := s.put(key, n, ttl); err != nil {
		return 0, err
	}
	if ok && ttl == 0 {
		entry := s.all[key]
		entry.expires = old.expires
		s.all[key] = entry
	}
	return n, nil
}

// swap stores v if nothing was written to key since old was read, and keeps the time to live.
func (s *sharedValues) swap(key string, old sharedValue, v any) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, _ := s.live(key); now.serial != old.serial {
		return false, nil
	}
	if err := s.put(key, v, 0); err != nil {
		return true, err
	}
	if entry, ok := s.all[key]; ok {
		entry.expires = old.expires
		s.all[key] = entry
	}
	return true, nil
}
