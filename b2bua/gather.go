package b2bua

import (
	"context"
	"regexp"
	"strings"
	"time"

	"tandem/clock"
	"tandem/media"
)

// GatherOptions of Gather; the zero value takes one digit, ended by #, within 5 s.
type GatherOptions struct {
	Prompt, Invalid []media.Source
	Min, Max        int            // digits; 1 if zero (Min may be 0 with ZeroMin)
	ZeroMin         bool           // nothing but the finish key is a valid input
	Finish          string         // the key that ends input; "" for none
	Timeout         time.Duration  // to the first digit, from the end of the prompt; 5 s if zero
	DigitTimeout    time.Duration  // after a digit; 2 s if zero
	Tries           int            // 1 if zero
	Pattern         *regexp.Regexp // of WholePattern, that the input must match
	Secret          bool           // the timeline tells that keys were pressed, not which
}

// Gathered is what Gather got: Why is max, finish or timeout for digits; timeout or
// invalid, without digits, when all tries were in vain.
type Gathered struct {
	Digits, Why string
	OK          bool
}

// Gather plays a prompt and takes digits; the first digit stops the prompt. Digits that
// wait are taken first, and the prompt is then not started.
func (l *Leg) Gather(ctx context.Context, opts GatherOptions) (Gathered, error) {
	opts.fill()
	return await[Gathered](ctx, l.home, l, func(o *op) {
		l := l.now()
		if err := l.ready(); err != nil {
			l.call().finish(o, nil, err)
			return
		}
		g := &gathering{l: l, o: o, opts: opts}
		o.stop = g.stop
		o.heritable, o.inherit = true, g.inherit
		g.try()
	})
}

func (o *GatherOptions) fill() {
	if o.Max <= 0 {
		o.Max = 1
	}
	if o.Min <= 0 && !o.ZeroMin {
		o.Min = 1
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.DigitTimeout <= 0 {
		o.DigitTimeout = 2 * time.Second
	}
	if o.Tries <= 0 {
		o.Tries = 1
	}
}

// gathering is one Gather under way.
type gathering struct {
	l       *Leg
	o       *op
	opts    GatherOptions
	tries   int
	digits  []byte
	timer   clock.Timer
	attempt int // tells the playbacks of one try from those of an earlier one
	release func()
	hushed  *track // whose keys are kept to itself; nil: nobody's
}

func (g *gathering) stop() {
	g.stopTimer()
	if g.release != nil {
		g.release()
	}
	if g.hushed != nil {
		g.hushed.hush(false)
	}
	g.l.stopPlaying()
}

func (g *gathering) stopTimer() {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
}

// try begins to listen: to what waits, else after the prompt.
func (g *gathering) try() {
	g.tries++
	g.attempt++
	g.digits = nil
	if g.opts.Secret {
		g.hushed = g.l.track.Load()
		g.hushed.hush(true)
	}
	g.release = g.l.listen(func(d byte) bool { g.digit(d); return true })
	waited := len(g.l.digits) > 0
	for len(g.l.digits) > 0 && g.live() && g.attemptOpen() {
		g.digit(g.l.take())
	}
	if waited || !g.live() {
		return
	}
	g.say(g.opts.Prompt, func() { g.wait(g.opts.Timeout) })
}

func (g *gathering) live() bool { _, ok := g.l.call().ops[g.o]; return ok }

// inherit asks again, in the same try, whoever has taken the leg's place.
func (g *gathering) inherit(n *Leg) {
	g.stop()
	g.l = n
	g.tries--
	g.try()
}

// attemptOpen reports whether this try still takes digits.
func (g *gathering) attemptOpen() bool { return g.release != nil }

// say plays srcs and then runs next, unless a digit or the end comes first.
func (g *gathering) say(srcs []media.Source, next func()) {
	if len(srcs) == 0 {
		next()
		return
	}
	attempt := g.attempt
	g.l.startPlaying(srcs, 0, func(error) {
		if g.live() && g.attempt == attempt && len(g.digits) == 0 {
			next()
		}
	})
}

func (g *gathering) wait(d time.Duration) {
	g.stopTimer()
	attempt := g.attempt
	g.timer = g.l.call().after(d, func() {
		if g.live() && g.attempt == attempt {
			g.ended("timeout")
		}
	})
}

func (g *gathering) digit(d byte) {
	g.l.stopPlaying()
	if g.opts.Finish != "" && strings.IndexByte(g.opts.Finish, d) >= 0 {
		g.ended("finish")
		return
	}
	g.digits = append(g.digits, d)
	if len(g.digits) >= g.opts.Max {
		g.ended("max")
		return
	}
	g.wait(g.opts.DigitTimeout)
}

// ended judges the input of one try.
func (g *gathering) ended(why string) {
	g.stopTimer()
	g.release()
	g.release = nil
	g.attempt++
	in := string(g.digits)
	c := g.l.call()
	if in == "" && why == "timeout" {
		g.again("timeout", nil)
		return
	}
	if len(in) < g.opts.Min || g.opts.Pattern != nil && !g.opts.Pattern.MatchString(in) {
		g.again("invalid", g.opts.Invalid)
		return
	}
	c.finish(g.o, Gathered{Digits: in, Why: why, OK: true}, nil)
}

// again tries once more, or gives up with why.
func (g *gathering) again(why string, srcs []media.Source) {
	c := g.l.call()
	g.digits = nil
	if len(srcs) == 0 && g.tries >= g.opts.Tries {
		c.finish(g.o, Gathered{Why: why}, nil)
		return
	}
	g.say(srcs, func() {
		if g.tries >= g.opts.Tries {
			c.finish(g.o, Gathered{Why: why}, nil)
			return
		}
		g.try()
	})
}

// WholePattern compiles an RE2 pattern that the whole input must match.
func WholePattern(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}
