package b2bua

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/clock"
	"tandem/media"
)

// Address is a party as SIP names it.
type Address struct{ User, Host, Display, URI string }

// Source is where a call came from.
type Source struct {
	IP        netip.Addr // not valid for a call of our own
	Port      int
	Transport string // udp, tcp, …; of a call of our own what began it: api, script
}

// String is transport:address:port, or what began a call of our own.
func (s Source) String() string {
	if !s.IP.IsValid() {
		return s.Transport
	}
	return s.Transport + ":" + netip.AddrPortFrom(s.IP, uint16(s.Port)).String()
}

// Call is one call that came in, or that Originate began, and all that is done for it. One
// goroutine owns its state and takes events from a mailbox; exported methods may be called
// from anywhere.
type Call struct {
	server *Server
	log    *slog.Logger
	clock  clock.Clock

	// set before the call's goroutines start, never changed after
	id       string
	invite   *sip.Request
	first    *Leg // the caller's, whatever becomes of it
	from, to Address
	dialled  string // the number, as a trunk's rules have it
	identity auth.Identity
	source   Source
	started  time.Time
	depth    int // calls to ourselves that led here

	originated bool          // nobody has called: we call its first leg
	answersFor auth.Identity // who a call to ourselves comes from, where that is not identity
	party      *Address      // whom we have called, where that is who calls from then on; nil: from

	box      *mailbox
	timeline *timeline
	done     chan struct{} // closed when the caller's leg has ended

	state  atomic.Value // State
	taken  atomic.Bool
	shared sharedFacts

	watchers watchers

	// owned by the call's goroutine
	caller       *Leg   // who is served: the first leg, or what is left of it when it has moved
	legs         []*Leg // the caller's first
	ops          map[*op]struct{}
	joined       *joined        // the leg that the caller talks to
	holdMusic    []media.Source // instead of passing a hold on
	transfer     *transfer      // the one under way
	awaiting     int            // answers that other calls owe us
	moved        bool           // the caller goes on in another call
	unattended   bool           // no script serves it
	deserted     bool           // the callee has left and nothing has been done since
	lastFailure  *Failure
	handlerDone  bool
	releasedBy   Side
	times        callTimes
	why          why
	q850         int64 // the cause a far end named
	noACK        bool
	mediaTimeout bool
	lastWords    clock.Timer // how long the record waits for the answers to our last messages
	unanswered   bool        // it has waited
	recordDone   bool
	broken       bool   // a panic has ended it
	wantsSilence bool   // a script watches for the caller's silence
	recording    string // below the recordings folder, a line each
	outcome      State  // of an origination that nobody has answered
	limit        clock.Timer
	parked       *parked         // the slot that the caller waits in
	supervision  *supervision    // nil: nobody hears it but its two sides
	departs      func(to string) // ends the wait of a caller whom call to takes over
}

// Side is who ended something.
type Side string

const (
	ByCaller Side = "caller"
	ByCallee Side = "callee"
	ByScript Side = "script"
	BySystem Side = "system"
)

// sharedFacts are what the script's goroutine writes and the record reads.
type sharedFacts struct {
	sync.Mutex
	number     string
	linked     string // id of the first call of those that belong together
	vars       map[string]any
	script     string
	generation int64
	err, trace string
	routes     int // how deep Route is nested
}

func (c *Call) ID() string         { return c.id }
func (c *Call) From() Address      { return c.from }
func (c *Call) To() Address        { return c.to }
func (c *Call) User() string       { return c.identity.User }
func (c *Call) Trunk() string      { return c.identity.Trunk }
func (c *Call) Source() Source     { return c.source }
func (c *Call) State() State       { return c.state.Load().(State) }
func (c *Call) Leg() *Leg          { return c.first }
func (c *Call) Log() *slog.Logger  { return c.log }
func (c *Call) Started() time.Time { return c.started }

// Done is closed when the caller's leg has ended.
func (c *Call) Done() <-chan struct{} { return c.done }

// Taken reports whether a handler has answered, rejected, redirected, dialled or bridged.
func (c *Call) Taken() bool { return c.taken.Load() }

// Number is what was dialled: the user part of the Request-URI, or what Route was given.
func (c *Call) Number() string {
	c.shared.Lock()
	defer c.shared.Unlock()
	return c.shared.number
}

// Header returns the first value of a header of the caller's INVITE, or of the answer of whom
// we have called.
func (c *Call) Header(name string) (string, bool) { return c.first.Header(name) }

// Headers returns all values of such a header.
func (c *Call) Headers(name string) []string { return c.first.headers(name) }

// SetVars replaces what the record keeps as JSON in vars.
func (c *Call) SetVars(v map[string]any) {
	c.shared.Lock()
	defer c.shared.Unlock()
	c.shared.vars = maps.Clone(v)
}

// SetSecret keeps the keys that are pressed out of the timeline from now on, or no longer.
func (c *Call) SetSecret(on bool) { c.timeline.ask(&c.timeline.secret, on) }

// Secret tells whether keys are kept out of the timeline.
func (c *Call) Secret() bool { return c.timeline.secret.Load() }

// SetScript notes which script and generation serve the call.
func (c *Call) SetScript(name string, generation int64) {
	c.shared.Lock()
	defer c.shared.Unlock()
	c.shared.script, c.shared.generation = name, generation
}

// ScriptError notes an error of the script with its traceback; the first one stays.
func (c *Call) ScriptError(msg, traceback string) {
	c.shared.Lock()
	if c.shared.err == "" {
		c.shared.err, c.shared.trace = msg, traceback
	}
	c.shared.Unlock()
	c.Note("script", msg)
}

// Note adds a line to the call's timeline; kind is one of those of the events table.
func (c *Call) Note(kind, text string) {
	c.timeline.add(0, kind, text, longestLine)
}

// gone reports whether the caller's leg has ended. On the call's goroutine only.
func (c *Call) gone() bool { return c.caller.state == legEnded }

// loop owns the call until every leg has ended and the handler has returned.
func (c *Call) loop() {
	defer c.server.ended(c)
	var batch []event
	for {
		<-c.box.wake
		batch = c.box.take(batch)
		for i, e := range batch {
			c.step(e)
			batch[i] = nil
		}
		c.step(do((*Call).tidy))
		if c.over() && c.settled() && c.recordDone {
			break
		}
	}
	for _, e := range c.box.close() {
		c.step(e)
	}
	for o := range c.ops {
		c.finish(o, nil, ErrHangup)
	}
}

// tidy forgets the dialogs that are over, and finishes the record once it is complete.
func (c *Call) tidy() {
	for _, l := range c.legs {
		l.release()
	}
	if c.over() {
		c.closeRecord()
	}
}

// over reports whether all that the record tells of has happened.
func (c *Call) over() bool {
	if !c.handlerDone {
		return false
	}
	for _, l := range c.legs {
		if l.state != legEnded || l.unacked {
			return false
		}
	}
	return true
}

// settled reports whether no leg owes or awaits a message any more.
func (c *Call) settled() bool {
	if c.awaiting > 0 {
		return false
	}
	for _, l := range c.legs {
		if l.pending() {
			return false
		}
	}
	return true
}

// step applies one event. A panic ends this call and nothing else.
func (c *Call) step(e event) {
	defer func() {
		if p := recover(); p != nil {
			c.server.caught(c.log, panicInCall, p)
			c.crashed(e)
		}
	}()
	if m, ok := e.(concerning); ok && m.about().call() != c {
		forward(m)
		return
	}
	e.apply(c)
}

// serve runs the handler in a goroutine of its own; it is a client of the loop.
func (c *Call) serve(ctx context.Context, h Handler) {
	var err error
	defer func() {
		if p := recover(); p != nil {
			c.server.caught(c.log, "panic in a call's handler; the call is ended", p)
			err = failure(500, "")
		}
		c.box.post(do(func(c *Call) { c.handlerReturned(err) }))
	}()
	err = h.ServeCall(ctx, c)
}

// handlerReturned ends what the handler left open.
func (c *Call) handlerReturned(err error) {
	c.handlerDone = true
	switch {
	case err != nil:
		c.end(ByScript, failure(500, ""))
	case !c.taken.Load():
		c.end(ByScript, failure(404, ""))
	case c.deserted:
		c.end(ByCallee, failure(480, ""))
	case c.unattended:
		c.end(BySystem, failure(480, ""))
	case c.lastFailure != nil:
		c.q850 = cmp.Or(c.q850, c.lastFailure.cause)
		c.end(c.lastFailure.by(), c.lastFailure)
	default:
		c.end(ByScript, failure(480, ""))
	}
}

// end hangs up every leg; an unanswered caller gets f. What a caller who has left is
// having transferred goes on, unless the end is the system's.
func (c *Call) end(by Side, f *Failure) {
	if by == BySystem && c.transfer != nil {
		c.transfer.failed(f)
	}
	if !c.gone() {
		c.released(by)
		if c.caller.state == legAnswered || !c.caller.inbound() {
			c.caller.hangup(0)
		} else {
			c.caller.refuse(f, nil)
		}
	}
	for _, l := range c.legs {
		if !c.transferring(l) {
			l.hangup(0)
		}
	}
}

// released notes who ended the call; the first one stays.
func (c *Call) released(by Side) {
	if c.releasedBy == "" {
		c.releasedBy = by
	}
}

// callerEnded runs once, when the caller's leg has ended, for whatever reason.
func (c *Call) callerEnded() {
	c.state.Store(StateEnded)
	c.times.end = c.clock.Now()
	if c.limit != nil {
		c.limit.Stop()
	}
	close(c.done)
	c.endSupervision()
	c.happened(Happening{Kind: "hangup"})
	for _, l := range c.legs {
		if l != c.caller && !c.transferring(l) {
			l.hangup(0)
		}
	}
	if c.moved {
		c.interrupt(nil, ErrMoved)
	} else {
		c.interrupt(nil, ErrHangup)
	}
}
