package scripting

import (
	"context"
	"regexp"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

func gatherOptions() class {
	return class{name: "GatherOptions", doc: "Options of gather.", fields: []field{
		{"prompt?", "Source", "played until the first key"},
		{"min?", "integer", "keys at least, 1 by default"},
		{"max?", "integer", "keys at most, 1 by default"},
		{"finish?", "string", "the key that ends input and is not returned, # by default; \"\" for none"},
		{"timeout?", "number", "seconds from the end of the prompt to the first key, 5 by default"},
		{"digit_timeout?", "number", "seconds after a key that end input, 2 by default"},
		{"tries?", "integer", "1 by default"},
		{"pattern?", "string", "RE2, which the whole input must match"},
		{"invalid?", "Source", "played before another try when the input was wrong"},
		{"secret?", "boolean", "for a PIN: the call's timeline does not tell which keys were pressed; false by default"},
	}}
}

func gatherFunction(object string) function {
	return function{name: "gather", params: []field{{"options?", "GatherOptions", ""}},
		returns: []field{{"digits", "string?", "or nil"}, {"why", `"max"|"finish"|"timeout"|"invalid"|"hangup"`, "what ended it"}},
		doc:     "Plays a prompt and takes keys. Keys that wait are taken first, and the prompt is then not started.",
		example: "local pin = " + object + `:gather{ prompt = "enter-pin", min = 4, max = 4, tries = 3, invalid = "invalid" }`,
		run:     func(s *state, L *lua.LState) int { return s.gatherMethod(L, object) }}
}

func (s *state) gatherMethod(L *lua.LState, object string) int {
	a := method(L, object+":gather")
	leg := a.receiver()
	o := a.options(1, gatherOptions())
	opts := b2bua.GatherOptions{
		Min: o.integer("min", 1, 0), Max: o.integer("max", max(1, o.integer("min", 1, 0)), 1),
		Finish:  a.keys("option finish", o.str("finish", "#"), false),
		Timeout: positive(o.seconds("timeout", 5*time.Second)), DigitTimeout: positive(o.seconds("digit_timeout", 2*time.Second)),
		Tries: o.integer("tries", 1, 1), Pattern: o.wholePattern("pattern"), Secret: o.boolean("secret", false),
	}
	if opts.Min > opts.Max {
		a.fail("option min (%d) is more than max (%d)", opts.Min, opts.Max)
	}
	opts.ZeroMin = opts.Min == 0
	opts.Prompt, opts.Invalid = o.sources("prompt"), o.sources("invalid")
	var got b2bua.Gathered
	var err error
	s.block(L, a.name, func(ctx context.Context) { got, err = leg.Gather(ctx, opts) })
	switch {
	case err != nil:
		return a.trouble(err)
	case !got.OK:
		return failed(L, got.Why)
	}
	return push(L, lua.LString(got.Digits), lua.LString(got.Why))
}

// positive keeps 0 from meaning the default.
func positive(d time.Duration) time.Duration { return max(d, time.Millisecond) }

// wholePattern reads a pattern that the whole input must match.
func (o options) wholePattern(key string) *regexp.Regexp {
	expr := o.str(key, "")
	if expr == "" {
		return nil
	}
	re, err := b2bua.WholePattern(expr)
	if err != nil || len(expr) > maxRegexp {
		o.a.fail("option %s is not an RE2 pattern: %q", key, expr)
	}
	return re
}
