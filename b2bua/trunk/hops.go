package trunk

import (
	"time"

	"github.com/emiago/sipgo/sip"
)

// Hops are the addresses to try for a call, best first; none when all are dead.
func (t *Trunk) Hops() []Hop { return t.line.Load().hops() }

// Request is the Request-URI for a number at a hop; number is as it stands in a URI.
func (t *Trunk) Request(h Hop, number string) sip.Uri { return t.line.Load().request(h, number) }

// Account is our own address at the trunk, as REGISTER has it; its user is the username.
func (t *Trunk) Account(h Hop) sip.Uri { return t.line.Load().account(h) }

// Answered notes that a hop has answered a call: it is alive.
func (t *Trunk) Answered(h Hop) { t.line.Load().answered(h) }

// Failed notes that a hop could not be reached or did not answer. It is asked at once how it
// is, so that it is back as soon as it can.
func (t *Trunk) Failed(h Hop, why string) {
	l := t.line.Load()
	l.failed(h, why)
	if l.cfg.Check > 0 {
		l.set.after(time.Second, func() { l.probe(h) })
	}
}

// Refused notes a 503: the hop is not the first to be tried for a while.
func (t *Trunk) Refused(h Hop, retryAfter time.Duration) {
	l := t.line.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, a := l.addr(h); a != nil && retryAfter > 0 {
		a.rest = l.set.o.Clock.Now().Add(min(retryAfter, backOffMost))
	}
}
