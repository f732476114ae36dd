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
		{"as?", `"text"|"digits"|"number"|"date"|"time"`, "how to read it, text by default. A date is written 2026-11-22 or as seconds since 1970, a time 14:05 or as seconds"},
		{"voice?", "string", "whose voice (not built yet)"},
	}}
}

func sayFunction(object string) function {
	return function{name: "say", params: []field{{"text", "string|number", ""}, {"options?", "SayOptions", ""}},
		returns: []field{{"how", `"done"|nil`, "or nil and \"not found\" or \"hangup\""}},
		doc:     "Reads text aloud. Digits, numbers, dates and times are put together from recorded words; other text needs a voice (not built yet) and gives nil, \"not found\" with a line in the log.",
		example: object + `:say(42, { as = "number" })`,
		run:     func(s *state, L *lua.LState) int { return s.sayMethod(L, object) }}
}

// recordedWords are the kinds of text that are put together from recorded words.
func recordedWords() []string { return []string{"digits", "number", "date", "time"} }

// errVoice: plain text has no recorded words.
var errVoice = errors.New("there is no voice to read text with; use as = \"digits\", \"number\", \"date\" or \"time\"")

func (s *state) sayMethod(L *lua.LState, object string) int {
	a := method(L, object+":say")
	leg, text := a.receiver(), a.str(1, "text")
	o := a.options(2, sayOptions())
	as := o.oneOf("as", "text", "digits", "number", "date", "time")
	if o.has("voice") {
		a.fail("option voice is not built yet")
	}
	srcs, err := s.say(text, as)
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

// say finds the recorded words of a text.
func (s *state) say(text, as string) ([]media.Source, error) {
	if as == "text" {
		return nil, errVoice
	}
	words, err := spoken(text, as, s.now())
	if err != nil {
		return nil, misuse{err}
	}
	var out []media.Source
	for _, w := range words {
		src, err := s.engine.sound(s.gen.files, w)
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
