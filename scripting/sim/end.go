package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"tandem/b2bua/phone"
)

// end is a phone's side of a call, of the caller as of the callee.
type end struct {
	w    *world
	c    *phone.Call
	ears *int // samples that what was heard has ended at
	who  string
	how  func() string // how the call stands, for messages
}

func (c *call) end() end { return end{c.w, c.c, &c.ears, "the caller", c.how} }
func (l *callee) end() end {
	return end{l.c.w, l.in, &l.ears, l.target, func() string { return "its leg is " + l.in.State().String() }}
}

const listenEvery = time.Second / 2

// hears waits until the beginning of a sound has come, after what was heard last.
func (e end) hears(sound []string, as string, within time.Duration) error {
	name := strings.Join(sound, ", ")
	if as != "" {
		name += " as " + as
	}
	looking, err := e.w.search(sound, as)
	if err != nil {
		return err
	}
	looking.from = *e.ears
	for waited := time.Duration(0); ; waited += listenEvery {
		over := e.c.State() == phone.Ended
		if s := e.c.Session(); s != nil {
			if at, found := looking.in(&e.w.ears, s.LocalAddr(), over || waited >= within); found {
				*e.ears = at
				return nil
			}
		}
		switch {
		case over:
			return fmt.Errorf("%s did not hear %s: %s", e.who, name, e.how())
		case waited >= within:
			return fmt.Errorf("%s did not hear %s within %v", e.who, name, within)
		}
		if err := e.w.pass(listenEvery); err != nil {
			return err
		}
	}
}

// hearsNothing lets time go by, in which nothing may be heard but silence.
func (e end) hearsNothing(d time.Duration) error {
	s := e.c.Session()
	if s == nil {
		return fmt.Errorf("%s has no media yet", e.who)
	}
	_, before := e.w.ears.since(s.LocalAddr(), 1<<62)
	if err := e.w.pass(d); err != nil {
		return err
	}
	heard, before := e.w.ears.since(s.LocalAddr(), before)
	*e.ears = before + len(heard)
	if loud(heard) {
		return fmt.Errorf("%s heard something within %v", e.who, d)
	}
	return nil
}

// tillItEnds does something that the server may cut short by ending the call: it may act on a
// key before the key is up.
func (e end) tillItEnds(do func() error) error {
	if err := do(); err != nil && e.c.State() != phone.Ended {
		return err
	}
	return nil
}

// presses sends keys.
func (e end) presses(keys string) error {
	if e.c.State() != phone.Answered {
		return fmt.Errorf("%s cannot press %s: %s", e.who, keys, e.how())
	}
	return e.w.run(endLimit, func() error {
		return e.tillItEnds(func() error { return e.c.Press(e.w.ctx, keys) })
	})
}

// says plays a sound into the call, to its end or the call's.
func (e end) says(sound []string, as string) error {
	voice, err := e.w.voice(sound, as)
	if err != nil {
		return err
	}
	if e.c.State() != phone.Answered {
		return fmt.Errorf("%s cannot say anything: %s", e.who, e.how())
	}
	return e.w.run(endLimit, func() error {
		return e.tillItEnds(func() error { return e.c.Play(e.w.ctx, voice...) })
	})
}

func (e end) holds() error {
	return e.w.run(registerLimit, func() error { return e.c.Hold(e.w.ctx) })
}

func (e end) resumes() error {
	return e.w.run(registerLimit, func() error { return e.c.Resume(e.w.ctx) })
}

// rings waits until the caller is told that it rings.
func (c *call) rings() error {
	if err := c.act(); err != nil {
		return err
	}
	rang := func() bool {
		for _, res := range c.c.Provisionals() {
			if res.StatusCode == 180 {
				return true
			}
		}
		return false
	}
	ok, err := c.w.until(dialLimit, func() bool { return rang() || c.over() || c.c.State() == phone.Answered })
	if err == nil && (!ok || !rang()) {
		err = errors.New("the caller's phone did not ring: " + c.how())
	}
	return err
}

// rings tells the server that it rings here.
func (l *callee) rings() error {
	if err := l.in.Ring(); err != nil {
		return fmt.Errorf("%s cannot ring: its leg is %s", l.target, l.in.State())
	}
	return l.c.w.still.wait()
}

// progresses gives early media.
func (l *callee) progresses(sound []string) error {
	voice, err := l.c.w.voice(sound, "")
	if err != nil {
		return err
	}
	if err := l.in.Progress(); err != nil {
		return fmt.Errorf("%s cannot give early media: %w", l.target, err)
	}
	if err := l.c.w.still.wait(); err != nil {
		return err
	}
	return l.c.w.run(endLimit, func() error { return l.in.Play(l.c.w.ctx, voice...) })
}

// ends waits until the leg is over.
func (l *callee) ends() error {
	if err := l.c.act(); err != nil {
		return err
	}
	ok, err := l.c.w.until(endLimit, func() bool { return l.in.State() == phone.Ended })
	if err == nil && !ok {
		err = fmt.Errorf("%s was not hung up within %v: its leg is %s", l.target, endLimit, l.in.State())
	}
	return err
}
