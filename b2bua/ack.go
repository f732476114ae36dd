package b2bua

import "github.com/emiago/sipgo/sip"

// ackReceived: RFC 3261 §13.3.1.4 and, for the answer to a late offer, §13.2.1.
type ackReceived struct {
	leg *Leg
	req *sip.Request
}

func (e *ackReceived) apply(c *Call) {
	l := e.leg
	if !l.unacked || e.req.CSeq().SeqNo != l.ackFor() {
		return
	}
	l.unacked = false
	if l.resend != nil {
		l.resend.Stop()
	}
	if l.byeLater >= 0 {
		l.sendBye(l.byeLater)
		return
	}
	if l.awaitACK && l.state == legAnswered {
		l.awaitACK = false
		take := l.answerTo
		if l.answerTo = nil; take == nil {
			take = l.media.SetAnswer
		}
		if err := take(session(e.req)); err != nil {
			c.log.Warn("the ACK has no answer to our offer", "err", err)
			c.released(BySystem)
			l.hangup(0)
			return
		}
		l.directionChanged()
	}
	l.nextOffer()
}

// ackFor is the CSeq number that the ACK we wait for carries.
func (l *Leg) ackFor() uint32 {
	if l.reinvite != nil {
		return l.reinvite.Request().CSeq().SeqNo
	}
	return l.server.Request().CSeq().SeqNo
}

// ackMissing: RFC 3261 §13.3.1.4: nobody acknowledged our 2xx for 64*T1.
type ackMissing struct{ leg *Leg }

func (e *ackMissing) apply(c *Call) {
	l := e.leg
	if !l.unacked {
		return
	}
	l.unacked = false
	c.noACK = true
	if c.q850 == 0 {
		c.q850 = recoveryOnTimer
	}
	c.note(l.name(), "sip", "no ACK")
	c.log.Warn("no ACK for our answer: the call is ended", "leg", l.name())
	if l.state == legEnded {
		l.sendBye(l.byeLater)
		return
	}
	if l == c.caller {
		c.released(BySystem)
	}
	l.by = BySystem
	l.hangup(recoveryOnTimer)
}
