package b2bua

import (
	"cmp"
	"slices"
	"time"
)

// QueueInfo is a queue as it stands.
type QueueInfo struct {
	Name    string
	Callers []QueueCaller // in the order they are served
	Agents  []QueueAgent
	Counts  QueueCounts
	Handle  time.Duration // that a caller takes of late, talk and wrap-up; 0: not known
}

// QueueCaller is one who waits.
type QueueCaller struct {
	ID       string // of the call
	From     Address
	Number   string
	Since    time.Time
	Wait     time.Duration
	Priority int
	Rings    []string // the agents who are being rung
}

// QueueAgent is one who serves a queue. State is free, ringing, talking, wrap-up, busy (talks
// to somebody else), resting (has just missed a call), paused, left or absent (no phone is
// registered).
type QueueAgent struct {
	Target           string
	State            string
	Since            time.Time // of free, ringing, talking, wrap-up and resting
	Joined           bool      // of their own, not listed by a script
	Answered, Missed int64     // in all queues
}

// Queues lists the queues, by name: the supervisor's view.
func (s *Server) Queues() []QueueInfo {
	r := &s.queues
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]QueueInfo, 0, len(r.all))
	for _, q := range r.all {
		list = append(list, r.info(q))
	}
	slices.SortFunc(list, func(a, b QueueInfo) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// QueueOf is one queue; false if it has not been used.
func (s *Server) QueueOf(name string) (QueueInfo, bool) {
	r := &s.queues
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.all[name]
	if q == nil {
		return QueueInfo{}, false
	}
	return r.info(q), true
}

// info needs queues.mu.
func (r *queues) info(q *queue) QueueInfo {
	now := r.now()
	out := QueueInfo{Name: q.name, Counts: q.counts, Handle: q.handle}
	for _, p := range q.line {
		c := QueueCaller{ID: p.w.call.id, From: p.w.call.from, Number: p.w.call.Number(), Since: p.since, Wait: now.Sub(p.since), Priority: p.w.o.Priority}
		for a := range p.offers {
			c.Rings = append(c.Rings, a.target)
		}
		slices.Sort(c.Rings)
		out.Callers = append(out.Callers, c)
	}
	for _, m := range q.members {
		a := m.agent
		out.Agents = append(out.Agents, QueueAgent{Target: a.target, State: r.stateOf(m, now), Since: a.since, Joined: m.joined,
			Answered: a.answered, Missed: a.missed})
	}
	return out
}

func (r *queues) stateOf(m *member, now time.Time) string {
	a := m.agent
	switch {
	case a.state == agentRinging:
		return "ringing"
	case a.state == agentTalking:
		return "talking"
	case m.away:
		return "left"
	case a.paused:
		return "paused"
	case !r.there(a.target):
		return "absent"
	case a.until.After(now) && a.wraps:
		return "wrap-up"
	case r.engaged(a.target):
		return "busy"
	case a.until.After(now):
		return "resting"
	}
	return "free"
}
