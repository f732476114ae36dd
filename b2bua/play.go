package b2bua

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tandem/media"
	"tandem/store"
)

// PlayOptions of Play.
type PlayOptions struct {
	Stop   string        // digits that end it, "any" for every one; "" for none
	Loop   int           // how often more than once; -1 until stopped
	Volume int           // dB louder, quieter below 0
	Seek   time.Duration // how far in it begins
}

// Play plays srcs one after the other without a gap. It returns "" when they have ended,
// or the digit that stopped it. An unanswered caller is answered first.
func (l *Leg) Play(ctx context.Context, srcs []media.Source, opts PlayOptions) (digit string, err error) {
	return await[string](ctx, l.home, l, func(o *op) {
		l := l.now()
		if err := l.ready(); err != nil {
			l.call().finish(o, "", err)
			return
		}
		l.play(o, srcs, opts)
	})
}

// ready makes sure that there is somebody to hear: an unanswered caller is answered.
func (l *Leg) ready() error {
	switch {
	case l.state == legAnswered:
		return l.reclaim()
	case l.inbound():
		c := l.call()
		c.taken.Store(true)
		return c.answer(nil)
	}
	return ErrState
}

// play starts srcs for o. A digit that waits and would stop it does so at once.
func (l *Leg) play(o *op, srcs []media.Source, opts PlayOptions) {
	c := l.call()
	stops := func(d byte) bool { return opts.Stop == "any" || strings.IndexByte(opts.Stop, d) >= 0 }
	if opts.Stop != "" && len(l.digits) > 0 && stops(l.digits[0]) {
		c.finish(o, string(l.take()), nil)
		return
	}
	if l.media == nil {
		c.finish(o, "", nil)
		return
	}
	how := media.PlayOptions{Loop: passes(opts.Loop), Volume: opts.Volume, Seek: opts.Seek}
	turn := 0
	begin := func(l *Leg) {
		turn++
		mine := turn
		pb := l.startPlayback(srcs, how, func(err error) {
			if turn == mine {
				c.finish(o, "", err)
			}
		})
		release := l.listen(func(d byte) bool {
			if opts.Stop == "" || !stops(d) {
				return false
			}
			c.finish(o, string(d), nil)
			return true
		})
		o.stop = func() {
			release()
			pb.Stop()
		}
	}
	begin(l)
	o.heritable, o.inherit = true, func(n *Leg) {
		o.stop()
		begin(n)
	}
}

// startPlaying replaces what plays on the leg; ended runs on the call's goroutine.
func (l *Leg) startPlaying(srcs []media.Source, loop int, ended func(error)) *media.Playback {
	return l.startPlayback(srcs, media.PlayOptions{Loop: loop}, ended)
}

// passes turns "how often more than once" into how often.
func passes(more int) int {
	if more < 0 {
		return -1
	}
	return more + 1
}

func (l *Leg) startPlayback(srcs []media.Source, opts media.PlayOptions, ended func(error)) *media.Playback {
	l.stopPlaying()
	c := l.call()
	pb := l.media.Play(srcs, opts)
	l.playing = pb
	what := titles(srcs)
	c.note(l.name(), store.EventPrompt, "plays "+what)
	c.aside(func() {
		<-pb.Done()
		c.box.post(do(func(*Call) {
			if l.playing == pb {
				l.playing = nil
				c.note(l.name(), store.EventPrompt, "has played "+what)
			}
			ended(pb.Err())
		}))
	})
	return pb
}

// titles names what is played, in short.
func titles(srcs []media.Source) string {
	const most = 6
	var names []string
	for _, s := range srcs[:min(most, len(srcs))] {
		name, _, _ := strings.Cut(media.Title(s), "?") // what follows in a web address may be a secret
		name = strings.TrimPrefix(name, "prompts/")
		names = append(names, clip(strings.TrimSuffix(name, ".wav"), 60))
	}
	text := strings.Join(names, ", ")
	if more := len(srcs) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (l *Leg) stopPlaying() {
	if l.playing != nil {
		l.playing.Stop()
		l.playing = nil
		l.call().note(l.name(), store.EventPrompt, "stopped")
	}
}

// PausePlaying keeps what plays where it is, and ResumePlaying goes on with it.
func (l *Leg) PausePlaying(ctx context.Context) error {
	return l.withPlayback(ctx, (*media.Playback).Pause)
}

// ResumePlaying goes on with what PausePlaying has stopped.
func (l *Leg) ResumePlaying(ctx context.Context) error {
	return l.withPlayback(ctx, (*media.Playback).Resume)
}

// SeekPlaying goes on so far from the beginning of what plays.
func (l *Leg) SeekPlaying(ctx context.Context, d time.Duration) error {
	return l.withPlayback(ctx, func(pb *media.Playback) { pb.Seek(d) })
}

// withPlayback does something to what plays; ErrState if nothing does.
func (l *Leg) withPlayback(ctx context.Context, f func(*media.Playback)) error {
	pb, err := await[*media.Playback](ctx, l.home, l, func(o *op) {
		l := l.now()
		if l.playing == nil {
			l.call().finish(o, nil, ErrState)
			return
		}
		l.call().finish(o, l.playing, nil)
	})
	if err == nil {
		f(pb) // here, for it prepares sound
	}
	return err
}

// Sleep waits d.
func (l *Leg) Sleep(ctx context.Context, d time.Duration) error {
	c := l.home
	_, err := await[struct{}](ctx, c, l, func(o *op) {
		o.heritable = true
		t := c.after(d, func() { c.finish(o, nil, nil) })
		o.stop = func() { t.Stop() }
	})
	return err
}

// Echo sends the caller its own audio until the leg ends or ctx is done.
func (l *Leg) Echo(ctx context.Context) error {
	_, err := await[struct{}](ctx, l.home, l, func(o *op) {
		l := l.now()
		c := l.call()
		if err := l.ready(); err != nil {
			c.finish(o, nil, err)
			return
		}
		begin := func(l *Leg) {
			if err := media.Bridge(l.media, l.media); err != nil {
				c.finish(o, nil, err)
				return
			}
			o.stop = func() { media.Unbridge(l.media, l.media) }
		}
		begin(l)
		o.heritable, o.inherit = true, begin
	})
	return err
}
