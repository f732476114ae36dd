package b2bua

import (
	"log/slog"
	"strings"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
	"tandem/b2bua/trunk"
)

// trunkOf is the trunk that a request from outside belongs to by where it comes from; nil
// where it belongs to none.
func (s *Server) trunkOf(f transport.Flow, req *sip.Request) *trunk.Trunk {
	return s.trunks.Match(f.Remote(), req)
}

// arrive reads a call from a trunk as the trunk writes its calls: where the number is, and how
// the two numbers look.
func (c *Call) arrive(t *trunk.Trunk) {
	cfg := t.Config()
	c.caller.trunk = t
	c.dialled = cfg.RewriteIn.Apply(dialledAt(c.invite, t))
	c.shared.number = c.dialled
	c.from.User = cfg.RewriteFromIn.Apply(c.from.User)
}

// dialledAt finds the number that a trunk's request is for.
func dialledAt(req *sip.Request, t *trunk.Trunk) string {
	switch t.Config().Number {
	case trunk.InTo:
		return numberOf(&req.To().Address)
	case trunk.InCalledPartyID:
		if n := numberIn(req, "P-Called-Party-ID"); n != "" {
			return n
		}
	}
	if req.Recipient.User == t.Token() { // our Contact: it says whose call it is, not whom it is for
		return numberOf(&req.To().Address)
	}
	return numberOf(&req.Recipient)
}

// numberIn is the number of the address that a header holds, or "".
func numberIn(req *sip.Request, header string) string {
	v, ok := headerOf(req, header)
	if !ok {
		return ""
	}
	var u sip.Uri
	var params sip.HeaderParams
	if _, err := sip.ParseAddressValue(v, &u, &params); err != nil {
		return ""
	}
	return numberOf(&u)
}

// seat takes a place on the trunk for a call from it; the problem says that there is none.
func (s *Server) seat(c *Call) *problem {
	t := c.caller.trunk
	if t == nil {
		return nil
	}
	seat, err := t.Enter(false, s.emergency(c.dialled))
	if err != nil {
		s.o.Log.LogAttrs(s.ctx, slog.LevelWarn, "call refused", slog.String("trunk", t.Name()), slog.String("err", err.Error()))
		return refuse(503, "", Header{"Retry-After", "5"})
	}
	c.caller.seat = seat
	return nil
}

// leaveTrunk gives the leg's place on its trunk back, once, with what became of the call.
func (l *Leg) leaveTrunk() {
	if l.seat == nil {
		return
	}
	o := &trunk.Outcome{Code: l.rec.code, Reason: l.rec.reason, Cancelled: l.rec.code == 487}
	began := l.rec.invited
	if !l.branch.began.IsZero() {
		began = l.branch.began
	}
	switch {
	case !l.rec.first18x.IsZero():
		o.PDD = l.rec.first18x.Sub(began)
	case !l.rec.answered.IsZero():
		o.PDD = l.rec.answered.Sub(began)
	}
	if !l.rec.answered.IsZero() {
		o.Code, o.Cancelled = 200, false
	}
	l.seat.Leave(o)
	l.seat = nil
}

// trunkBranch is a number at a trunk. Only scripts and operators come here: what a far end
// names is dialled by its URI.
func (s *Server) trunkBranch(target, rest string) branch {
	name, number, _ := strings.Cut(rest, "/")
	b := branch{target: target, number: number}
	t, known := s.trunks.Trunk(name)
	switch {
	case !known:
		s.o.Log.Warn("a script dials a trunk that there is not", "trunk", name)
		b.fault = &Failure{Code: 503, Reason: "no trunk " + name, State: StateFailed}
	default:
		b.trunk = t
	}
	return b
}

// checkTrunkTarget finds what is wrong with a target of the kind trunk:NAME/NUMBER.
func checkTrunkTarget(rest string) bool {
	name, number, ok := strings.Cut(rest, "/")
	return ok && name != "" && number != "" && len(number) <= 128 && !strings.ContainsFunc(number, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// outboundTrunk is the trunk that the call went out by: the one that answered, else the last
// that was tried.
func (c *Call) outboundTrunk() string {
	name := ""
	for _, l := range c.legs {
		if l.trunk == nil || l.role == "a" && !c.originated {
			continue
		}
		name = l.trunk.Name()
		if !l.rec.answered.IsZero() {
			break
		}
	}
	return name
}

// trunkName is what the record names as the call's trunk.
func (c *Call) trunkName() string {
	if c.identity.Trunk != "" {
		return c.identity.Trunk
	}
	return c.outboundTrunk()
}

// trunkName is what the record names as the leg's trunk.
func (l *Leg) trunkName() string {
	if l.trunk == nil {
		return ""
	}
	return l.trunk.Name()
}

// calledNumber is what was dialled, as the record has it.
func (c *Call) calledNumber() string {
	if c.dialled != "" {
		return c.dialled
	}
	return numberOf(&c.invite.Recipient)
}
