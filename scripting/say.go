package scripting

import (
	"errors"
	"fmt"
	"io/fs"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
	"tandem/media"
)

func sayOptions() class {
	return class{name: "SayOptions", doc: "Options of say.", fields: []field{
		{"as?", `"text"|"digits"|"number"|"date"|"time"|"money"`, "how to read it, text by default. A date is written 2026-11-22 or as seconds since 1970, a time 14:05 or as seconds, money 12.50"},
		{"voice?", "string", "whose voice reads text; `[say] voice` by default"},
		{"language?", "string", "of recorded words: en, or one of lib/lang; `[say] language` by default"},
		{"currency?", "string", "of money: USD, EUR or GBP, or what the language knows; USD by default"},
	}}
}

// recordedWords are the kinds of text that are put together from recorded words.
func recordedWords() []string { return []string{"digits", "number", "date", "time", "money"} }

func sayFunction(object string) function {
	return function{name: "say", params: []field{{"text", "string|number", ""}, {"options?", "SayOptions", ""}},
		returns: []field{{"how", `"done"|nil`, "or nil and \"not found\" or \"hangup\""}},
		doc: "Reads something aloud. Text is spoken by the program or the service that `[say]` names, and kept, so that the same text is made once; without one it gives nil, \"not found\" with a line in the log. " +
			"Digits, numbers, dates, times and money are put together from recorded words.",
		example: object + `:say(42, { as = "number" })`,
		run:     func(s *state, L *lua.LState) int { return s.sayMethod(L, object) }}
}

func (s *state) sayMethod(L *lua.LState, object string) int {
	a := method(L, object+":say")
	leg, text := a.receiver(), a.str(1, "text")
	o := a.options(2, sayOptions())
	as := o.oneOf("as", "text", "digits", "number", "date", "time", "money")
	for option, goes := range map[string]bool{"voice": as == "text", "language": as != "text", "currency": as == "money"} {
		if o.has(option) && !goes {
			a.fail("option %s means nothing with as = %q", option, as)
		}
	}
	var srcs []media.Source
	var err error
	if as == "text" {
		srcs, err = a.voice(o.str("voice", ""), text)
	} else {
		srcs, err = a.recorded(text, as, o)
	}
	var wrong misuse
	switch {
	case errors.As(err, &wrong):
		a.fail("%s", err)
	case err != nil:
		a.notFound("say:"+text, err)
		return failed(L, "not found")
	case len(srcs) == 0:
		return push(L, lua.LString("done"))
	}
	return s.play(a, leg, srcs, b2bua.PlayOptions{})
}

// recorded finds the recorded words of a text.
func (a arguments) recorded(text, as string, o options) ([]media.Source, error) {
	s := of(a.L)
	words, err := a.words(text, as, o)
	if err != nil {
		return nil, misuse{err}
	}
	var out []media.Source
	for _, w := range words {
		src, err := s.engine.sound(s.gen.files, w)
		if errors.Is(err, errName) {
			return nil, misuse{err}
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s: %w", w, err)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, src)
	}
	return out, nil
}
