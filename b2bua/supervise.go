package b2bua

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tandem/media"
)

// SuperviseMode is what a supervisor of a call does.
type SuperviseMode string

const (
	Listen  SuperviseMode = "listen"  // hears both sides, and is heard by nobody
	Whisper SuperviseMode = "whisper" // hears both, and is heard by one
	Barge   SuperviseMode = "barge"   // hears both, and is heard by both
)

// SuperviseOptions of Supervise.
type SuperviseOptions struct {
	Mode SuperviseMode
	To   Side // who hears a whisper: ByCallee, or ByCaller; ByCallee if empty
	Keys bool // the supervisor's keys change the mode: 1 listen, 2 whisper, 3 barge
}

// SuperviseResult tells how it went. By is ByCallee where the call that was heard has ended.
type SuperviseResult struct {
	By      Side
	Seconds float64
}

// ErrConference is returned where a call is in a conference, which is joined instead.
var ErrConference = errors.New("that call is in a conference")

// supervision is what goes on while a call is heard: its two sides and who listens are in
// one conference, instead of a bridge.
type supervision struct {
	mix *media.Mix
	by  []*supervisor
}

// supervisor is one who listens. The call that is heard owns it, but for op.
type supervisor struct {
	call    *Call
	session *media.Session
	op      *op
	o       SuperviseOptions
	since   time.Time
}

// Supervise lets the caller of c hear the call of that id, until either ends. Whom that call
// talks to may change meanwhile. An unanswered caller is answered first. Errors are ErrHangup
// where there is no such call, ErrState while nobody has answered it, ErrConference.
func (c *Call) Supervise(ctx context.Context, id string, o SuperviseOptions) (SuperviseResult, error) {
	res := SuperviseResult{By: ByCaller}
	other, ok := c.server.Call(id)
	if !ok || other == c {
		return res, ErrHangup
	}
	if o.To == "" {
		o.To = ByCallee
	}
	heard := false
	_, err := await[struct{}](ctx, c, c.first, func(out *op) {
		l := c.first.now()
		err := l.ready()
		if err == nil && l.media == nil {
			err = ErrState
		}
		if err != nil {
			c.finish(out, nil, err)
			return
		}
		l.free()
		s := &supervisor{call: c, session: l.media, op: out, o: o, since: c.clock.Now()}
		release := func() {}
		if o.Keys {
			release = l.listen(func(d byte) bool { return s.key(other, d) })
		}
		out.stop = func() {
			release()
			heard = out.err == nil || errors.Is(out.err, ErrHangup)
			if by, ok := out.value.(Side); ok {
				res.By = by
			} else if c.gone() {
				res.By = c.leaver()
			}
			res.Seconds = c.clock.Now().Sub(s.since).Seconds()
			other.box.post(do(func(w *Call) { w.unobserve(s) }))
		}
		c.note("", "media", fmt.Sprintf("supervises call %s: %s", id, o.Mode))
		if !other.box.post(do(func(w *Call) { w.observe(s) })) {
			c.finish(out, nil, ErrHangup)
		}
	})
	if heard && c.State() == StateEnded && errors.Is(err, ErrHangup) && !errors.Is(err, ErrMoved) {
		return res, nil
	}
	return res, err
}

// key changes the mode.
func (s *supervisor) key(other *Call, d byte) bool {
	mode, ok := map[byte]SuperviseMode{'1': Listen, '2': Whisper, '3': Barge}[d]
	if ok {
		other.box.post(do(func(w *Call) {
			s.o.Mode = mode
			w.seat(s)
		}))
	}
	return ok
}

// end lets the supervisor go.
func (s *supervisor) end(by Side, err error) {
	s.call.box.post(do(func(c *Call) {
		if err != nil {
			c.finish(s.op, nil, err)
			return
		}
		c.finish(s.op, by, nil)
	}))
}

// observe lets s hear this call.
func (c *Call) observe(s *supervisor) {
	switch {
	case c.gone():
		s.end("", ErrHangup)
		return
	case c.caller.state != legAnswered:
		s.end("", ErrState)
		return
	case c.server.conferences.has(c):
		s.end("", ErrConference)
		return
	}
	if c.supervision == nil {
		mix, err := c.server.o.Media.NewMix(media.MixOptions{})
		if err != nil {
			s.end("", err)
			return
		}
		c.supervision = &supervision{mix: mix}
		c.caller.free() // direct media come back to us
		other := c.partner(c.caller)
		if other != nil {
			other.free()
		}
		c.mixIn(c.caller, other)
	}
	c.note("", "media", "supervised by call "+s.call.id)
	c.supervision.by = append(c.supervision.by, s)
	c.seat(s)
}

// mixIn brings those who talk into the conference with the supervisors.
func (c *Call) mixIn(legs ...*Leg) {
	for _, l := range legs {
		if l == nil || l.media == nil || l.state != legAnswered {
			continue
		}
		if err := c.supervision.mix.Join(l.media, media.JoinOptions{}); err != nil {
			c.log.Error("a leg cannot be heard by the supervisor", "leg", l.name(), "err", err)
		}
	}
}

// seat gives a supervisor the place that the mode asks for.
func (c *Call) seat(s *supervisor) {
	if c.supervision == nil || !slices.Contains(c.supervision.by, s) {
		return
	}
	o := media.JoinOptions{Muted: s.o.Mode == Listen}
	if s.o.Mode == Whisper {
		l := c.caller
		if s.o.To == ByCallee {
			l = c.partner(c.caller)
		}
		if o.Muted = l == nil || l.media == nil; !o.Muted {
			o.Only = l.media
		}
	}
	if err := c.supervision.mix.Join(s.session, o); err != nil {
		s.end("", ErrHangup)
	}
}

// seatAll follows a change of who talks.
func (c *Call) seatAll() {
	if c.supervision != nil {
		for _, s := range c.supervision.by {
			c.seat(s)
		}
	}
}

// unobserve: s hears this call no more. The last one leaves the two to themselves.
func (c *Call) unobserve(s *supervisor) {
	sv := c.supervision
	if sv == nil || !slices.Contains(sv.by, s) {
		return
	}
	sv.by = slices.DeleteFunc(sv.by, func(o *supervisor) bool { return o == s })
	sv.mix.Leave(s.session)
	if len(sv.by) > 0 {
		return
	}
	c.supervision = nil
	if other := c.partner(c.caller); other != nil && other.media != nil && c.caller.media != nil {
		if err := media.Bridge(c.caller.media, other.media); err != nil {
			c.log.Error("media of the two legs not joined again", "err", err)
		}
	}
	sv.mix.Close()
}

// leaveSupervisor takes a leg out that talks here no more.
func (c *Call) leaveSupervisor(l *Leg) {
	if c.supervision != nil && l.media != nil {
		c.supervision.mix.Leave(l.media)
	}
}

// endSupervision: this call is over.
func (c *Call) endSupervision() {
	sv := c.supervision
	if sv == nil {
		return
	}
	c.supervision = nil
	for _, s := range sv.by {
		s.end(ByCallee, nil)
	}
	sv.mix.Close()
}

// PlayTo plays sounds to one side of the call of that id, ByCaller or ByCallee, or to both if
// side is empty, and returns when they have ended. Who hears them does not hear the other
// side meanwhile. Errors are ErrHangup when the call has ended or there is none, ErrState
// while nobody has answered it, there is no such side, or it hears something else.
func (s *Server) PlayTo(ctx context.Context, id string, side Side, srcs []media.Source) error {
	c, ok := s.Call(id)
	if !ok {
		return ErrHangup
	}
	ended := make(chan error, 2)
	started := make(chan int, 1)
	begin := do(func(c *Call) {
		var legs []*Leg
		if side != ByCallee {
			legs = append(legs, c.caller)
		}
		if other := c.partner(c.caller); side != ByCaller && (other != nil || side == ByCallee) {
			legs = append(legs, other)
		}
		for _, l := range legs {
			if l == nil || l.state != legAnswered || l.media == nil || l.direct || l.playing != nil {
				started <- 0
				return
			}
		}
		for _, l := range legs {
			l.startPlaying(srcs, 0, func(err error) { ended <- err })
		}
		started <- len(legs)
	})
	if !c.box.post(begin) {
		return ErrHangup
	}
	n := 0
	select {
	case n = <-started:
	case <-c.done:
		return ErrHangup
	case <-ctx.Done():
		return ctx.Err()
	}
	if n == 0 {
		return ErrState
	}
	for range n {
		select {
		case <-ended:
		case <-c.done:
			return ErrHangup
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
