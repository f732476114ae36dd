package b2bua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
)

// Origination says whom to call for a call that nobody has made, and what becomes of it.
type Origination struct {
	Targets []string
	// Dial says how. From and Display are what the called party sees and who calls from then
	// on; Max bounds the whole call once it is answered; OnAnswer and Ringback mean nothing here.
	Dial DialOptions
	// Seen is shown to the called party where Dial.From says nothing: the number it will be
	// connected with.
	Seen string
	// Parent is the call on whose behalf this one is made: it shares the name of the records
	// and who answers for it. nil: nobody's.
	Parent *Call
	// By stands as the transport of Call.Source where there is no parent: "api", "script".
	By string
	// Screen may change how the targets are dialled, in the call's own goroutine, before anybody
	// rings; nil: nothing to ask. Its error ends the call.
	Screen func(ctx context.Context, c *Call, targets []string, dial *DialOptions) error
	// Handler serves the call once somebody has answered.
	Handler Handler
	// Ended is called once Handler has returned, with nil, or when nobody has answered, with
	// why; nil: nobody wants to know.
	Ended func(*Failure)
}

// ErrBusy is returned where the limits leave no room for another call, or the server drains.
var ErrBusy = errors.New("no room for another call")

// Originate makes a call whose first leg we dial. It returns at once; the Call's methods work
// as for any other when somebody has answered, and its record tells of it when nobody has.
// ErrTarget: a target or a header that cannot be; ErrBusy, ErrTooDeep: not now, not from here.
func (s *Server) Originate(o Origination) (*Call, error) {
	if o.Parent != nil && o.Parent.depth >= maxDepth {
		return nil, ErrTooDeep
	}
	c, err := s.newOrigination(o)
	if err != nil {
		return nil, err
	}
	groups, err := c.prepare(o.Targets, o.Dial)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	if !s.emergency(c.Number()) && !s.limiter.AllowCall() {
		return nil, ErrBusy
	}
	if ok, _ := s.admit(c); !ok {
		return nil, ErrBusy
	}
	c.log.Info("call", "from", clip(c.from.User, 128), "number", c.dialled, "source", c.source.String(), "to", strings.Join(o.Targets, " "))
	s.o.Journal.Open(c.openRecord())
	go c.loop()
	go c.serve(s.ctx, handler(func(ctx context.Context, c *Call) error { return c.callOut(ctx, groups, o) }))
	return c, nil
}

// newOrigination makes the Call. Until somebody has answered, a leg without a dialog stands in
// the caller's place.
func (s *Server) newOrigination(o Origination) (*Call, error) {
	if len(o.Targets) == 0 {
		return nil, fmt.Errorf("%w: no target given", ErrTarget)
	}
	to := s.PartyOf(o.Targets[0])
	c := &Call{server: s, started: s.o.Clock.Now(), id: newID(), to: to, dialled: to.User, originated: true, identity: auth.Identity{Trusted: true},
		box: newMailbox(), done: make(chan struct{}), ops: map[*op]struct{}{}, source: Source{Transport: o.By}}
	c.from = s.nameOf(cmp.Or(o.Dial.From, o.Seen))
	c.from.Display = o.Dial.Display
	if o.Dial.From == "" {
		c.party = &to
	}
	c.identity.User = onlyUser(o.Targets)
	c.answersFor = c.identity
	c.shared.linked, c.shared.number = c.id, c.dialled
	if p := o.Parent; p != nil {
		c.shared.linked, c.source, c.depth, c.answersFor = p.LinkedID(), p.source, p.depth+1, p.answerable()
	}
	c.invite = sip.NewRequest(sip.INVITE, sip.Uri{Scheme: "sip", User: escape(to.User), Host: to.Host})
	c.clock = guardedClock{s.o.Clock, c}
	c.timeline = newTimeline(c, s.o.Clock)
	c.log = s.o.Log.With("call", c.id)
	c.state.Store(StateNew)
	l := &Leg{role: "a", byeLater: -1, home: c}
	l.owner.Store(c)
	l.rec.invited = c.started
	l.tell(c)
	c.caller, c.first = l, l
	return c, nil
}

// answerable is who a call to ourselves, made for this call, comes from.
func (c *Call) answerable() auth.Identity {
	if c.originated {
		return c.answersFor
	}
	return c.identity
}

// nameOf is a number of ours as an Address.
func (s *Server) nameOf(number string) Address {
	host := cmp.Or(s.o.Domain, s.o.Realm)
	u := sip.Uri{Scheme: "sip", User: escape(number), Host: host}
	return Address{User: number, Host: host, URI: u.String()}
}

// PartyOf is who a target leads to.
func (s *Server) PartyOf(target string) Address {
	kind, rest, _ := strings.Cut(target, ":")
	switch kind {
	case "trunk":
		_, rest, _ = strings.Cut(rest, "/")
	case "sip", "sips":
		var u sip.Uri
		if sip.ParseUri(target, &u) == nil {
			return addressOf(&u, "")
		}
	}
	return s.nameOf(rest)
}

// onlyUser is the user that all targets are, or "".
func onlyUser(targets []string) string {
	name := ""
	for _, t := range targets {
		user, ok := strings.CutPrefix(t, "user:")
		if !ok || name != "" && name != user {
			return ""
		}
		name = user
	}
	return name
}

// callOut is the handler of such a call: it reaches somebody, and hands the call on.
func (c *Call) callOut(ctx context.Context, groups [][]branch, o Origination) error {
	var missed *Failure
	if o.Ended != nil {
		defer func() { o.Ended(missed) }()
	}
	if o.Screen != nil {
		err := o.Screen(ctx, c, o.Targets, &o.Dial)
		if err == nil {
			groups, err = c.prepare(o.Targets, o.Dial)
		}
		if err != nil {
			missed = c.inVain(err)
			return nil
		}
	}
	opts := o.Dial
	opts.OnAnswer, opts.Direct = nil, false
	if opts.From == "" {
		opts.From = o.Seen
	}
	_, err := await[*Leg](ctx, c, nil, func(op *op) {
		as := c.answersFor
		c.startDialling(&dialling{c: c, o: op, opts: opts, waiting: groups, as: &as, first: true, onProgress: c.rings})
	})
	if err != nil {
		missed = c.inVain(err)
		return nil
	}
	return o.Handler.ServeCall(ctx, c)
}

// Originated reports whether nobody has made the call: we have called its first leg.
func (c *Call) Originated() bool { return c.originated }

// rings notes that the called party's phone does.
func (c *Call) rings(*Leg, int, bool) {
	if c.State() == StateNew {
		c.state.Store(StateRinging)
		c.ringing(c.clock.Now())
	}
}

// pickedUp gives the leg that has answered the caller's place.
func (c *Call) pickedUp(l *Leg, limit time.Duration) {
	stand := c.caller
	stand.state, stand.heir, l.ancestor, l.role = legEnded, l, stand, "a"
	c.caller = l
	c.state.Store(StateAnswered)
	c.times.answered(l.rec.answered)
	c.log.Info("call answered", "sip_call_id", l.callID, "target", l.target)
	l.watchSilence()
	c.updateRecord()
	if limit > 0 {
		t := c.after(limit, func() {
			c.note("", "sip", "its time is up")
			c.end(BySystem, failure(480, ""))
		})
		c.limit = t
	}
}

// inVain ends a call that nobody has answered, and says why.
func (c *Call) inVain(err error) *Failure {
	f := failure(500, "")
	if errors.Is(err, ErrHangup) {
		f = failure(487, "")
	}
	errors.As(err, &f)
	c.box.post(do(func(c *Call) { c.unreached(f) }))
	return f
}

func (c *Call) unreached(f *Failure) {
	if c.gone() {
		return
	}
	by := BySystem
	for _, l := range c.legs {
		if l.rec.code == f.Code && l.by == ByCallee {
			by = ByCallee
		}
	}
	c.released(by)
	c.outcome = f.State
	c.caller.ended(f.Code, f.Reason)
}

// Enter is a Handler that hands the answered party to the server's own, as if it had dialled
// number.
func Enter(number string) Handler {
	return handler(func(ctx context.Context, c *Call) error {
		err := c.Route(ctx, number)
		if errors.Is(err, ErrNotTaken) {
			c.Note("script", "nobody takes a call to "+number)
			return nil
		}
		return err
	})
}

// Connect is a Handler that bridges the answered party with whoever of targets answers. screen
// is asked before, as in Origination; it may be nil.
func Connect(targets []string, dial DialOptions, screen func(ctx context.Context, c *Call, targets []string, dial *DialOptions) error) Handler {
	return handler(func(ctx context.Context, c *Call) error {
		if screen != nil {
			if err := screen(ctx, c, targets, &dial); err != nil {
				return err
			}
		}
		_, err := c.BridgeTo(ctx, targets, dial)
		return err
	})
}

// CheckTargets finds what is wrong with how targets are written: ErrTarget.
func (s *Server) CheckTargets(targets []string) error {
	for _, t := range targets {
		if _, err := s.branches(t); err != nil {
			return fmt.Errorf("%w: %w", ErrTarget, err)
		}
	}
	return nil
}
