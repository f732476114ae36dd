package b2bua

import (
	"context"
	"errors"
	"time"

	"tandem/clock"
	"tandem/media"
)

// BridgeResult tells how a bridge went.
type BridgeResult struct {
	State   State
	Code    int
	Reason  string
	Seconds float64 // that the two were joined
	By      Side    // who ended it
}

// joined is the caller and a leg talking to each other.
type joined struct {
	leg   *Leg
	op    *op
	since time.Time
	max   time.Duration
	timer clock.Timer
}

// BridgeTo rings targets and joins whoever answers with the caller, until one of them
// leaves. An unanswered caller gets the far end's ringing and early media and is answered
// when it answers; an answered one hears ringback.
func (c *Call) BridgeTo(ctx context.Context, targets []string, opts DialOptions) (BridgeResult, error) {
	groups, err := c.prepare(targets, opts)
	if err != nil {
		return BridgeResult{}, err
	}
	res, err := await[BridgeResult](ctx, c, nil, func(o *op) {
		d := &dialling{c: c, o: o, opts: opts, waiting: groups, bridge: true}
		o.result = func(error) any {
			return BridgeResult{State: StateCancelled, Code: 487, Reason: Phrase(487), By: c.leaver()}
		}
		d.startRingback()
		c.startDialling(d)
	})
	return c.bridgeResult(res, err), nil
}

// Bridge joins a leg that Dial returned with the caller, who is answered if need be.
func (c *Call) Bridge(ctx context.Context, l *Leg, opts DialOptions) (BridgeResult, error) {
	if l == c.first {
		return BridgeResult{}, errors.New("that leg is not one this call has dialled")
	}
	if l.call() != c {
		return BridgeResult{State: StateFailed, Code: 480, Reason: ErrMoved.Error(), By: BySystem}, nil
	}
	res, err := await[BridgeResult](ctx, c, l, func(o *op) {
		c.taken.Store(true)
		o.result = func(error) any {
			return BridgeResult{State: StateCancelled, Code: 487, Reason: Phrase(487), By: c.leaver()}
		}
		c.join(o, l.now(), opts)
	})
	if errors.Is(err, ErrHangup) && c.State() != StateEnded {
		return BridgeResult{State: StateFailed, Code: 480, Reason: "the leg has ended", By: ByCallee}, nil
	}
	return c.bridgeResult(res, err), nil
}

// bridgeResult makes a table of what ended the wait before there was one.
func (c *Call) bridgeResult(res BridgeResult, err error) BridgeResult {
	switch {
	case err == nil:
		return res
	case errors.Is(err, ErrHangup):
		return BridgeResult{State: StateCancelled, Code: 487, Reason: Phrase(487), By: ByCaller}
	}
	return BridgeResult{State: StateFailed, Code: 500, Reason: err.Error(), By: BySystem}
}

// leaver is who ended the call, the caller unless something else is known.
func (c *Call) leaver() Side {
	if c.releasedBy == "" {
		return ByCaller
	}
	return c.releasedBy
}

// join connects l with the caller; o ends when either leaves.
func (c *Call) join(o *op, l *Leg, opts DialOptions) {
	connect := func() error { return c.answer(nil) }
	if l.direct {
		connect = func() error {
			return c.connectDirect(l, func(error) {
				l.by = BySystem
				l.hangup(0)
			})
		}
	} else if err := c.caller.reclaim(); err != nil {
		c.log.Error("media not taken back", "err", err)
	}
	c.caller.wants(l)
	if err := connect(); err != nil {
		l.by = BySystem
		l.hangup(0)
		res := BridgeResult{State: StateFailed, Code: 500, Reason: err.Error(), By: BySystem}
		if f := (*Failure)(nil); errors.As(err, &f) {
			res.Code, res.Reason, res.State = f.Code, f.Reason, f.State
		}
		c.finish(o, res, nil)
		return
	}
	c.caller.stopPlaying()
	if !l.direct {
		c.connect(c.caller, l)
	}
	j := &joined{leg: l, op: o, since: c.clock.Now(), max: opts.Max}
	if opts.Max > 0 {
		j.timer = c.after(opts.Max, func() { c.tooLong(j) })
	}
	c.note(l.name(), "media", "joined with the caller")
	c.joined = j
	c.updateRecord()
	c.seatAll()
	o.leg = l
	o.stop = func() { c.part(j) }
	o.result = func(error) any {
		by := j.leg.by
		if c.gone() {
			by = c.leaver()
		}
		return c.talked(j, by)
	}
}

// connect lets two legs hear each other, each as the other one's hold demands.
func (c *Call) connect(a, b *Leg) {
	a.free()
	b.free()
	if a.media == nil || b.media == nil {
		return
	}
	if c.supervision != nil {
		c.mixIn(a, b)
	} else if err := media.Bridge(a.media, b.media); err != nil {
		c.log.Error("media of the two legs not joined", "err", err)
	}
	if a.keepLines(b) {
		a.reoffer(nil)
	}
	if b.keepLines(a) {
		b.reoffer(nil)
	}
	c.alignCodecs(a, b)
	c.settleHold(a, b)
	c.settleHold(b, a)
}

// talked is the result of a bridge that by has ended.
func (c *Call) talked(j *joined, by Side) BridgeResult {
	return BridgeResult{State: StateAnswered, Code: 200, Reason: "OK", Seconds: c.clock.Now().Sub(j.since).Seconds(), By: by}
}

// tooLong ends a bridge whose time is up.
func (c *Call) tooLong(j *joined) {
	if c.joined != j {
		return
	}
	if c.transfer != nil {
		c.transfer.failed(failure(480, ""))
	}
	if c.joined == j && j.leg.state != legEnded {
		j.leg.by = BySystem
		j.leg.hangup(0)
	}
}

// part disconnects the caller from the leg, which ends with its bridge.
func (c *Call) part(j *joined) {
	if j.timer != nil {
		j.timer.Stop()
	}
	c.joined = nil
	c.deserted = j.leg.by == ByCallee && !c.gone()
	if c.transferring(j.leg) {
		return // the caller has left; its transfer goes on
	}
	if !j.leg.direct {
		media.Unbridge(c.caller.media, j.leg.media)
		c.leaveSupervisor(j.leg)
	}
	if j.leg.state != legEnded {
		if j.leg.by == "" {
			j.leg.by = ByScript
		}
		j.leg.hangup(0)
	}
}
