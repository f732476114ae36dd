package scripting

import (
	"context"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
	"tandem/media"
)

func playOptions() class {
	return class{name: "PlayOptions", doc: "Options of play.", fields: []field{
		{"stop?", "string", "keys that end it, `\"any\"` for every key; none by default"},
		{"loop?", "integer", "how often it is played, 1 by default; -1 until it is stopped"},
		{"volume?", "number", "dB louder, or quieter when negative; 40 at most either way"},
		{"seek?", "number", "seconds into the sound where the first time begins"},
	}}
}

func playFunction(object string) function {
	return function{name: "play", params: []field{{"source", "Source", ""}, {"options?", "PlayOptions", ""}},
		returns: []field{{"how", `"done"|"digit"|nil`, "or nil and \"not found\" or \"hangup\""}, {"digit", "string?", "the key that ended it"}},
		doc:     "Plays a sound, or a list of them without a gap, and returns when it has ended. An unanswered call is answered first. Keys that do not stop it wait until they are taken.",
		example: "local how, digit = " + object + `:play({ "you-have", "messages" }, { stop = "any" })`,
		run:     func(s *state, L *lua.LState) int { return s.playMethod(L, object) }}
}

func (s *state) playMethod(L *lua.LState, object string) int {
	a := method(L, object+":play")
	leg := a.receiver()
	if a.at(1) == lua.LNil {
		a.wrong("source", "a source or a list of sources", a.at(1))
	}
	o := a.options(2, playOptions())
	stop := a.keys("option stop", o.str("stop", ""), true)
	loop := o.integer("loop", 1, -1)
	volume, seek := o.num("volume", 0), o.seconds("seek", 0)
	if !(math.Abs(volume) <= media.MaxVolume) {
		a.fail("option volume must be -%d to %d dB, got %v", media.MaxVolume, media.MaxVolume, volume)
	}
	srcs := a.sources("source", a.at(1))
	if len(srcs) == 0 {
		return failed(L, "not found")
	}
	return s.play(a, leg, srcs, b2bua.PlayOptions{Stop: stop, Loop: repeats(loop), Volume: int(math.Round(volume)), Seek: seek})
}

// repeats turns "how often" into how often more than once.
func repeats(loop int) int {
	if loop < 0 {
		return -1
	}
	return max(loop-1, 0)
}

// play plays and returns "done", or "digit" and the digit.
func (s *state) play(a arguments, leg *b2bua.Leg, srcs []media.Source, opts b2bua.PlayOptions) int {
	var digit string
	var err error
	s.block(a.L, a.name, func(ctx context.Context) { digit, err = leg.Play(ctx, srcs, opts) })
	switch {
	case err != nil:
		return a.trouble(err)
	case digit != "":
		return push(a.L, lua.LString("digit"), lua.LString(digit))
	}
	return push(a.L, lua.LString("done"))
}

// keys checks a string of telephone keys.
func (a arguments) keys(what, text string, any bool) string {
	if any && text == "any" {
		return text
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789*#ABCD", r) }); i >= 0 {
		a.fail("%s: %q has something that is no key", what, text)
	}
	return text
}

// steering is a function without arguments that has a leg do something.
func steering(name, doc, example string, do func(*b2bua.Leg, context.Context) error) function {
	return function{name: name, returns: okOrReason(), doc: doc, example: example,
		run: func(s *state, L *lua.LState) int {
			a := method(L, "call:"+name)
			leg := a.receiver()
			var err error
			s.block(L, a.name, func(ctx context.Context) { err = do(leg, ctx) })
			return a.done(err)
		}}
}

// playingFunctions steer what call:play plays, from a function given to call:on.
func playingFunctions() []function {
	return []function{
		steering("pause_playing", "Keeps what plays where it is, silent. For functions given to call:on.", "call:on(\"dtmf\", function() call:pause_playing() end)", (*b2bua.Leg).PausePlaying),
		steering("resume_playing", "Goes on with what pause_playing has stopped.", "call:on(\"dtmf\", function() call:resume_playing() end)", (*b2bua.Leg).ResumePlaying),
		{name: "seek_playing", params: []field{{"seconds", "number", "from the beginning of what plays"}}, returns: okOrReason(),
			doc: "Goes on at another place of what plays.", example: "call:on(\"dtmf\", function() call:seek_playing(0) end)",
			run: func(s *state, L *lua.LState) int {
				a := method(L, "call:seek_playing")
				leg, d := a.receiver(), a.seconds(1, "seconds")
				var err error
				s.block(L, a.name, func(ctx context.Context) { err = leg.SeekPlaying(ctx, d) })
				return a.done(err)
			}},
	}
}

func sleepFunction() function {
	return function{name: "sleep", params: []field{{"seconds", "number", ""}}, returns: okOrReason(),
		doc: "Waits.", example: "call:sleep(0.5)",
		run: func(s *state, L *lua.LState) int {
			a := method(L, "call:sleep")
			leg, d := a.receiver(), a.seconds(1, "seconds")
			var err error
			s.block(L, a.name, func(ctx context.Context) { err = leg.Sleep(ctx, d) })
			return a.done(err)
		}}
}

func flushFunction() function {
	return function{name: "flush", returns: okOrReason(),
		doc: "Forgets the keys that were pressed and not taken yet.", example: "call:flush()",
		run: func(s *state, L *lua.LState) int {
			a := method(L, "call:flush")
			leg := a.receiver()
			var err error
			s.block(L, a.name, func(ctx context.Context) { err = leg.Flush(ctx) })
			return a.done(err)
		}}
}

func echoFunction() function {
	return function{name: "echo", params: []field{{"seconds?", "number", "until the caller hangs up by default"}},
		returns: okOrReason(),
		doc:     "Lets callers hear themselves. An unanswered call is answered first.", example: "call:echo()",
		run: func(s *state, L *lua.LState) int {
			a := method(L, "call:echo")
			leg := a.receiver()
			limit := a.at(1) != lua.LNil
			d := a.duration("seconds", a.optNum(1, "seconds", 0))
			var err error
			s.block(L, a.name, func(ctx context.Context) {
				if limit {
					inner, cancel := context.WithCancel(ctx)
					defer cancel()
					timer := s.engine.o.Clock.AfterFunc(d, cancel)
					defer timer.Stop()
					if err = leg.Echo(inner); ctx.Err() == nil && inner.Err() != nil {
						err = nil
					}
					return
				}
				err = leg.Echo(ctx)
			})
			if err != nil {
				return a.trouble(err)
			}
			return push(L, lua.LTrue)
		}}
}

func sendDTMFFunction(object string) function {
	return function{name: "send_dtmf", params: []field{{"digits", "string", "0-9 * # A-D; a comma waits"}},
		returns: okOrReason(),
		doc:     "Presses keys and returns when they are sent.", example: object + `:send_dtmf("1,,42#")`,
		run: func(s *state, L *lua.LState) int {
			a := method(L, object+":send_dtmf")
			leg, digits := a.receiver(), a.str(1, "digits")
			if i := strings.IndexFunc(digits, func(r rune) bool { return !strings.ContainsRune("0123456789*#ABCDabcd,wW", r) }); i >= 0 {
				a.fail("digits: %q has something that is no key", digits)
			}
			if len(digits) > 256 {
				a.fail("digits has over 256 characters")
			}
			var err error
			s.block(L, a.name, func(ctx context.Context) { err = leg.SendDTMF(ctx, digits) })
			if err != nil {
				return a.trouble(err)
			}
			return push(L, lua.LTrue)
		}}
}
