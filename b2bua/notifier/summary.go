package notifier

import "fmt"

// Messages are the voice messages that wait for a user.
type Messages struct {
	New, Old             int
	NewUrgent, OldUrgent int // among them
}

// SetMessages keeps how many messages wait for a user and tells the user's phones. It does not
// wait for them.
func (n *Notifier) SetMessages(user string, m Messages) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.messages[user] == m {
		return
	}
	if n.messages[user] = m; m == (Messages{}) {
		delete(n.messages, user)
	}
	for _, s := range n.watchers[topic{MessageSummary, user}] {
		n.say(s)
	}
}

// summary is the body of a NOTIFY (RFC 3842 §5.2).
func summary(account string, m Messages) []byte {
	waiting := "no"
	if m.New > 0 {
		waiting = "yes"
	}
	return fmt.Appendf(nil, "Messages-Waiting: %s\r\nMessage-Account: %s\r\nVoice-Message: %d/%d (%d/%d)\r\n",
		waiting, account, m.New, m.Old, m.NewUrgent, m.OldUrgent)
}
