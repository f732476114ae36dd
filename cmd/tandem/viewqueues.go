package main

import (
	"tandem/b2bua"
	"tandem/web"
)

// Conferences are the rooms in use, by name.
func (v *view) Conferences() []web.Conference {
	var list []web.Conference
	for _, c := range v.sip.Conferences() {
		list = append(list, conferenceView(c))
	}
	return list
}

// Conference is one room in use.
func (v *view) Conference(room string) (web.Conference, bool) {
	c, ok := v.sip.ConferenceOf(room)
	return conferenceView(c), ok
}

// Kick makes a member leave a conference.
func (v *view) Kick(room, id string) bool {
	ok := v.sip.KickFromConference(room, id, b2bua.BySystem)
	if ok {
		v.log.Info("an operator made somebody leave a conference", "room", room, "call", id)
	}
	return ok
}

// Mute makes a member of a conference a listener, or ends that.
func (v *view) Mute(room, id string, on bool) bool { return v.sip.MuteInConference(room, id, on) }

func conferenceView(c b2bua.ConferenceInfo) web.Conference {
	out := web.Conference{Room: c.Room, Members: []web.Member{}}
	for _, m := range c.Members {
		out.Members = append(out.Members, web.Member{ID: m.ID, FromUser: m.From.User, FromDisplay: m.From.Display, Number: m.Number,
			Muted: m.Muted, Speaking: m.Speaks, SinceMS: m.Since.UnixMilli()})
	}
	return out
}

// Queues are the waiting lines that have been used, by name.
func (v *view) Queues() []web.Queue {
	var list []web.Queue
	for _, q := range v.sip.Queues() {
		list = append(list, queueView(q))
	}
	return list
}

// Queue is one waiting line.
func (v *view) Queue(name string) (web.Queue, bool) {
	q, ok := v.sip.QueueOf(name)
	return queueView(q), ok
}

// RemoveWaiting ends the wait of a caller in a queue.
func (v *view) RemoveWaiting(queue, id string) bool {
	ok := v.sip.RemoveFromQueue(queue, id, b2bua.BySystem)
	if ok {
		v.log.Info("an operator made a caller leave a queue", "queue", queue, "call", id)
	}
	return ok
}

func queueView(q b2bua.QueueInfo) web.Queue {
	n := q.Counts
	out := web.Queue{Name: q.Name, Callers: []web.QueueCaller{}, Agents: []web.QueueAgent{},
		Answered: n.Answered, Abandoned: n.Abandoned, Exited: n.Exited, TimedOut: n.TimedOut, Refused: n.Refused, Other: n.Other,
		WaitedMS: n.Waited.Milliseconds(), TalkedMS: n.Talked.Milliseconds()}
	if q.Handle > 0 {
		ms := q.Handle.Milliseconds()
		out.HandleMS = &ms
	}
	for i, c := range q.Callers {
		out.Callers = append(out.Callers, web.QueueCaller{Position: i + 1, ID: c.ID, FromUser: c.From.User, FromDisplay: c.From.Display,
			Number: c.Number, Priority: c.Priority, SinceMS: c.Since.UnixMilli(), WaitMS: c.Wait.Milliseconds(), Rings: append([]string{}, c.Rings...)})
	}
	for _, a := range q.Agents {
		out.Agents = append(out.Agents, web.QueueAgent{Target: a.Target, State: a.State, SinceMS: a.Since.UnixMilli(), Joined: a.Joined,
			Answered: a.Answered, Missed: a.Missed})
	}
	return out
}

// Parked are the parking slots in use.
func (v *view) Parked() []web.Parked {
	parked := v.sip.Parked()
	list := make([]web.Parked, 0, len(parked))
	for _, p := range parked {
		list = append(list, web.Parked{Slot: p.Slot, ID: p.ID, FromUser: p.From.User, FromDisplay: p.From.Display, Number: p.Number,
			SinceMS: p.Since.UnixMilli()})
	}
	return list
}
