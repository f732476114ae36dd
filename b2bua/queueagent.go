package b2bua

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

type agentState int

const (
	agentFree agentState = iota // until set: rests
	agentRinging
	agentTalking
)

// agent is somebody who serves queues; queues.mu guards it.
type agent struct {
	target string
	state  agentState
	since  time.Time // of the state
	idle   time.Time // when the last call ended, or was missed
	until  time.Time // rests until then
	wraps  bool      // because of wrap-up, not of a missed call
	paused bool
	queues int // that it is a member of

	answered, missed int64
}

// member is an agent of one queue.
type member struct {
	agent  *agent
	listed bool // by the script of the caller who came last
	joined bool // of their own
	away   bool // has left, though listed
}

func (m *member) serves() bool { return (m.listed || m.joined) && !m.away && !m.agent.paused }

// list makes targets the listed agents of a queue; none leave it as it is.
func (r *queues) list(q *queue, targets []string) error {
	if len(targets) == 0 {
		return nil
	}
	if len(targets) > maxQueueAgents {
		return fmt.Errorf("more than %d agents", maxQueueAgents)
	}
	var members []*member
	for _, t := range targets {
		if slices.ContainsFunc(members, func(m *member) bool { return m.agent.target == t }) {
			continue
		}
		m := q.member(t)
		if m == nil {
			m = &member{agent: r.agent(t)}
		}
		m.listed = true
		members = append(members, m)
	}
	for _, m := range q.members {
		switch {
		case slices.Contains(members, m):
		case m.joined && len(members) < maxQueueAgents:
			m.listed = false
			members = append(members, m)
		default:
			r.release(m.agent)
		}
	}
	q.members = members
	return nil
}

func (q *queue) member(target string) *member {
	for _, m := range q.members {
		if m.agent.target == target {
			return m
		}
	}
	return nil
}

// agent finds an agent, or makes one, for another queue.
func (r *queues) agent(target string) *agent {
	a := r.agents[target]
	if a == nil {
		a = &agent{target: target, since: r.now()}
		r.agents[target] = a
	}
	a.queues++
	return a
}

// release forgets an agent of no queue, once it is free.
func (r *queues) release(a *agent) {
	a.queues--
	if a.queues == 0 && a.state == agentFree {
		delete(r.agents, a.target)
	}
}

// there tells whether a target could be reached at all.
func (r *queues) there(target string) bool {
	user, ok := strings.CutPrefix(target, "user:")
	return !ok || len(r.server.o.Registrar.Contacts(user)) > 0
}

// engaged tells whether a target talks, as far as we know of it.
func (r *queues) engaged(target string) bool {
	user, ok := strings.CutPrefix(target, "user:")
	return ok && r.server.events.Engaged(user)
}

// attended tells whether anybody serves a queue, now or after the call they have.
func (r *queues) attended(q *queue) bool {
	return slices.ContainsFunc(q.members, func(m *member) bool { return m.serves() && r.there(m.agent.target) })
}

// free lists the agents of a queue who can be rung now.
func (r *queues) free(q *queue, now time.Time) []*agent {
	var out []*agent
	for _, m := range q.members {
		a := m.agent
		if m.serves() && a.state == agentFree && !a.until.After(now) && r.there(a.target) && !r.engaged(a.target) {
			out = append(out, a)
		}
	}
	return out
}

// inOrder is who of the free agents, who come in the order of the list, is rung first.
func (q *queue) inOrder(free []*agent, s Strategy) []*agent {
	switch s {
	case LongestIdle:
		slices.SortStableFunc(free, func(a, b *agent) int { return a.idle.Compare(b.idle) })
	case RoundRobin:
		rank := map[*agent]int{}
		for i, m := range q.members {
			rank[m.agent] = i
		}
		last, known := rank[q.last]
		slices.SortStableFunc(free, func(a, b *agent) int {
			ra, rb := rank[a], rank[b]
			if known { // those behind the last come first
				ra, rb = (ra-last-1+len(rank))%len(rank), (rb-last-1+len(rank))%len(rank)
			}
			return cmp.Compare(ra, rb)
		})
	}
	return free
}

// JoinQueue makes a target an agent of a queue until it leaves. The error is ErrQueues, or a
// target that is none.
func (s *Server) JoinQueue(name, target string) error {
	if _, err := s.branches(target); err != nil {
		return err
	}
	r := &s.queues
	r.mu.Lock()
	q, err := r.open(name)
	if err == nil {
		m := q.member(target)
		if m == nil && len(q.members) >= maxQueueAgents {
			err = fmt.Errorf("more than %d agents", maxQueueAgents)
		} else {
			if m == nil {
				m = &member{agent: r.agent(target)}
				q.members = append(q.members, m)
			}
			m.joined, m.away = true, false
		}
	}
	r.mu.Unlock()
	r.kick()
	return err
}

// LeaveQueue takes a target out of a queue, also one that scripts list as its agent; a call
// that it has goes on. False if it is not in.
func (s *Server) LeaveQueue(name, target string) bool {
	r := &s.queues
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.all[name]
	if q == nil {
		return false
	}
	m := q.member(target)
	if m == nil || m.away {
		return false
	}
	if m.joined = false; m.listed {
		m.away = true
		return true
	}
	q.members = slices.DeleteFunc(q.members, func(o *member) bool { return o == m })
	r.release(m.agent)
	return true
}

// PauseAgent keeps an agent from being rung, in all queues, or ends that. False if it serves none.
func (s *Server) PauseAgent(target string, on bool) bool {
	r := &s.queues
	r.mu.Lock()
	a := r.agents[target]
	if a != nil {
		a.paused = on
	}
	r.mu.Unlock()
	r.kick()
	return a != nil
}

// RemoveFromQueue ends the wait of the call of that id; its script goes on. False if it does
// not wait there.
func (s *Server) RemoveFromQueue(name, id string, by Side) bool {
	r := &s.queues
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.all[name]
	if q == nil {
		return false
	}
	for _, p := range q.line {
		if w := p.w; w.call.id == id {
			return w.call.box.post(do(func(*Call) {
				if !w.served {
					w.leave(departure{"removed", by, ""})
				}
			}))
		}
	}
	return false
}
