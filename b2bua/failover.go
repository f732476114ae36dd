package b2bua

import (
	"context"
	"strconv"
	"strings"
	"time"

	"tandem/b2bua/transport"
)

// silenceLimit is how long a trunk's host may say nothing to an INVITE while there is another
// one to try; whoever lives says 100 within 200 ms (RFC 3261 §17.2.1).
const silenceLimit = 5 * time.Second

// place chooses the first host of the branch's trunk that is worth a try.
func (b *branch) place(now time.Time) {
	if b.trunk == nil || b.began.After(time.Time{}) {
		return
	}
	b.began = now
	hops := b.trunk.Hops()
	if len(hops) == 0 {
		b.fault = &Failure{Code: 503, Reason: "no host of trunk " + b.trunk.Name() + " is up", State: StateFailed}
		return
	}
	b.hop, b.others = hops[0], hops[1:]
	b.address()
}

// address makes the URIs of the branch for its host.
func (b *branch) address() {
	b.uri = b.trunk.Request(b.hop, escape(b.trunk.Config().RewriteOut.Apply(b.number)))
	b.to = *b.uri.Clone()
	b.to.UriParams = nil
	b.route = b.trunk.Route(b.hop)
}

// board takes the leg's place on its trunk; false where there is none, which ends the leg.
func (l *Leg) board() bool {
	b := &l.branch
	l.trunk = b.trunk
	switch {
	case b.fault != nil:
		l.failed(b.fault)
		return false
	case b.trunk == nil:
		return true
	}
	if l.seat, b.seat = b.seat, nil; l.seat != nil {
		return true // of the host that did not answer
	}
	s := l.call().server
	seat, err := b.trunk.Enter(true, s.emergency(b.number) || s.emergency(l.call().Number()))
	if err != nil {
		l.failed(&Failure{Code: 503, Reason: err.Error(), State: StateFailed})
		return false
	}
	l.seat = seat
	return true
}

// reachHop connects to the chosen host of a trunk, or to the proxy that its registrar has named
// before it (RFC 3608 §5). A name that had not been found before is looked up now.
func (s *Server) reachHop(ctx context.Context, b *branch) (transport.Flow, error) {
	if len(b.route) > 0 && !strings.EqualFold(b.route[0].Host, b.hop.URI.Host) {
		return s.connect(ctx, b.route[0])
	}
	if !b.hop.Target.Addr.IsValid() {
		return s.connect(ctx, b.hop.URI)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return s.o.Transport.Connect(ctx, b.hop.Target)
}

// expectAnswer gives up on a host that says nothing at all, where there is another one.
func (l *Leg) expectAnswer() {
	if l.trunk == nil || len(l.branch.others) == 0 {
		return
	}
	l.silence = l.after(silenceLimit, func() {
		if l.state != legCalling {
			return
		}
		if l.client != nil {
			_ = l.client.Cancel()
		}
		l.failed(&Failure{Code: 408, Reason: "no answer from " + l.remote, State: StateFailed, silent: true})
	})
}

// heardFrom notes that the host of a trunk lives.
func (l *Leg) heardFrom(code int) {
	if l.silence != nil {
		l.silence.Stop()
	}
	if l.trunk != nil && code != 503 && l.state != legEnded {
		l.trunk.Answered(l.branch.hop)
	}
}

// failover tries the trunk's next host where this one is dead or asks us to go elsewhere: a
// time-out, a transport error or 503 (RFC 3263 §4.3). False where the failure stands.
func (l *Leg) failover(f *Failure) bool {
	b := l.branch
	if l.trunk == nil || l.seat == nil || b.fault != nil {
		return false
	}
	switch {
	case f.silent:
		l.trunk.Failed(b.hop, "INVITE: "+f.Reason)
	case f.Code == 503:
		l.trunk.Refused(b.hop, f.retryAfter)
	default:
		return false
	}
	d := l.dialling
	if len(b.others) == 0 || d == nil || d.over {
		return false
	}
	c := l.call()
	c.note(l.name(), "sip", strconv.Itoa(f.Code)+" "+f.Reason+": the next host of "+l.trunk.Name()+" is tried")
	b.hop, b.others = b.others[0], b.others[1:]
	b.seat, l.seat = l.seat, nil
	b.address()
	l.by = BySystem
	l.dialling = nil
	l.ended(f.Code, f.Reason)
	d.remove(l)
	if d.bridge {
		d.earlyLost(l)
	}
	d.tryInstead([]branch{b})
	return true
}
