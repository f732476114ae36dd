package b2bua

import (
	"errors"
	"slices"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// newLeg makes the leg of one branch.
func (c *Call) newLeg(d *dialling, b branch) *Leg {
	b.place(c.clock.Now())
	l := &Leg{role: d.role(), seq: c.nextSeq(), target: b.target, uri: b.uri, flow: b.flow,
		callID: dialog.NewCallID(), localTag: dialog.NewTag(), dialling: d, byeLater: -1, branch: b}
	if b.uri.Host != "" {
		l.remote = b.uri.String()
	}
	l.rec.invited = c.clock.Now()
	l.owner.Store(c)
	l.home = c
	c.legs = append(c.legs, l)
	l.tell(c)
	return l
}

// nextSeq numbers the legs of a call; those that an endless search has left behind are forgotten,
// their numbers are not.
func (c *Call) nextSeq() int {
	if len(c.legs) == 0 {
		return 0
	}
	return c.legs[len(c.legs)-1].seq + 1
}

// start finds the way to the leg's target and sends its INVITE.
func (l *Leg) start() {
	c := l.call()
	if !l.board() {
		return
	}
	if awaits(l.target) {
		l.fetch()
		return
	}
	if !l.flow.IsZero() {
		l.sendInvite()
		return
	}
	b, hop := l.branch, l.uri
	switch {
	case b.via.Host != "":
		hop = b.via
	case len(b.route) > 0:
		hop = b.route[0]
	}
	l.inviting = true // the call waits for what the goroutine posts
	c.aside(func() {
		var f transport.Flow
		var err error
		if b.trunk != nil {
			f, err = c.server.reachHop(c.server.ctx, &b)
		} else {
			f, err = c.server.connect(c.server.ctx, hop)
		}
		l.post(func(*Call) { l.connected(f, err) })
	})
}

func (l *Leg) connected(f transport.Flow, err error) {
	l.inviting = false
	if l.state == legEnded {
		return
	}
	if err != nil {
		l.call().log.Info("target not reached", "target", l.target, "err", err)
		l.failed(&Failure{Code: 503, Reason: "unreachable: " + err.Error(), State: StateFailed, silent: true})
		return
	}
	if l.trespasses(f) {
		l.failed(failure(403, ""))
		return
	}
	l.flow = f
	l.sendInvite()
}

// trespasses tells whether a REFER or a redirection leads to an address of a trunk, which may
// take calls from here for no better reason than that they come from here: trunks are for
// scripts. It goes by the address that was connected to, whatever the name.
func (l *Leg) trespasses(f transport.Flow) bool {
	if !l.branch.foreign || f.IsLoop() {
		return false
	}
	for _, t := range l.call().server.trunks.All() {
		if t.At(f.Remote().Addr()) {
			l.call().log.Warn("a far end points to a trunk: not called", "uri", l.uri.String(), "trunk", t.Name())
			return true
		}
	}
	return false
}

// sendInvite offers our media to the leg's target.
func (l *Leg) sendInvite() {
	c := l.call()
	if l.call().depth >= maxDepth && l.flow.IsLoop() {
		l.failed(failure(482, ""))
		return
	}
	if l.dialling.directly() {
		l.direct = true
		l.offer = l.retitle(c.caller.theirs)
	} else {
		if err := l.openMedia(); err != nil {
			l.failed(mediaFailure(err))
			return
		}
		l.likeTheCaller()
		l.inviteLines()
		l.offer = l.media.Offer()
	}
	l.remote = l.flow.Remote().String()
	l.flowHop = l.uri.String()
	l.inviteFlow = l.flow
	l.ours = l.invite()
	if l.flow.IsLoop() {
		c.server.expectLoop(l.callID, c, l.dialling.identity())
	} else {
		c.server.rememberOutgoing(l.callID, l.localTag)
	}
	l.inviting = true
	tx, err := c.server.tx.SendWatched(l.flow, l.ours, &inviteClient{l, l.inviteTx}, l.track.Load().inviting(l.flow))
	if err != nil {
		l.inviting = false
		l.failed(&Failure{Code: 503, Reason: err.Error(), State: StateFailed, silent: true})
		return
	}
	l.client = tx
	l.expectAnswer()
	l.awaitSign()
}

// maxDepth bounds calls to ourselves within calls to ourselves.
const maxDepth = 8

// invite builds the INVITE of a new dialog (RFC 3261 §8.1.1, §13.2.1).
func (l *Leg) invite() *sip.Request {
	c := l.call()
	opts := l.dialling.opts
	uri := *l.uri.Clone()
	uri.Headers = nil // RFC 3261 §19.1.1: not part of a Request-URI
	req := sip.NewRequest(sip.INVITE, uri)
	for _, r := range l.branch.route {
		req.AppendHeader(&sip.RouteHeader{Address: r})
	}
	from, display := l.from(opts)
	callID := sip.CallIDHeader(l.callID)
	hops := c.hopsLeft()
	req.AppendHeader(&sip.FromHeader{DisplayName: quotable(display), Address: from, Params: sip.HeaderParams{{K: "tag", V: l.localTag}}})
	req.AppendHeader(&sip.ToHeader{Address: l.branch.to})
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.INVITE})
	req.AppendHeader(l.contact())
	req.AppendHeader(&hops)
	l.capabilities(req)
	l.refreshOffer(req)
	opts.Headers.addTo(req)
	opts.Each[l.target].Headers.addTo(req)
	l.identify(req, opts)
	l.carryHeaders(req)
	setBody(req, l.offer)
	l.authorize(req)
	return req
}

// hopsLeft is the Max-Forwards of our INVITEs: the caller's less one (RFC 7332), so that a
// loop through other servers ends.
func (c *Call) hopsLeft() sip.MaxForwardsHeader { return hopsAfter(c.invite) }

func (s *Server) rememberOutgoing(callID, tag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outgoing[callID] = tag
}

func (s *Server) forgetOutgoing(callID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.outgoing, callID)
}

func (s *Server) expectLoop(callID string, c *Call, id auth.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loops[callID] = looping{c, id}
}

// inviteClient posts what comes back for our INVITE.
type inviteClient struct {
	leg *Leg
	n   int // which of the leg's INVITEs
}

func (h *inviteClient) HandleResponse(tx *transaction.Client, res *sip.Response) {
	h.leg.deliver(&inviteResponse{h.leg, h.n, res})
}

func (h *inviteClient) HandleEnd(tx *transaction.Client, err error) {
	h.leg.deliver(&inviteEnded{h.leg, h.n, err})
}

type inviteResponse struct {
	leg *Leg
	n   int
	res *sip.Response
}

func (e *inviteResponse) apply(c *Call) {
	l, res := e.leg, e.res
	if l.search.given[e.n] {
		l.late(res)
		return
	}
	l.signOfLife(res.StatusCode)
	l.introduced(res)
	l.heardFrom(res.StatusCode)
	switch {
	case res.StatusCode == 100:
	case res.StatusCode < 200:
		l.provisional(res)
	case res.StatusCode < 300:
		l.accepted(res)
	case res.StatusCode == 422 && l.longer(res):
	case (res.StatusCode == 401 || res.StatusCode == 407) && l.challenged(res):
	case res.StatusCode < 400 && l.redirected(res):
	case res.StatusCode == 503 && l.elsewhere(seconds(res, "Retry-After"), failure(503, res.Reason)):
	default:
		l.inviting = false
		l.explained(res)
		f := failure(res.StatusCode, res.Reason)
		f.told = true
		f.retryAfter = seconds(res, "Retry-After")
		if res.StatusCode < 400 {
			for _, u := range redirectContacts(res) {
				f.Contacts = append(f.Contacts, u.String())
			}
		}
		l.failed(f)
	}
}

// introduced notes what the far end says it is.
func (l *Leg) introduced(res *sip.Response) {
	for _, name := range []string{"User-Agent", "Server"} {
		if v, ok := headerOf(res, name); ok && v != "" && (l.userAgent == "" || res.StatusCode >= 200) {
			l.userAgent = v
			return
		}
	}
}

// inviteEnded closes the INVITE's transaction: with an error when nobody answered it.
type inviteEnded struct {
	leg *Leg
	n   int
	err error
}

func (e *inviteEnded) apply(c *Call) {
	l := e.leg
	if e.n != l.inviteTx {
		delete(l.search.given, e.n)
		return
	}
	if e.err == nil && l.state == legCalling {
		return // the response has told all; another target may be sought
	}
	l.inviting = false
	if e.err == nil || l.state == legAnswered || l.state == legEnded {
		return
	}
	code := 503 // RFC 3261 §8.1.3.1: a transport error is as good as a 503, a time-out as a 408
	if isTimeout(e.err) {
		code = 408
	}
	f := failure(code, "")
	f.silent = true
	if l.elsewhere(0, f) {
		return
	}
	l.failed(f)
}

// longer sends the INVITE again with the session interval that a 422 asks for (RFC 4028
// §7.3); false if it asked before, or for what we have offered.
func (l *Leg) longer(res *sip.Response) bool {
	wish := seconds(res, "Min-SE")
	if l.fresh.wish > 0 || wish <= l.call().server.o.SessionExpires || l.state == legEnded {
		return false
	}
	l.fresh.wish = wish
	l.again(l.invite())
	return true
}

// again sends the INVITE anew within the same attempt: a new CSeq number, the same Call-ID.
func (l *Leg) again(req *sip.Request) {
	req.CSeq().SeqNo = l.ours.CSeq().SeqNo + 1
	l.ours = req
	l.inviteTx++
	tx, err := l.call().server.tx.SendWatched(l.flow, req, &inviteClient{l, l.inviteTx}, l.track.Load().inviting(l.flow))
	if err != nil {
		l.inviting = false
		l.failed(&Failure{Code: 503, Reason: err.Error(), State: StateFailed})
		return
	}
	l.client = tx
}

// failed ends a leg that did not answer.
func (l *Leg) failed(f *Failure) {
	if l.state == legAnswered || l.state == legEnded || l.failover(f) {
		return
	}
	if !f.told {
		l.call().note(l.name(), "sip", "not called: "+f.Error())
	}
	l.by = ByCallee
	l.ended(f.Code, f.Reason)
	if l.dialling != nil {
		l.dialling.lost(l, f)
	}
}

// provisional: RFC 3261 §13.2.2.1: each To-tag is an early dialog of its own.
func (l *Leg) provisional(res *sip.Response) {
	if l.state == legAnswered || l.state == legEnded {
		return
	}
	c := l.call()
	if !l.prack(l.early(res), res) {
		return
	}
	if res.StatusCode == 199 {
		c.note(l.name(), "sip", "199: one of its branches has ended") // RFC 6228: others may still answer
		return
	}
	if l.state == legCalling {
		l.rec.first18x = c.clock.Now()
	}
	l.enter(legEarly)
	l.answerer = response{res}
	hasMedia := false
	if body := session(res); len(body) > 0 {
		if l.direct {
			l.theirs, hasMedia = body, true
		} else if err := l.media.SetAnswer(body); err != nil {
			c.log.Info("early media not usable", "leg", l.name(), "err", err)
		} else {
			l.theirs, hasMedia = body, true
		}
	}
	if l.dialling != nil && l.dialling.bridge {
		l.dialling.progress(l, res.StatusCode, hasMedia)
	}
	if l.dialling != nil && l.dialling.onProgress != nil {
		l.dialling.onProgress(l, res.StatusCode, hasMedia)
	}
}

// early returns the early dialog that res belongs to, made anew if it is not known.
func (l *Leg) early(res *sip.Response) *dialog.Dialog {
	id := dialog.ResponseID(res)
	if id.RemoteTag == "" {
		return nil
	}
	for _, d := range l.dialogs {
		if d.ID() == id {
			return d
		}
	}
	d, err := dialog.NewUAC(l.ours, res)
	if err != nil || len(l.dialogs) >= maxForks {
		return nil
	}
	l.dialogs = append(l.dialogs, d)
	l.call().server.remember(d, l)
	return d
}

// maxForks bounds the early dialogs of one INVITE.
const maxForks = 32

// accepted: RFC 3261 §13.2.2.4: every 2xx is acknowledged; one dialog stands, others and
// those that come too late are ended.
func (l *Leg) accepted(res *sip.Response) {
	d := l.early(res)
	if d == nil {
		l.call().log.Warn("2xx that makes no dialog", "leg", l.name())
		return
	}
	seq := l.ours.CSeq().SeqNo
	switch {
	case l.state == legAnswered && d == l.dialog:
		if !l.ackWaits {
			l.acknowledge(d, seq) // our ACK was lost
		}
		return
	case l.state == legAnswered || l.state == legEnded:
		l.disown(d, res, seq)
		return
	}
	c := l.call()
	l.enter(legAnswered)
	l.answerer = response{res}
	l.dialog = d
	d.Update(res)
	l.rec.answered = c.clock.Now()
	l.rec.code, l.rec.reason = res.StatusCode, res.Reason
	if l.direct && len(l.offer) == 0 {
		l.ackWaits = true
	} else {
		l.acknowledge(d, seq)
	}
	l.refreshed(res)
	if err := l.settle(res); err != nil {
		c.log.Warn("the answer's SDP is not usable", "leg", l.name(), "err", err)
		l.by = BySystem
		dl := l.dialling
		l.hangup(0)
		if dl != nil {
			dl.lost(l, failure(488, ""))
		}
		return
	}
	if l.dialling != nil {
		l.dialling.answered(l)
	}
}

// settle takes the answer to our offer; one that came in a reliable response stands
// (RFC 3262 §5), and a 2xx may leave it out.
func (l *Leg) settle(res *sip.Response) error {
	body := session(res)
	if l.direct {
		if len(body) > 0 {
			l.theirs = body
		}
		if len(l.theirs) == 0 {
			return errors.New("no session description")
		}
		return nil
	}
	if len(body) == 0 && l.media.Negotiated() {
		return nil
	}
	l.theirs = body
	return l.media.SetAnswer(body)
}

// disown acknowledges and ends a dialog that nobody wants: a fork that lost, or a 2xx that
// crossed our CANCEL.
func (l *Leg) disown(d *dialog.Dialog, res *sip.Response, seq uint32) {
	if slices.Contains(l.disowned, d) {
		l.acknowledge(d, seq)
		return
	}
	l.disowned = append(l.disowned, d)
	d.Update(res)
	l.acknowledge(d, seq)
	l.call().note(l.name(), "sip", "the 200 is not wanted any more")
	l.requestOn(d, d.Request(sip.BYE), ignore{})
}

// resentAnswer is a 2xx that came when its transaction was gone: our ACK was lost.
type resentAnswer struct {
	leg *Leg
	res *sip.Response
}

func (e *resentAnswer) apply(c *Call) {
	if k := e.leg.track.Load(); e.res.CSeq() != nil {
		k.Seen(transaction.Seen{Again: true, Method: e.res.CSeq().MethodName, Seq: e.res.CSeq().SeqNo, Code: e.res.StatusCode, Msg: e.res})
	}
	if e.leg.ours != nil && e.res.CSeq().MethodName == sip.INVITE && e.leg.dialog != nil {
		e.leg.acknowledge(e.leg.dialog, e.res.CSeq().SeqNo)
	}
}
