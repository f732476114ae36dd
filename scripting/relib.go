package scripting

import (
	"regexp"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// regexpCache keeps compiled expressions for all states; scripts use few and use them often.
type regexpCache struct {
	mu  sync.Mutex
	all map[string]*regexp.Regexp
}

const (
	maxRegexps = 512
	maxRegexp  = 4 << 10 // bytes of one expression
)

func newRegexpCache() *regexpCache { return &regexpCache{all: map[string]*regexp.Regexp{}} }

// get compiles an expression, or finds it compiled.
func (c *regexpCache) get(expr string) (*regexp.Regexp, error) {
	c.mu.Lock()
	re, ok := c.all[expr]
	c.mu.Unlock()
	if ok {
		return re, nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) >= maxRegexps {
		clear(c.all)
	}
	c.all[expr] = re
	return re, nil
}

func reModule() module {
	text := field{"text", "string", "where to look"}
	expr := field{"expression", "string", "RE2 syntax"}
	return module{
		name: "re",
		doc:  "Regular expressions in RE2 syntax, which take linear time. A malformed one raises an error.",
		functions: []function{
			{
				name: "match", params: []field{text, expr},
				returns: []field{{"...", "string?", "the groups, or the whole match when there are none; nil without a match"}},
				doc:     "Finds the first match.",
				example: "local area, rest = re.match(call.number, [[^\\+44(20|161)(\\d+)$]])",
				run:     reMatch,
			},
			{
				name: "find", params: []field{text, expr, {"init?", "integer", "where to begin, 1 by default"}},
				returns: []field{{"first", "integer?", "nil without a match"}, {"last", "integer?", ""}, {"...", "string?", "the groups"}},
				doc:     "Finds where the first match lies, as string.find does.",
				example: `local from, to = re.find("room 1234", "[0-9]{4}") -- 6, 9`,
				run:     reFind,
			},
			{
				name: "replace", params: []field{text, expr, {"replacement", "string", "`$1` or `${name}` is a group"}},
				returns: []field{{"text", "string", ""}},
				doc:     "Replaces every match.",
				example: `local number = re.replace(call.number, "^00", "+")`,
				run:     reReplace,
			},
		},
	}
}

func (s *state) regexp(a arguments, n int, what string) *regexp.Regexp {
	expr := a.str(n, what)
	if len(expr) > maxRegexp {
		a.fail("%s has over %d bytes", what, maxRegexp)
	}
	re, err := s.engine.regexps.get(expr)
	if err != nil {
		a.fail("%s: %s", what, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re
}

func pushGroups(L *lua.LState, text string, loc []int) int {
	for i := 0; i < len(loc); i += 2 {
		if loc[i] < 0 {
			L.Push(lua.LNil)
		} else {
			L.Push(lua.LString(text[loc[i]:loc[i+1]]))
		}
	}
	return len(loc) / 2
}

func reMatch(s *state, L *lua.LState) int {
	a := args(L, "re.match")
	text := a.str(1, "text")
	loc := s.regexp(a, 2, "expression").FindStringSubmatchIndex(text)
	switch {
	case loc == nil:
		return push(L, lua.LNil)
	case len(loc) > 2:
		loc = loc[2:]
	}
	return pushGroups(L, text, loc)
}

func reFind(s *state, L *lua.LState) int {
	a := args(L, "re.find")
	text := a.str(1, "text")
	re := s.regexp(a, 2, "expression")
	from, ok := start(L, 3, len(text))
	if !ok {
		return push(L, lua.LNil)
	}
	loc := re.FindStringSubmatchIndex(text[from:])
	if loc == nil {
		return push(L, lua.LNil)
	}
	push(L, lua.LNumber(from+loc[0]+1), lua.LNumber(from+loc[1]))
	return 2 + pushGroups(L, text[from:], loc[2:])
}

func reReplace(s *state, L *lua.LState) int {
	a := args(L, "re.replace")
	text, re, repl := a.str(1, "text"), s.regexp(a, 2, "expression"), a.str(3, "replacement")
	var out []byte
	at := 0
	for _, loc := range re.FindAllStringSubmatchIndex(text, -1) {
		out = append(out, text[at:loc[0]]...)
		out = re.ExpandString(out, repl, text, loc)
		at = loc[1]
		checkLength(L, len(out))
	}
	checkLength(L, len(out)+len(text)-at)
	return push(L, lua.LString(string(out)+text[at:]))
}
