package b2bua

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// roaming is a request within a dialog whose next hop is a name: where one of the name's targets
// does not serve it, the next one gets it (RFC 3263 §4.3).
type roaming struct {
	l     *Leg
	d     *dialog.Dialog
	hop   sip.Uri
	req   *sip.Request // as it was before it had our Via
	h     transaction.ClientHandler
	at    transport.Target
	tried []transport.Target
	over  bool // on the call's goroutine
}

// transmit sends a request of one of the leg's dialogs over f and tells h what becomes of it.
func (l *Leg) transmit(d *dialog.Dialog, f transport.Flow, req *sip.Request, h transaction.ClientHandler) {
	if hop := d.NextHop(); l.roams(hop) {
		l.roamers++
		h = &roaming{l: l, d: d, hop: hop, req: req.Clone(), h: h, at: targetOf(f)}
	}
	if _, err := l.call().server.tx.SendWatched(f, req, h, l.track.Load()); err != nil {
		h.HandleEnd(nil, err)
	}
}

func targetOf(f transport.Flow) transport.Target {
	return transport.Target{Proto: f.Proto(), Addr: f.Remote()}
}

// roams tells whether a next hop may stand for several targets, and the leg's way leads to it.
func (l *Leg) roams(hop sip.Uri) bool {
	_, err := netip.ParseAddr(strings.Trim(hop.Host, "[]"))
	return err != nil && l.flowHop == hop.String() && !l.flow.IsLoop() && !l.flow.OneWay()
}

// HandleResponse and HandleEnd run on the goroutine that reads; they post.
func (r *roaming) HandleResponse(tx *transaction.Client, res *sip.Response) {
	if res.StatusCode == 503 && r.l.post(func(*Call) { r.elsewhere(seconds(res, "Retry-After"), func() { r.h.HandleResponse(tx, res) }) }) {
		return
	}
	r.h.HandleResponse(tx, res)
	if res.StatusCode >= 200 {
		r.l.post(func(*Call) { r.end() })
	}
}

func (r *roaming) HandleEnd(tx *transaction.Client, err error) {
	// RFC 3261 §8.1.3.1: a transport error is as good as a 503.
	if err != nil && !r.l.post(func(*Call) { r.elsewhere(0, func() { r.h.HandleEnd(tx, err) }) }) {
		r.h.HandleEnd(tx, err)
	}
}

func (r *roaming) end() {
	if !r.over {
		r.over = true
		r.l.roamers--
	}
}

// elsewhere looks for a target that has not been tried; without one, refused tells the sender.
func (r *roaming) elsewhere(retryAfter time.Duration, refused func()) {
	if r.over {
		return
	}
	c := r.l.call()
	c.server.o.Transport.Avoid(r.at, retryAfter)
	r.tried = append(r.tried, r.at)
	tried := slices.Clone(r.tried)
	c.aside(func() {
		f, err := c.server.another(c.server.ctx, r.hop, tried)
		r.l.post(func(*Call) {
			if err != nil {
				r.end()
				refused()
				return
			}
			r.again(f)
		})
	})
}

// again sends the same request with another branch to another target, which gets what comes
// after it, too.
func (r *roaming) again(f transport.Flow) {
	l := r.l
	if r.over {
		return
	}
	l.call().note(l.name(), "sip", string(r.req.Method)+" not taken by "+r.at.Addr.String()+": the next target is tried")
	if r.hop.String() == l.flowHop {
		l.flow = f
	}
	r.at = targetOf(f)
	req := r.req.Clone()
	if req.Contact() != nil {
		req.ReplaceHeader(l.contactOver(f))
	}
	if l.loginFor(f) == nil {
		req.RemoveHeader("Authorization")
		req.RemoveHeader("Proxy-Authorization")
	}
	if _, err := l.call().server.tx.SendWatched(f, req, r, l.track.Load()); err != nil {
		r.elsewhere(0, func() { r.h.HandleEnd(nil, err) })
	}
}
