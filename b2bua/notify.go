package b2bua

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
)

// referral tells who sent a REFER how it goes (RFC 3515 §2.4.4): one NOTIFY at a time, in
// order, the latest news where there was no time for all.
type referral struct {
	leg    *Leg
	event  string
	silent bool // RFC 4488: no subscription
	busy   bool // a NOTIFY has had no answer yet
	next   *news
	over   bool
}

type news struct {
	code   int
	reason string
	final  bool
}

// referLasts is how long the subscription that a REFER makes lives, in seconds: longer than
// any transfer.
const referLasts = 180

// follow makes the subscription of a REFER.
func (l *Leg) follow(req *sip.Request) *referral {
	l.referrals++
	r := &referral{leg: l, event: "refer"}
	if l.referrals > 1 {
		r.event += ";id=" + strconv.FormatUint(uint64(req.CSeq().SeqNo), 10) // RFC 3515 §2.4.6
	}
	want, ok := headerOf(req, "Refer-Sub")
	want, _, _ = strings.Cut(want, ";")
	r.silent = ok && strings.EqualFold(strings.TrimSpace(want), "false")
	return r
}

// tell reports a provisional status.
func (r *referral) tell(code int, reason string) { r.send(&news{code, reason, false}) }

// final reports how it ended, which ends the subscription.
func (r *referral) final(code int, reason string) { r.send(&news{code, reason, true}) }

func (r *referral) send(n *news) {
	if r == nil || r.silent || r.over || r.leg.state != legAnswered {
		return
	}
	r.over = n.final
	if r.busy {
		r.next = n
		return
	}
	r.notify(n)
}

func (r *referral) notify(n *news) {
	l := r.leg
	state := fmt.Sprintf("active;expires=%d", referLasts)
	if n.final {
		state = "terminated;reason=noresource" // RFC 3515 §2.4.7
	}
	req := l.dialog.Request(sip.NOTIFY)
	req.AppendHeader(sip.NewHeader("Event", r.event))
	req.AppendHeader(sip.NewHeader("Subscription-State", state))
	l.capabilities(req)
	req.AppendHeader(sip.NewHeader("Content-Type", "message/sipfrag;version=2.0"))
	req.SetBody(fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", n.code, n.reason)) // RFC 3420
	l.call().note(l.name(), "transfer", fmt.Sprintf("NOTIFY: %d %s", n.code, n.reason))
	r.busy = true
	l.request(req, r)
}

// HandleResponse and HandleEnd run on the goroutine that reads; they post.
func (r *referral) HandleResponse(_ *transaction.Client, res *sip.Response) {
	if res.StatusCode >= 200 {
		r.leg.post(func(*Call) { r.answered(res.StatusCode) })
	}
}

func (r *referral) HandleEnd(_ *transaction.Client, err error) {
	if err != nil {
		r.leg.post(func(*Call) { r.answered(408) })
	}
}

// answered sends what has come up meanwhile. RFC 6665 §4.2.2: whoever refuses a NOTIFY wants
// no more of them.
func (r *referral) answered(code int) {
	r.busy = false
	n := r.next
	r.next = nil
	switch {
	case code >= 300:
		r.over = true
	case n != nil && (r.leg.state == legAnswered || r.leg.leaving != nil):
		r.notify(n)
	}
}

// notified answers NOTIFY within the dialog: only our own REFER makes one expected.
func (l *Leg) notified(tx *transaction.Server) {
	req := tx.Request()
	event, _ := headerOf(req, "Event")
	kind, params, _ := strings.Cut(event, ";")
	if strings.TrimSpace(kind) != "refer" {
		refuse(489, "", Header{"Allow-Events", "refer"}).respond(tx, "") // RFC 6665 §4.1.3
		return
	}
	a := l.asked
	if a == nil || !a.concerns(params) {
		refuse(481, "").respond(tx, "")
		return
	}
	if ct, _ := headerOf(req, "Content-Type"); len(req.Body()) > 0 && !sipfrag(ct) {
		refuse(415, "", Header{"Accept", "message/sipfrag"}).respond(tx, "")
		return
	}
	l.dialog.Retarget(req.Contact())
	refuse(200, "").respond(tx, "")
	state, _ := headerOf(req, "Subscription-State")
	a.heard(state, req.Body())
}

func sipfrag(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "message/sipfrag")
}
