package b2bua

import (
	"context"
	"errors"
	"time"

	"tandem/media"
)

// Strategy is who of the free agents of a queue is rung.
type Strategy string

const (
	RingAll     Strategy = "ring-all"     // all at once, the first to answer has the caller
	LongestIdle Strategy = "longest-idle" // who has had no call for the longest time
	RoundRobin  Strategy = "round-robin"  // one after the other, in the order of the list
)

// QueueOptions of Queue.
type QueueOptions struct {
	Agents   []string      // targets that serve the queue, besides those who have joined it; the list of who came last counts
	Strategy Strategy      // RingAll if empty
	Ring     time.Duration // for an agent to answer; 20 s if zero
	Retry    time.Duration // before an agent who has not answered is rung again; 5 s if zero
	WrapUp   time.Duration // that an agent rests after a call
	MaxWait  time.Duration // after which the caller leaves; 0: none
	Max      int           // callers who may wait; the one beyond is turned away; 0: no limit
	Priority int           // who has more is served first
	Exit     string        // keys that the caller may leave by
	Empty    bool          // leave while no agent is there who could ever answer

	Music []media.Source // what the caller hears, from the beginning again at its end
	// Announce tells what the caller is told now and then: the position in the line, from 1,
	// and how long it will take, below 0 while nobody knows. It may wait, and must not use the call.
	Announce func(position int, wait time.Duration) []media.Source
	Every    time.Duration // between two announcements; 30 s if zero

	// Dial is how agents are called: headers, from, codecs, Max of the talk. OnAnswer is
	// called before an agent is joined with the caller, who hears music meanwhile.
	Dial DialOptions
	// Screen judges a target before it is rung for this caller: refused, or how long the two
	// may talk at most. It is called where OnAnswer is.
	Screen func(target string) (refused *Failure, longest time.Duration)
}

// QueueResult tells how a caller's time in a queue went.
type QueueResult struct {
	Queue    string
	State    State         // answered, noanswer (timeout), cancelled (the caller left), failed
	Why      string        // answered, hangup, exit, timeout, full, empty, removed, retrieved, moved
	By       Side          // who ended it, or the talk
	Wait     time.Duration // in the line
	Position int           // when the wait ended, from 1
	Key      string        // exit: the key
	Agent    string        // answered: the target who did
	Seconds  float64       // answered: that the two talked
}

// ErrQueues is returned where too many queues are in use to open another.
var ErrQueues = errors.New("too many queues are in use")

const (
	agentRings    = 20 * time.Second
	agentRests    = 5 * time.Second
	announceEvery = 30 * time.Second
)

func (o *QueueOptions) fill() {
	if o.Strategy == "" {
		o.Strategy = RingAll
	}
	if o.Ring <= 0 {
		o.Ring = agentRings
	}
	if o.Retry <= 0 {
		o.Retry = agentRests
	}
	if o.Every <= 0 {
		o.Every = announceEvery
	}
}

// Queue lets the caller wait, with music, until an agent of the queue is free and answers,
// and joins the two until one of them leaves. An unanswered caller is answered first. Errors
// are ErrQueues, ErrState, a target that is none, or what answering gives; all else is told
// by the result, a hangup included.
func (c *Call) Queue(ctx context.Context, name string, o QueueOptions) (QueueResult, error) {
	o.fill()
	res := QueueResult{Queue: name}
	if err := o.Dial.Headers.Check(); err != nil {
		return res, err
	}
	for _, t := range o.Agents {
		if _, err := c.server.branches(t); err != nil {
			return res, err
		}
	}
	w := &waiter{call: c, o: o, res: res, rings: map[*agent]*ring{}, screened: map[string]screening{}}
	v, err := await[any](ctx, c, c.first, func(out *op) { w.begin(name, out) })
	if w.queue == nil && err != nil && !errors.Is(err, ErrHangup) {
		return w.res, err
	}
	return w.result(v, err), nil
}

// result makes of what ended the wait, or the talk after it, what the script gets.
func (w *waiter) result(v any, err error) QueueResult {
	r := w.res
	switch v := v.(type) {
	case BridgeResult:
		r.State, r.Why, r.By, r.Seconds = v.State, "answered", v.By, v.Seconds
		return r
	case departure:
		r.State, r.Why, r.By, r.Key = StateCancelled, v.why, v.by, v.detail
		switch v.why {
		case "timeout":
			r.State = StateNoAnswer
		case "full", "empty":
			r.State = StateFailed
		}
		return r
	}
	r.State, r.Why = StateCancelled, "hangup"
	if r.By == "" {
		r.By = ByCaller
	}
	switch {
	case errors.Is(err, ErrMoved):
		r.Why, r.By = "moved", BySystem
	case errors.Is(err, ErrHangup):
	case err != nil: // the script has been ended
		r.Why, r.By = "removed", BySystem
	}
	return r
}
