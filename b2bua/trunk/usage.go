package trunk

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// Errors of Enter.
var (
	ErrFull = errors.New("the trunk carries as many calls as it may")
	ErrRate = errors.New("the trunk gets more calls a second than it may")
)

// Outcome is how a call on a trunk went.
type Outcome struct {
	Code      int           // the final SIP status; 0: the caller gave up first
	Reason    string        // its phrase
	PDD       time.Duration // from INVITE to the first 18x or 200; 0: neither came
	Cancelled bool          // the caller gave up, or somebody else answered
}

// kept is how many finished outbound calls the rates are taken from.
const kept = 200

// usage counts a trunk's calls.
type usage struct {
	mu      sync.Mutex
	calls   int
	tokens  float64 // of the calls-per-second bucket
	filled  time.Time
	in, out int64 // since the start
	recent  []Outcome
	next    int // where the next outcome goes
	err     string
	errAt   time.Time
}

// Seat is one call's place on a trunk.
type Seat struct {
	t        *Trunk
	outbound bool
	left     bool // guarded by the usage's lock
}

// Enter takes a place for a call. A free one, such as an emergency call, passes the limits
// but counts.
func (t *Trunk) Enter(outbound, free bool) (*Seat, error) {
	cfg, u, now := t.Config(), &t.usage, t.set.o.Clock.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case free:
	case cfg.MaxCalls > 0 && u.calls >= cfg.MaxCalls:
		return nil, ErrFull
	case !u.spend(now, cfg.CallsPerSecond):
		return nil, ErrRate
	}
	u.calls++
	if outbound {
		u.out++
	} else {
		u.in++
	}
	return &Seat{t: t, outbound: outbound}, nil
}

// spend takes a token of the bucket, which holds one second's calls.
func (u *usage) spend(now time.Time, perSecond int) bool {
	if perSecond <= 0 {
		return true
	}
	full := float64(perSecond)
	if u.filled.IsZero() {
		u.tokens = full
	} else {
		u.tokens = min(full, u.tokens+now.Sub(u.filled).Seconds()*full)
	}
	u.filled = now
	if u.tokens < 1 {
		return false
	}
	u.tokens--
	return true
}

// Trunk is the trunk that the seat is on.
func (s *Seat) Trunk() *Trunk { return s.t }

// Leave gives the place back; o is nil where the call never came about. Only the first time
// counts.
func (s *Seat) Leave(o *Outcome) {
	if s == nil {
		return
	}
	u := &s.t.usage
	u.mu.Lock()
	defer u.mu.Unlock()
	if s.left {
		return
	}
	s.left = true
	u.calls--
	if o == nil || !s.outbound {
		return
	}
	if len(u.recent) < kept {
		u.recent = append(u.recent, *o)
	} else {
		u.recent[u.next] = *o
	}
	u.next = (u.next + 1) % kept
	if o.Code >= 500 && o.Code < 600 || o.Code == 401 || o.Code == 403 || o.Code == 407 {
		u.err, u.errAt = o.Reason, s.t.set.o.Clock.Now()
	}
}

// Rates sum up the last outbound calls.
type Rates struct {
	Inbound, Outbound int64         // calls since the start
	Success           float64       // share answered of the recent outbound calls that nobody gave up, 0 to 1; -1: no call yet
	MedianPDD         time.Duration // of those that rang or answered; 0: none did
}

func (u *usage) rates() Rates {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := Rates{Inbound: u.in, Outbound: u.out, Success: -1}
	answered, counted := 0, 0
	var pdds []time.Duration
	for _, o := range u.recent {
		if o.PDD > 0 {
			pdds = append(pdds, o.PDD)
		}
		if o.Cancelled {
			continue
		}
		counted++
		if o.Code >= 200 && o.Code < 300 {
			answered++
		}
	}
	if counted > 0 {
		r.Success = float64(answered) / float64(counted)
	}
	if n := len(pdds); n > 0 {
		slices.Sort(pdds)
		r.MedianPDD = (pdds[(n-1)/2] + pdds[n/2]) / 2
	}
	return r
}
