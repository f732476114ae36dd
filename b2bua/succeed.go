package b2bua

import "tandem/media/sdp"

// A leg that talks to a script, not to another leg, may be replaced, too (RFC 3891): the new
// one becomes its heir. The script goes on with the heir as if it were the leg: its call's
// methods, or those of the leg it has dialled, mean the heir from then on, and what it waits
// for begins anew for it.

// now is the leg that the script means by l: itself, or its heir. On the call's goroutine only.
func (l *Leg) now() *Leg {
	for l.heir != nil {
		l = l.heir
	}
	return l
}

// origin is the leg whose place l has taken, itself if nobody's.
func (l *Leg) origin() *Leg {
	for l.ancestor != nil {
		l = l.ancestor
	}
	return l
}

// heritable reports whether all that goes on for a leg can go on for another.
func (c *Call) heritable(l *Leg) bool {
	if l.state != legAnswered || l.direct || l.media == nil || l.taping != nil {
		return false // a recording of all that is said would end
	}
	for o := range c.ops {
		if (o.leg == nil || o.leg == l) && !o.heritable {
			return false
		}
	}
	return true
}

// succeed gives n, which the call owns, the place of old, which leaves.
func (c *Call) succeed(old, n *Leg) {
	if old.state != legAnswered || n.state != legAnswered {
		n.by = BySystem
		n.hangup(0)
		return
	}
	c.note(n.name(), "transfer", "takes the place of "+old.name())
	n.free()
	if n.carried != sdp.SendRecv {
		n.carry(sdp.SendRecv) // it had been put on hold
	}
	old.heir, n.ancestor = n, old
	if old == c.caller {
		c.caller = n
	}
	old.ear = nil
	for o := range c.ops {
		if o.leg != old {
			continue
		}
		o.leg = n
		if o.inherit != nil {
			o.inherit(n)
		}
	}
	n.watchSilence()
	old.by = ByCallee
	if c.caller == n {
		old.by = ByCaller
	}
	old.hangup(0)
}
