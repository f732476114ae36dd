package auth

import (
	"sync"
	"time"
)

const (
	// windowWidth is how far below the highest count of a nonce one may still come: requests
	// sent together overtake each other.
	windowWidth = 64
	// maxNonces bounds the nonces that are kept, about 60 bytes each.
	maxNonces = 200_000
	// binWidth is how much time of issue shares one bin.
	binWidth = 10 * time.Second
)

// window remembers which counts of one nonce were used (RFC 7616 §3.4, nc).
type window struct {
	top  uint32
	seen uint64 // bit i: top-i was used
}

// take uses count; false if it was used before, or lies too far behind.
func (w *window) take(count uint32) bool {
	if count > w.top {
		w.seen = w.seen<<(count-w.top) | 1 // a shift by 64 or more leaves 1
		w.top = count
		return true
	}
	bit := uint64(1) << (w.top - count)
	if w.top-count >= windowWidth || w.seen&bit != 0 {
		return false
	}
	w.seen |= bit
	return true
}

// replays keeps the counts of nonces that were answered rightly, in bins by their time of
// issue. It is bounded: when it is full the oldest bin goes, and no nonce of that time or
// before is taken any more, so that forgetting never lets an answer in twice.
type replays struct {
	max int

	mu    sync.Mutex
	bins  map[int64]map[nonceID]*window
	count int
	floor int64 // bins up to this one are closed
}

// take uses count of the nonce id, which is valid and was answered rightly; false says that it
// must not be used again. now and lifetime tell which bins are of no use any more.
func (r *replays) take(id nonceID, count uint32, now time.Time, lifetime time.Duration) bool {
	bin := binOf(id.issued())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bins == nil {
		r.bins, r.floor = map[int64]map[nonceID]*window{}, binOf(now.Add(-2*lifetime))
	}
	if bin <= r.floor {
		return false
	}
	w := r.bins[bin][id]
	if w == nil {
		w = r.add(bin, id, now, lifetime)
	}
	return w.take(count)
}

// add makes room for a nonce seen for the first time; mu is held.
func (r *replays) add(bin int64, id nonceID, now time.Time, lifetime time.Duration) *window {
	if r.bins[bin] == nil {
		r.bins[bin] = map[nonceID]*window{}
		for b := range r.bins { // seldom: once a bin
			if b < binOf(now.Add(-lifetime)) {
				r.close(b)
			}
		}
	}
	w := &window{}
	r.bins[bin][id] = w
	r.count++
	for r.count > r.max {
		oldest := bin
		for b := range r.bins {
			oldest = min(oldest, b)
		}
		r.close(oldest)
	}
	return w
}

// close forgets a bin and shuts out its nonces; mu is held.
func (r *replays) close(bin int64) {
	r.count -= len(r.bins[bin])
	delete(r.bins, bin)
	r.floor = max(r.floor, bin)
}

func binOf(t time.Time) int64 { return t.Unix() / int64(binWidth/time.Second) }
