package registrar

import (
	"container/heap"
	"time"
)

// expiryHeap has the binding that expires first on top.
type expiryHeap []*binding

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].Expires.Before(h[j].Expires) }
func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *expiryHeap) Push(x any) {
	b := x.(*binding)
	b.index = len(*h)
	*h = append(*h, b)
}

func (h *expiryHeap) Pop() any {
	old := *h
	b := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return b
}

// arm sets the one timer to the next expiry; mu is held. It rounds up to a
// second, so that phones registered together leave together.
func (r *Registrar) arm() {
	if r.closed || len(r.expiry) == 0 {
		if r.timer != nil {
			r.timer.Stop()
		}
		return
	}
	wait := max(r.expiry[0].Expires.Sub(r.o.Clock.Now()), 0).Truncate(time.Second) + time.Second
	if r.timer == nil {
		r.timer = r.o.Clock.AfterFunc(wait, r.expire)
		return
	}
	r.timer.Reset(wait)
}

func (r *Registrar) expire() {
	r.mu.Lock()
	r.dropExpired()
	r.arm()
	r.mu.Unlock()
	r.tell()
}

// dropExpired removes what has expired; mu is held.
func (r *Registrar) dropExpired() {
	now := r.o.Clock.Now()
	for len(r.expiry) > 0 && !now.Before(r.expiry[0].Expires) {
		r.remove(r.expiry[0], Expired)
	}
}

var _ heap.Interface = (*expiryHeap)(nil)
