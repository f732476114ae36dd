package b2bua

import (
	"context"
	"fmt"
	"strings"

	"tandem/media"
)

// digitCap bounds the digits that wait on a leg; older ones are kept.
const digitCap = 128

// mediaEvent is called by a media worker and only posts.
func (l *Leg) mediaEvent(e media.Event) {
	l.deliver(&mediaHappened{l, e})
}

type mediaHappened struct {
	leg *Leg
	e   media.Event
}

func (m *mediaHappened) apply(c *Call) {
	l := m.leg
	if l.state == legEnded {
		return
	}
	switch m.e.Kind {
	case media.EventDigit:
		c.note(l.name(), "dtmf", l.noted(m.e.Digit))
		l.heard(m.e.Digit)
		c.convert(l, m.e.Digit)
	case media.EventFirstRTP:
		c.note(l.name(), "media", "first RTP"+l.lateness(m.e)+" from "+m.e.Remote.String())
	case media.EventSilence:
		c.happened(Happening{Kind: "silence", Leg: l})
	case media.EventQuality:
		l.judge(m.e.Quality)
	case media.EventTimeout:
		c.checkSilence()
	case media.EventFailed:
		c.log.Error("a media session failed; its leg is ended", "leg", l.name())
		l.by = BySystem
		if l == c.caller {
			c.released(BySystem)
		}
		l.hangup(0)
	}
}

// noted is how the timeline names a digit: not at all while a secret is asked for.
func (l *Leg) noted(d byte) string {
	if l.track.Load().hidden() {
		return "a digit of a secret"
	}
	return string(d)
}

// heard gives a digit to whoever listens, or keeps it until somebody takes it.
func (l *Leg) heard(d byte) {
	l.call().happened(Happening{Kind: "dtmf", Leg: l, Value: string(d)})
	if l.ear != nil && l.ear(d) {
		return
	}
	if len(l.digits) < digitCap {
		l.digits = append(l.digits, d)
	}
}

// listen lets f take digits as they come, until release is called.
func (l *Leg) listen(f func(digit byte) bool) (release func()) {
	l.ears++
	mine := l.ears
	l.ear = f
	return func() {
		if l.ears == mine {
			l.ear = nil
		}
	}
}

// take removes the first digit that waits.
func (l *Leg) take() byte {
	d := l.digits[0]
	l.digits = l.digits[1:]
	return d
}

// Flush forgets the digits that wait.
func (l *Leg) Flush(ctx context.Context) error {
	_, err := await[struct{}](ctx, l.home, l, func(o *op) {
		l.now().digits = nil
		l.call().finish(o, nil, nil)
	})
	return err
}

// SendDTMF sends digits (0-9 * # A-D, a comma waits) and returns when they are sent.
func (l *Leg) SendDTMF(ctx context.Context, digits string) error {
	if i := strings.IndexFunc(digits, func(r rune) bool { return !strings.ContainsRune("0123456789*#ABCDabcd,wW", r) }); i >= 0 {
		return fmt.Errorf("send_dtmf: %q has something that is no digit", digits)
	}
	_, err := await[struct{}](ctx, l.home, l, func(o *op) {
		l := l.now()
		c := l.call()
		if err := l.ready(); err != nil {
			c.finish(o, nil, err)
			return
		}
		o.heritable, o.inherit = true, func(*Leg) { c.finish(o, nil, nil) } // they were for the other
		o.stop = l.press(digits, func(err error) { c.finish(o, nil, err) })
	})
	return err
}
