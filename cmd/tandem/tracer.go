package main

import (
	"context"
	"time"

	"tandem/b2bua/transport"
	"tandem/trace"
)

// traced hands a message of the network to those who look.
func (s *server) traced(way transport.Direction, f transport.Flow, text []byte) {
	s.traces.Put(trace.Message{At: time.Now(), Sent: way == transport.Out, Proto: string(f.Proto()), Local: f.Local(), Remote: f.Remote(), Text: text})
}

const (
	// tracePatience is how long a message waits until it is known whose it is: an INVITE passes
	// before the call that it makes has its leg.
	tracePatience = 500 * time.Millisecond
	traceLook     = 50 * time.Millisecond // how often a call is asked for its legs
	traceWaiting  = 1000                  // messages that wait
)

// Trace hands out the SIP messages from now on, or those of one call, until ctx ends.
func (v *view) Trace(ctx context.Context, call string) (<-chan trace.Message, bool) {
	one := &ofCall{view: v, call: call, known: map[string]bool{}}
	if call != "" && !one.learn(ctx) {
		return nil, false
	}
	w := v.traces.Watch()
	out := make(chan trace.Message)
	go func() {
		defer close(out)
		defer w.Stop()
		if call == "" {
			pass(ctx, w.C, out)
			return
		}
		one.pass(ctx, w.C, out)
	}()
	return out, true
}

func pass(ctx context.Context, in <-chan trace.Message, out chan<- trace.Message) {
	for {
		select {
		case m := <-in:
			select {
			case out <- m:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// ofCall lets the messages of one call through.
type ofCall struct {
	*view
	call    string
	known   map[string]bool // Call-IDs of its legs
	waiting []trace.Message
}

func (o *ofCall) pass(ctx context.Context, in <-chan trace.Message, out chan<- trace.Message) {
	tick := time.NewTicker(traceLook)
	defer tick.Stop()
	for {
		select {
		case m := <-in:
			if len(o.waiting) < traceWaiting {
				o.waiting = append(o.waiting, m)
			}
		case <-tick.C:
			o.learn(ctx)
			for _, m := range o.ready() {
				select {
				case out <- m:
				case <-ctx.Done():
					return
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// learn notes the Call-IDs of the call's legs; false when it has ended.
func (o *ofCall) learn(ctx context.Context) bool {
	c, ok := o.sip.Snapshot(ctx, o.call)
	for _, l := range c.Legs {
		o.known[l.CallID] = true
	}
	return ok
}

// ready takes from those that wait what is the call's, and drops what will not be. The order
// stays: what comes behind a message that may still be ours waits with it.
func (o *ofCall) ready() []trace.Message {
	var ours []trace.Message
	for len(o.waiting) > 0 {
		m := o.waiting[0]
		switch {
		case o.known[trace.CallID(m.Text)]:
			ours = append(ours, m)
		case time.Since(m.At) < tracePatience:
			return ours
		}
		o.waiting = o.waiting[1:]
	}
	return ours
}
