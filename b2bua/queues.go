package b2bua

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tandem/clock"
)

const (
	maxQueues      = 1000 // with something to remember
	maxQueueAgents = 256  // of one queue
	// lookAgain is how often, while somebody waits, agents are looked at whose coming nobody
	// tells us of: those who register.
	lookAgain = 2 * time.Second
)

// queues are the waiting lines of the server. What callers and agents do meets here, under
// one lock that nobody holds while waiting; who is to do something gets it by post.
type queues struct {
	server  *Server
	waiting atomic.Int64

	mu     sync.Mutex
	all    map[string]*queue
	agents map[string]*agent // by target: an agent may serve several queues
	timer  clock.Timer
}

// queue is one waiting line.
type queue struct {
	name    string
	members []*member // in the order of the list, those who have joined behind
	line    []*place  // who is served first stands first
	last    *agent    // rung last, for round-robin
	used    time.Time
	counts  QueueCounts
	handle  time.Duration // that a caller takes, of late: talk and wrap-up; 0: not known
}

// QueueCounts are what has become of a queue's callers since the start.
type QueueCounts struct {
	Answered, Abandoned, Exited, TimedOut, Refused, Other int64
	Waited                                                time.Duration // by those answered, in all
	Talked                                                time.Duration
}

// place is a caller's in the line.
type place struct {
	w       *waiter
	since   time.Time
	offers  map[*agent]struct{}
	refused map[*agent]struct{} // agents that are not for this caller
}

// enter takes a place at the end of its priority. The departure tells why there is none.
func (r *queues) enter(name string, w *waiter) (*departure, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, err := r.open(name)
	if err != nil {
		return nil, err
	}
	if err := r.list(q, w.o.Agents); err != nil {
		return nil, err
	}
	switch {
	case w.o.Max > 0 && len(q.line) >= w.o.Max:
		q.counts.Refused++
		return &departure{"full", BySystem, ""}, nil
	case w.o.Empty && !r.attended(q):
		q.counts.Refused++
		return &departure{"empty", BySystem, ""}, nil
	}
	p := &place{w: w, since: r.now(), offers: map[*agent]struct{}{}, refused: map[*agent]struct{}{}}
	at := slices.IndexFunc(q.line, func(o *place) bool { return o.w.o.Priority < w.o.Priority })
	if at < 0 {
		at = len(q.line)
	}
	q.line = slices.Insert(q.line, at, p)
	w.queue, w.seat = q, p
	r.waiting.Add(1)
	return nil, nil
}

func (r *queues) now() time.Time { return r.server.o.Clock.Now() }

// open finds a queue or makes it; one that has nothing to keep but its counts gives way.
func (r *queues) open(name string) (*queue, error) {
	q := r.all[name]
	if q == nil {
		if len(r.all) >= maxQueues && !r.forget() {
			return nil, ErrQueues
		}
		if r.all == nil {
			r.all, r.agents = map[string]*queue{}, map[string]*agent{}
		}
		q = &queue{name: name}
		r.all[name] = q
	}
	q.used = r.now()
	return q, nil
}

func (r *queues) forget() bool {
	var oldest *queue
	for _, q := range r.all {
		idle := len(q.line) == 0 && !slices.ContainsFunc(q.members, func(m *member) bool { return m.joined || m.away })
		if idle && (oldest == nil || q.used.Before(oldest.used)) {
			oldest = q
		}
	}
	if oldest == nil {
		return false
	}
	for _, m := range oldest.members {
		r.release(m.agent)
	}
	delete(r.all, oldest.name)
	return true
}

// remove takes a caller out of the line and tells the position it had; 0 if it was not in.
func (r *queues) remove(w *waiter) int {
	q := w.queue
	i := slices.Index(q.line, w.seat)
	if i < 0 {
		return 0
	}
	q.line = slices.Delete(q.line, i, i+1)
	q.used = r.now()
	r.waiting.Add(-1)
	return i + 1
}

// leave gives a place back, and tells the position it was.
func (r *queues) leave(w *waiter, why string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.remove(w)
	switch c := &w.queue.counts; why {
	case "hangup":
		c.Abandoned++
	case "exit":
		c.Exited++
	case "timeout":
		c.TimedOut++
	default:
		c.Other++
	}
	return at
}

// talks: the agent has the caller now. It tells the position that the caller had.
func (r *queues) talks(w *waiter, a *agent) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.remove(w)
	now := r.now()
	w.queue.counts.Answered++
	w.queue.counts.Waited += now.Sub(w.seat.since)
	a.state, a.since = agentTalking, now
	a.answered++
	return at
}

// position tells where a caller stands, from 1, and how long it will take; below 0 while
// nobody knows.
func (r *queues) position(w *waiter) (at int, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := w.queue
	at = slices.Index(q.line, w.seat) + 1
	if q.handle == 0 {
		return at, -1
	}
	serving := 0
	for _, m := range q.members {
		if m.serves() && r.there(m.agent.target) {
			serving++
		}
	}
	if serving == 0 {
		return at, -1
	}
	return at, q.handle * time.Duration(at) / time.Duration(serving)
}

// freed is told that some user has ended a dialog.
func (r *queues) freed() {
	if r.waiting.Load() > 0 {
		r.kick()
	}
}

// kick brings callers and free agents together.
func (r *queues) kick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	var lines []*queue
	for _, q := range r.all {
		if len(q.line) > 0 {
			lines = append(lines, q)
		}
	}
	// Where queues share agents, who has waited longest comes first.
	slices.SortFunc(lines, func(a, b *queue) int { return a.line[0].since.Compare(b.line[0].since) })
	now := r.now()
	next := now.Add(lookAgain)
	for _, q := range lines {
		r.serve(q, now)
		if !r.attended(q) {
			q.giveUp()
		}
		for _, m := range q.members {
			if u := m.agent.until; u.After(now) && u.Before(next) {
				next = u
			}
		}
	}
	if len(lines) > 0 {
		r.timer = r.server.o.Clock.AfterFunc(next.Sub(now), r.again)
	}
}

func (r *queues) again() {
	defer func() {
		if p := recover(); p != nil {
			r.server.caught(r.server.o.Log, "panic in the queues", p)
		}
	}()
	r.kick()
}

// giveUp sends away who does not want to wait where nobody serves.
func (q *queue) giveUp() {
	for _, p := range q.line {
		if w := p.w; w.o.Empty {
			w.call.box.post(do(func(*Call) {
				if !w.served && w.asked == nil {
					w.leave(departure{"empty", BySystem, ""})
				}
			}))
		}
	}
}

// serve offers the free agents of a queue to its callers, first come first served.
func (r *queues) serve(q *queue, now time.Time) {
	free := r.free(q, now)
	for _, p := range q.line {
		if len(free) == 0 {
			return
		}
		all := p.w.o.Strategy == RingAll
		if len(p.offers) > 0 && !all {
			continue // one agent at a time
		}
		var rest []*agent
		for _, a := range q.inOrder(free, p.w.o.Strategy) {
			_, refused := p.refused[a]
			if refused || len(p.offers) > 0 && !all {
				rest = append(rest, a)
				continue
			}
			p.offers[a] = struct{}{}
			a.state, a.since, q.last = agentRinging, now, a
			w := p.w
			if !w.call.box.post(do(func(*Call) { w.offer(a) })) {
				a.state = agentFree // the call has ended, and its place is about to go
			}
		}
		free = rest
	}
}

// missed: the agent has not answered, or declined.
func (r *queues) missed(w *waiter, a *agent) {
	r.set(w, a, func(now time.Time) {
		a.missed++
		a.idle, a.until = now, now.Add(w.o.Retry)
	})
}

// dropped: the agent was not needed after all.
func (r *queues) dropped(w *waiter, a *agent) { r.set(w, a, nil) }

// refused: the agent is not for this caller.
func (r *queues) refused(w *waiter, a *agent) {
	r.set(w, a, func(time.Time) { w.seat.refused[a] = struct{}{} })
}

// finished: the agent's leg has ended.
func (r *queues) finished(w *waiter, a *agent, by Side) {
	r.set(w, a, func(now time.Time) {
		switch {
		case a.state == agentTalking:
			talk := now.Sub(a.since)
			w.queue.counts.Talked += talk
			w.queue.handled(talk + w.o.WrapUp)
			a.idle, a.until, a.wraps = now, now.Add(w.o.WrapUp), true
		case by == ByCallee || by == ByScript: // hung up instead of taking the call, or declined it
			a.missed++
			a.idle, a.until = now, now.Add(w.o.Retry)
		}
	})
}

// set makes an agent free again.
func (r *queues) set(w *waiter, a *agent, change func(now time.Time)) {
	r.mu.Lock()
	now := r.now()
	a.wraps = false
	if change != nil {
		change(now)
	}
	delete(w.seat.offers, a)
	a.state, a.since = agentFree, now
	if a.queues == 0 {
		delete(r.agents, a.target)
	}
	r.mu.Unlock()
	r.kick()
}

// handled keeps how long a caller takes, the latest counting most.
func (q *queue) handled(d time.Duration) {
	if q.handle == 0 {
		q.handle = d
		return
	}
	q.handle += (d - q.handle) / 5
}
