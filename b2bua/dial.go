package b2bua

import (
	"context"
	"slices"
	"time"

	"tandem/b2bua/auth"
	"tandem/clock"
	"tandem/media"
)

// DialOptions say how to reach somebody. The zero value tries all targets at once for 30 s.
type DialOptions struct {
	Timeout      time.Duration // for each try; 30 s if zero
	Serial       bool          // one target after the other
	Headers      Headers
	From         string // user part of our From; the caller's if empty
	Display      string
	Ringback     []media.Source // what an unanswered or waiting caller hears; a bridge only
	RingbackNone bool
	NoEarlyMedia bool                     // the far end's early media is not passed on
	NoRedirects  bool                     // a 3xx is a failure, its contacts are in Failure.Contacts
	Privacy      bool                     // our From tells nobody who calls (RFC 3323)
	Each         map[string]TargetOptions // by target: what is different for one of them
	Direct       bool                     // media go straight between the two; a bridge only
	Codecs       []string                 // offered, in this order; the server's if empty
	Max          time.Duration            // of a bridge; 0: no limit
	// OnAnswer is called, in the goroutine that dials, with each leg that answers, before
	// it is joined or returned. If it returns false the leg is hung up and the others ring on.
	OnAnswer func(l *Leg) bool
}

// TargetOptions are what one target of several has of its own.
type TargetOptions struct {
	Timeout time.Duration // 0: that of the attempt
	Headers Headers       // besides those of the attempt
	Refused *Failure      // not to be called, and why; nil: it is
}

const dialTimeout = 30 * time.Second

// dialling is one attempt to reach somebody: groups of branches tried in turn.
type dialling struct {
	c       *Call
	o       *op
	opts    DialOptions
	bridge  bool       // join the winner with the caller
	waiting [][]branch // groups not tried yet
	live    []*Leg     // that may still answer
	queue   []*Leg     // answered, waiting to be screened
	screen  *Leg       // that OnAnswer has now
	best    *Failure
	timer   clock.Timer
	late    bool // the time of this group was over while OnAnswer was asked
	over    bool

	as         *auth.Identity // who a call to ourselves comes from; nil: the caller
	first      bool           // of an origination: who answers takes the caller's place
	onProgress func(l *Leg, code int, hasMedia bool)

	early    *Leg // whose early media the caller hears
	ringback *media.Playback
}

// Dial rings targets and returns the leg that answered, not yet joined with the caller. A
// target nobody answered gives a *Failure.
func (c *Call) Dial(ctx context.Context, targets []string, opts DialOptions) (*Leg, error) {
	groups, err := c.prepare(targets, opts)
	if err != nil {
		return nil, err
	}
	return await[*Leg](ctx, c, nil, func(o *op) {
		o.heritable = true // the caller hears nothing of it
		c.startDialling(&dialling{c: c, o: o, opts: opts, waiting: groups})
	})
}

func (c *Call) prepare(targets []string, opts DialOptions) ([][]branch, error) {
	if err := opts.Headers.Check(); err != nil {
		return nil, err
	}
	groups, err := c.expand(targets, opts.Each)
	if err != nil || opts.Serial {
		return groups, err
	}
	var all []branch
	for _, g := range groups {
		all = append(all, g...)
	}
	return [][]branch{all}, nil
}

func (c *Call) startDialling(d *dialling) {
	c.taken.Store(true)
	d.o.stop = d.stop
	if d.opts.Timeout <= 0 {
		d.opts.Timeout = dialTimeout
	}
	d.next()
}

// next tries the next group, or ends the attempt with its best failure.
func (d *dialling) next() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.late = false
	for len(d.waiting) > 0 {
		group := d.waiting[0]
		d.waiting = d.waiting[1:]
		if len(group) == 0 {
			d.failed(&Failure{Code: 480, Reason: "not registered", State: StateFailed})
			continue
		}
		d.timer = d.c.after(d.opts.Timeout, d.timedOut)
		for _, b := range group {
			l := d.c.newLeg(d, b)
			if own := d.opts.Each[b.target].Timeout; own > 0 && own < d.opts.Timeout {
				l.patience = d.c.after(own, func() { d.gaveUp(l) })
			}
			d.live = append(d.live, l)
		}
		for _, l := range slices.Clone(d.live) { // one that cannot be tried leaves at once
			if l.dialling == d {
				l.start()
			}
		}
		return
	}
	if d.best == nil {
		d.best = failure(480, "")
	}
	d.end(d.best)
}

// failed notes that a branch, or a whole group, came to nothing.
func (d *dialling) failed(f *Failure) {
	if better(f, d.best) {
		d.best = f
	}
}

// end finishes the op without a winner.
func (d *dialling) end(f *Failure) {
	if d.over {
		return
	}
	d.c.lastFailure = f
	d.c.note("", "sip", "not reached: "+f.Error())
	if d.bridge {
		d.c.finish(d.o, BridgeResult{State: f.State, Code: f.Code, Reason: f.Reason, By: ByCallee}, nil)
		return
	}
	d.c.finish(d.o, nil, f)
}

// stop cancels all that still rings; it runs when the op is finished, for any reason.
func (d *dialling) stop() {
	d.over = true
	if d.timer != nil {
		d.timer.Stop()
	}
	d.drop("", d.live...)
	d.drop("", d.queue...)
	if d.screen != nil {
		d.drop("", d.screen)
	}
	d.live, d.queue, d.screen = nil, nil, nil
	if d.bridge {
		d.stopRingback()
	}
}

// drop ends legs that are not wanted any more.
func (d *dialling) drop(reason string, legs ...*Leg) {
	for _, l := range legs {
		l.dialling = nil
		if l.state == legEnded {
			continue
		}
		l.by = BySystem
		if l.state == legAnswered {
			l.hangup(0)
		} else {
			l.cancel(reason)
		}
	}
}

// timedOut: nobody of the group answered in time.
func (d *dialling) timedOut() {
	if d.over {
		return
	}
	if d.screen != nil || len(d.queue) > 0 {
		d.late = true // who has answered is asked first
		return
	}
	legs := d.live
	d.live = nil
	d.drop("", legs...)
	d.failed(&Failure{Code: 480, Reason: "no answer", State: StateNoAnswer, cause: noAnswer})
	d.next()
}

// gaveUp: this target's own time is over.
func (d *dialling) gaveUp(l *Leg) {
	if d.over || l.dialling != d || l.state == legAnswered || l.state == legEnded {
		return
	}
	d.drop("", l)
	d.lost(l, &Failure{Code: 480, Reason: "no answer", State: StateNoAnswer, cause: noAnswer})
}

// lost takes a leg that ended without an answer out of the attempt.
func (d *dialling) lost(l *Leg, f *Failure) {
	if d.over {
		return
	}
	d.remove(l)
	d.failed(f)
	if rest := l.branch.rest; len(rest) > 0 && f.Code < 600 {
		d.tryInstead(rest)
		return
	}
	if f.Code >= 600 {
		// RFC 3261 §16.7 step 5: a 6xx ends the search.
		d.waiting = nil
		legs := d.live
		d.live = nil
		d.drop("", legs...)
	}
	if d.bridge {
		d.earlyLost(l)
	}
	if len(d.live) == 0 && len(d.queue) == 0 && d.screen == nil {
		d.next()
	}
}

func (d *dialling) remove(l *Leg) {
	for i, x := range d.live {
		if x == l {
			d.live = append(d.live[:i], d.live[i+1:]...)
			return
		}
	}
}

// answered takes a leg whose 2xx has come: to OnAnswer, one at a time, or to its place.
func (d *dialling) answered(l *Leg) {
	d.remove(l)
	if d.opts.OnAnswer == nil {
		d.won(l)
		return
	}
	d.queue = append(d.queue, l)
	d.screenNext()
}

// screenNext lets the goroutine that waits for the op ask OnAnswer about the next leg.
func (d *dialling) screenNext() {
	if d.screen != nil || len(d.queue) == 0 {
		return
	}
	l := d.queue[0]
	d.queue, d.screen = d.queue[1:], l
	d.o.ask <- func() {
		accepted := d.opts.OnAnswer(l)
		d.c.box.post(do(func(*Call) { d.screened(l, accepted) }))
	}
}

func (d *dialling) screened(l *Leg, accepted bool) {
	if d.over || d.screen != l {
		return
	}
	d.screen = nil
	switch {
	case accepted && l.state == legAnswered:
		d.won(l)
		return
	case l.state == legAnswered:
		d.drop("", l)
	}
	d.failed(failure(480, "declined"))
	switch {
	case len(d.queue) > 0:
		d.screenNext()
	case d.late:
		d.timedOut()
	case len(d.live) == 0:
		d.next()
	}
}

// won ends the attempt: l is the leg, the others are told that somebody else has it.
func (d *dialling) won(l *Leg) {
	l.dialling = nil
	if d.c.why.from != d.c.caller {
		d.c.why, d.c.q850 = why{}, 0 // why others did not take the call
	}
	d.c.lastFailure = nil
	legs := append(d.live, d.queue...)
	d.live, d.queue, d.screen = nil, nil, nil
	d.drop(completedElsewhere, legs...)
	if d.bridge {
		d.timer.Stop()
		d.over = true
		d.stopRingback()
		d.c.join(d.o, l, d.opts)
		return
	}
	if d.first {
		d.c.pickedUp(l, d.opts.Max)
	}
	d.c.finish(d.o, l, nil)
}

// role of the legs that the attempt makes.
func (d *dialling) role() string {
	if d.first {
		return "a"
	}
	return "b"
}

// completedElsewhere keeps a phone from showing a missed call (RFC 3326 §2).
const completedElsewhere = `SIP;cause=200;text="Call completed elsewhere"`

// after runs f on the call's goroutine, d from now.
func (c *Call) after(d time.Duration, f func()) clock.Timer {
	return c.clock.AfterFunc(d, func() { c.box.post(do(func(*Call) { f() })) })
}
