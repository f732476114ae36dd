package notifier

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
)

// State is how far a dialog has come (RFC 4235 §3.7.1).
type State string

const (
	Trying     State = "trying"
	Early      State = "early"
	Confirmed  State = "confirmed"
	Terminated State = "terminated"
)

// Dialog is what a lamp shows: one dialog of a user, or whoever is parked in a slot. Who is at
// its other end, and what would let another take it over, is not the watcher's business.
type Dialog struct {
	ID        string // its own as long as it lasts
	State     State
	Initiator bool // the user calls, rather than being called
}

// maxListed bounds a document: more dialogs of one user change no lamp.
const maxListed = 32

// SetDialog keeps the state of a dialog of a user or slot, until it is Terminated, and tells
// whoever watches it. It does not wait for them.
func (n *Notifier) SetDialog(entity string, d Dialog) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.note(entity, d) {
		return
	}
	for _, s := range n.watchers[topic{DialogInfo, entity}] {
		if s.over == "" && !s.full {
			s.changed = with(s.changed, d)
			s.full = len(s.changed) > maxListed
		}
		n.say(s)
	}
}

// Engaged reports whether a user has a dialog: talks, rings, or is calling somebody.
func (n *Notifier) Engaged(entity string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.lamps[entity]) > 0
}

// note keeps the state of a dialog; false if that is no news.
func (n *Notifier) note(entity string, d Dialog) bool {
	list := n.lamps[entity]
	i := slices.IndexFunc(list, func(o Dialog) bool { return o.ID == d.ID })
	switch {
	case i >= 0 && list[i] == d, i < 0 && d.State == Terminated:
		return false
	case d.State == Terminated:
		list = slices.Delete(list, i, i+1)
	default:
		list = with(list, d)
	}
	if len(list) == 0 {
		delete(n.lamps, entity)
	} else {
		n.lamps[entity] = list
	}
	return true
}

// with is list with d, in the place of what it says about the same dialog.
func with(list []Dialog, d Dialog) []Dialog {
	if i := slices.IndexFunc(list, func(o Dialog) bool { return o.ID == d.ID }); i >= 0 {
		list[i] = d
		return list
	}
	return append(list, d)
}

// dialogInfo is the body of a NOTIFY (RFC 4235 §4.1): all dialogs, or those that changed.
func dialogInfo(entity string, version uint32, full bool, list []Dialog) []byte {
	state := "partial"
	if full {
		state = "full"
	}
	var b bytes.Buffer
	b.WriteString("<?xml version=\"1.0\"?>\n")
	fmt.Fprintf(&b, "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"%d\" state=\"%s\" entity=\"%s\">\n",
		version, state, escaped(entity))
	for _, d := range list {
		direction := "recipient"
		if d.Initiator {
			direction = "initiator"
		}
		fmt.Fprintf(&b, "<dialog id=\"%s\" direction=\"%s\"><state>%s</state></dialog>\n", escaped(d.ID), direction, d.State)
	}
	b.WriteString("</dialog-info>\n")
	return b.Bytes()
}

func escaped(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a bytes.Buffer takes everything
	return b.String()
}
