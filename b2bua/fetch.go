package b2bua

import "strings"

// The targets park:SLOT and call:ID ring nobody: they bring the caller of another call here,
// who goes on in this one as if it had been dialled and had answered. The other call's script
// gets what its wait returns, and is over.

// awaits reports whether a target is a caller of ours, and not somebody to ring.
func awaits(target string) bool {
	return strings.HasPrefix(target, "park:") || strings.HasPrefix(target, "call:")
}

// fetchWanted asks the call of a parked or otherwise free caller to hand them over.
type fetchWanted struct {
	t        *transfer
	slot     string // that the caller must still be parked in; "" for anywhere
	kin      kin
	answered bool
}

// fetch asks for the caller that the leg's target names. The leg stands in for them until
// they come.
func (l *Leg) fetch() {
	c := l.call()
	kind, name, _ := strings.Cut(l.target, ":")
	e := &fetchWanted{kin: c.kin()}
	var other *Call
	if kind == "park" {
		e.slot = name
		other = c.server.parking.at(name)
	} else {
		other, _ = c.server.Call(name)
	}
	if other == nil || other == c {
		l.failed(nobodyThere(kind))
		return
	}
	e.t = &transfer{c: c, moved: c.caller, place: func(n *Leg) { c.arrived(l, n) }}
	e.t.done = func(err error) {
		if f, ok := err.(*Failure); ok {
			if f.Code == 481 {
				f = nobodyThere(kind)
			}
			l.failed(f)
		}
	}
	c.awaiting++
	if !other.box.post(e) {
		c.box.post(&declined{e.t, failure(481, "")})
	}
}

func nobodyThere(kind string) *Failure {
	if kind == "park" {
		return failure(404, "nobody is parked there")
	}
	return failure(404, "there is no such call")
}

func (e *fetchWanted) apply(c *Call) {
	defer func() { // in a panic, too: the asker lives until it has its answer
		if !e.answered {
			c.answerTo(e.t, &declined{e.t, failure(500, "")})
		}
	}()
	if f := c.mayFetch(e.slot); f != nil {
		e.answered = true
		c.answerTo(e.t, &declined{e.t, f})
		return
	}
	c.note("", "transfer", "the caller is wanted by call "+e.t.c.id)
	if c.departs != nil {
		c.departs(e.t.c.id)
	}
	c.released(ByCallee)
	c.meet(e.kin)
	e.answered = true
	c.give(c.caller, e.t)
}

// mayFetch tells why a caller is not handed over: only who talks to nobody is.
func (c *Call) mayFetch(slot string) *Failure {
	switch {
	case c.gone(), slot != "" && (c.parked == nil || c.parked.slot != slot):
		return failure(481, "")
	case c.joined != nil, c.transfer != nil:
		return failure(486, "")
	case c.caller.state != legAnswered:
		return failure(480, "not answered yet")
	}
	return nil
}

// arrived gives a fetched caller the place of the leg that stood in for them.
func (c *Call) arrived(standIn, n *Leg) {
	for i, l := range c.legs {
		if l == standIn {
			c.legs = c.legs[:len(c.legs)-1] // where take has put n
			c.legs[i], n.seq = n, standIn.seq
		}
	}
	c.pickUp(standIn, n)
}
