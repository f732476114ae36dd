package b2bua

import (
	"log/slog"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/media/sdp"
)

// acceptInvite makes a Call of an INVITE that begins a dialog. Until the caller is known
// it costs nothing but its transaction.
func (s *Server) acceptInvite(tx *transaction.Server) {
	var early atomic.Pointer[sip.Request] // a CANCEL before there is a call to tell
	tx.OnCancel(func(cancel *sip.Request) { early.Store(cancel) })
	s.origin(tx, func(id auth.Identity, parent *Call, p *problem) {
		if p == nil && parent == nil {
			p = s.countCall(tx.Request())
		}
		c := s.newInvite(tx, id, parent, p)
		if cancel := early.Load(); c != nil && cancel != nil {
			c.box.post(cancelReceived{cancel})
		}
	})
}

// newInvite makes the Call, or refuses the INVITE and returns nil.
func (s *Server) newInvite(tx *transaction.Server, id auth.Identity, parent *Call, p *problem) *Call {
	tag := dialog.NewTag()
	if p == nil && parent == nil && s.ownRequest(tx.Request()) {
		p = refuse(482, "") // RFC 3261 §8.2.2.2: our own request has come back
	}
	if p == nil {
		p = checkOffer(tx.Request())
	}
	if p == nil {
		p = checkPrivacy(tx.Request())
	}
	h := s.o.Handler
	if r, bad := replacing(tx.Request()); p == nil && bad != nil {
		p = bad
	} else if p == nil && r != nil {
		h = s.takeOver(*r)
	}
	var fresh refresh
	if p == nil {
		fresh, p = askedRefresh(tx.Request(), s.o.SessionExpires)
	}
	if p != nil {
		p.respond(tx, tag)
		return nil
	}
	c, err := s.newCall(tx, tag, id, parent)
	if err != nil {
		refuse(400, "Bad Contact").respond(tx, tag)
		return nil
	}
	c.caller.fresh.refresh = fresh
	if p := c.caller.checkEncryption(); p != nil {
		p.respond(tx, tag)
		return nil
	}
	if p := s.seat(c); p != nil {
		p.respond(tx, tag)
		return nil
	}
	if ok, retry := s.admit(c); !ok {
		c.caller.seat.Leave(nil)
		s.o.Log.Warn("call refused: no room or draining", sourceOf(tx.Flow()))
		unavailable(retry).respond(tx, tag)
		return nil
	}
	c.caller.enter(legCalling)
	go c.loop()
	served := false
	defer func() {
		if !served { // a panic in what follows: the transaction layer answers 500
			c.box.post(do((*Call).drop))
		}
	}()
	s.remember(c.caller.dialog, c.caller)
	tx.OnCancel(func(cancel *sip.Request) { c.box.post(cancelReceived{cancel}) })
	tx.OnEnd(func(err error) { c.box.post(&inviteServerEnded{err}) })
	refuse(100, "").respond(tx, "") // RFC 3261 §17.2.1: at once, the script may take its time
	s.o.Journal.Open(c.openRecord())
	served = true
	go c.serve(s.ctx, h)
	return c
}

// countCall counts a call of a caller who is known against the rate of all calls.
func (s *Server) countCall(req *sip.Request) *problem {
	if s.emergency(numberOf(&req.Recipient)) || s.limiter.AllowCall() {
		return nil
	}
	return unavailable(retryLimited)
}

// origin says who calls. A call to ourselves is its parent's caller's.
func (s *Server) origin(tx *transaction.Server, then func(auth.Identity, *Call, *problem)) {
	if !tx.Flow().IsLoop() {
		s.identify(tx, func(id auth.Identity, p *problem) { then(id, nil, p) })
		return
	}
	s.mu.Lock()
	l, ok := s.loops[tx.Request().CallID().Value()]
	s.mu.Unlock()
	if !ok {
		then(auth.Identity{}, nil, refuse(482, "")) // RFC 3261 §8.2.2.2: nobody here sent it
		return
	}
	then(l.identity, l.parent, nil)
}

// looping is an INVITE to ourselves on its way.
type looping struct {
	parent   *Call
	identity auth.Identity // who it comes from
}

// checkOffer refuses a body that nobody here can read, and a caller who could not read ours.
func checkOffer(req *sip.Request) *problem {
	body, p := description(req)
	if p != nil {
		return p
	}
	if !readsSDP(req) {
		return refuse(406, "") // RFC 3261 §20.1, RFC 4475 §3.3.15
	}
	if len(body) == 0 {
		return nil
	}
	if _, err := sdp.Parse(body); err != nil {
		return refuse(400, "Bad Session Description")
	}
	return nil
}

func (s *Server) newCall(tx *transaction.Server, tag string, id auth.Identity, parent *Call) (*Call, error) {
	req := tx.Request()
	d, err := dialog.NewUAS(req, tag)
	if err != nil {
		return nil, err
	}
	c := &Call{
		server: s, started: s.o.Clock.Now(),
		id: newID(), invite: req, identity: id,
		from: addressOf(&req.From().Address, req.From().DisplayName),
		to:   addressOf(&req.To().Address, req.To().DisplayName),
		box:  newMailbox(), done: make(chan struct{}), ops: map[*op]struct{}{},
	}
	c.shared.linked = c.id
	c.source = Source{IP: tx.Flow().Remote().Addr(), Port: int(tx.Flow().Remote().Port()), Transport: string(tx.Flow().Proto())}
	if parent != nil {
		c.shared.linked, c.source, c.depth = parent.LinkedID(), parent.source, parent.depth+1
	}
	c.clock = guardedClock{s.o.Clock, c}
	c.timeline = newTimeline(c, s.o.Clock)
	if parent != nil {
		c.timeline.asking = parent.timeline.asking
	}
	c.log = s.o.Log.With("call", c.id, "sip_call_id", clip(req.CallID().Value(), 128))
	c.dialled = numberOf(&req.Recipient)
	c.shared.number = c.dialled
	c.state.Store(StateNew)
	offer := session(req)
	l := &Leg{role: "a", callID: d.ID().CallID, localTag: tag, flow: tx.Flow(), remote: tx.Flow().Remote().String(),
		server: tx, dialog: d, dialogs: []*dialog.Dialog{d}, offer: offer, theirs: offer, byeLater: -1}
	l.userAgent, _ = headerOf(req, "User-Agent")
	l.rec.invited = c.started
	l.owner.Store(c)
	l.home = c
	c.caller, c.first, l.identity = l, l, id
	c.legs = []*Leg{l}
	if t, ok := s.trunks.Trunk(id.Trunk); ok && parent == nil {
		c.arrive(t)
	}
	l.tell(c)
	tx.Watch(l.track.Load().inviting(l.flow))
	c.log.LogAttrs(s.ctx, slog.LevelInfo, "call", slog.String("from", clip(c.from.User, 128)), slog.String("number", c.shared.number),
		slog.String("source", l.remote), slog.String("user", id.User))
	return c, nil
}

// numberOf is what was dialled: the user part, or a tel URI's number.
func numberOf(u *sip.Uri) string {
	if u.User != "" {
		return unescape(u.User)
	}
	return telNumber(u)
}

func addressOf(u *sip.Uri, display string) Address {
	return Address{User: numberOf(u), Host: u.Host, Display: display, URI: u.String()}
}

// inviteServerEnded tells that the INVITE we received needs no answer any more.
type inviteServerEnded struct{ err error }

func (e *inviteServerEnded) apply(c *Call) {
	l := c.caller
	if e.err == nil || l.state == legAnswered || l.state == legEnded {
		return
	}
	// The connection it came by is gone before we could answer.
	c.released(ByCaller)
	l.by = ByCaller
	l.ended(487, "connection lost")
}

// cancelReceived: RFC 3261 §9.2. The CANCEL itself is answered by the transaction layer.
type cancelReceived struct{ req *sip.Request }

func (e cancelReceived) apply(c *Call) {
	if c.caller.state == legAnswered || c.gone() {
		return
	}
	c.caller.explained(e.req)
	c.released(ByCaller)
	c.caller.refuse(failure(487, ""), nil)
}
