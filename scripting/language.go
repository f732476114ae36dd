package scripting

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// maxWords bounds the recorded words that a language makes of one text.
const maxWords = 512

// languageBusy is why a language's function cannot wait.
const languageBusy = "inside of a language of lib/lang"

// words names the prompts that read a text. A language is a module lib/lang/NAME.lua with a
// function for each way to read; English is here, unless there is a lib/lang/en.lua.
func (a arguments) words(text, as string, o options) ([]string, error) {
	s := of(a.L)
	language := o.str("language", cmp.Or(*s.engine.language.Load(), "en"))
	text = strings.TrimSpace(text)
	if len(text) > maxSpoken {
		return nil, fmt.Errorf("the text has over %d characters", maxSpoken)
	}
	currency := o.str("currency", defaultCurrency)
	if s.gen.module("lang."+language) == nil {
		if language != "en" {
			return nil, fmt.Errorf("there is no language %q: it would be lib/lang/%s.lua", language, language)
		}
		if as == "money" {
			return spokenMoney(text, currency)
		}
		return spoken(text, as, s.now())
	}
	value, err := a.languageValue(text, as)
	if err != nil {
		return nil, err
	}
	return a.languageWords(language, as, value, lua.LString(currency))
}

// languageValue is what a language's function gets: text for digits, a number for numbers and
// money, seconds since 1970 for dates and times.
func (a arguments) languageValue(text, as string) (lua.LValue, error) {
	now := of(a.L).now()
	switch as {
	case "digits":
		return lua.LString(text), nil
	case "number", "money":
		n := parseNumber(text)
		if n == lua.LNil {
			return nil, fmt.Errorf("%q is not a number", text)
		}
		return n, nil
	}
	layouts := dateLayouts()
	if as == "time" {
		layouts = timeLayouts()
	}
	t, err := spokenMoment(text, now, layouts...)
	if err != nil {
		return nil, err
	}
	return lua.LNumber(t.Unix()), nil
}

// languageWords asks a language, which may not wait.
func (a arguments) languageWords(language, as string, value, currency lua.LValue) ([]string, error) {
	s, L := of(a.L), a.L
	L.Push(goFunction(baseRequire))
	L.Push(lua.LString("lang." + language))
	L.Call(1, 1)
	table, ok := L.Get(-1).(*lua.LTable)
	L.Pop(1)
	if !ok {
		return nil, fmt.Errorf("lib/lang/%s.lua does not return a table", language)
	}
	fn, ok := table.RawGetString(as).(*lua.LFunction)
	if !ok {
		return nil, fmt.Errorf("lib/lang/%s.lua has no function %s", language, as)
	}
	before := s.busy
	s.busy = languageBusy
	defer func() { s.busy = before }()
	L.Push(fn)
	L.Push(value)
	L.Push(currency)
	L.Call(2, 1)
	list, ok := L.Get(-1).(*lua.LTable)
	L.Pop(1)
	if !ok {
		return nil, fmt.Errorf("%s of lib/lang/%s.lua does not return a list of prompts", as, language)
	}
	if list.Len() > maxWords {
		return nil, errors.New("too many words")
	}
	var words []string
	for i := 1; i <= list.Len(); i++ {
		word, ok := list.RawGetInt(i).(lua.LString)
		if !ok {
			return nil, fmt.Errorf("%s of lib/lang/%s.lua returns a %s among its prompts", as, language, list.RawGetInt(i).Type())
		}
		words = append(words, string(word))
	}
	return words, nil
}
