package b2bua

import "tandem/b2bua/notifier"

// enter changes the leg's state and, where a user of ours is at its far end, the user's lamps.
func (l *Leg) enter(state legState) {
	l.state = state
	user := l.user()
	if user == "" || l.flow.IsLoop() {
		return // what leads back to us is no phone
	}
	d := notifier.Dialog{ID: l.lamp, Initiator: l.inbound(), State: map[legState]notifier.State{
		legCalling: notifier.Trying, legEarly: notifier.Early, legAnswered: notifier.Confirmed, legEnded: notifier.Terminated}[state]}
	if d.State == notifier.Trying && !d.Initiator {
		return // nobody knows yet whether that phone is there
	}
	if l.lamp == "" {
		l.lamp = newID()
		d.ID = l.lamp
	}
	s := l.call().server
	s.events.SetDialog(user, d)
	if state == legEnded {
		s.queues.freed()
	}
}
