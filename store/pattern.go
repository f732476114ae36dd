package store

import (
	"errors"
	"fmt"
	"strings"
)

// Pattern is a glob over a text column: * is any run of characters, ? one character,
// [abc], [a-z] and [^a-z] one of a set; [*] is a star itself. Without any of them it
// means the whole text exactly. A database translates it by its kind.
type Pattern string

// PatternKind is how a pattern can be looked for.
type PatternKind int

const (
	MatchAll    PatternKind = iota // "" or only stars: no condition
	MatchExact                     // equal to the text
	MatchPrefix                    // begins with the text
	MatchGlob                      // a glob, as SQLite's GLOB understands it
)

// Longer patterns, or ones with more stars, are refused: matching backtracks at each star.
const (
	maxPattern = 256
	maxStars   = 8
)

// Check says what is wrong with the pattern.
func (p Pattern) Check() error {
	if len(p) > maxPattern {
		return fmt.Errorf("a pattern has at most %d characters", maxPattern)
	}
	s := string(p.collapse())
	if strings.Count(s, "*") > maxStars {
		return fmt.Errorf("a pattern has at most %d stars", maxStars)
	}
	for {
		i := strings.IndexByte(s, '[')
		if i < 0 {
			return nil
		}
		s = strings.TrimPrefix(s[i+1:], "^")
		// A ] that comes first belongs to the set.
		end := strings.IndexByte(strings.TrimPrefix(s, "]"), ']')
		if end < 0 {
			return errors.New("a [ without its ]")
		}
		s = s[min(end+1, len(s)):]
	}
}

// Split returns how to look for the pattern and the text, prefix or glob to look for.
func (p Pattern) Split() (PatternKind, string) {
	p = p.collapse()
	i := strings.IndexAny(string(p), "*?[")
	switch {
	case p == "" || p == "*":
		return MatchAll, ""
	case i < 0:
		return MatchExact, string(p)
	case i == len(p)-1 && p[i] == '*':
		return MatchPrefix, string(p[:i])
	}
	return MatchGlob, string(p)
}

// headless tells whether the pattern says nothing about how the text begins, so that every
// text has to be looked at.
func (p Pattern) headless() bool {
	kind, text := p.Split()
	return kind == MatchGlob && strings.IndexByte("*?[", text[0]) >= 0
}

// collapse makes one star of each run of stars.
func (p Pattern) collapse() Pattern {
	for strings.Contains(string(p), "**") {
		p = Pattern(strings.ReplaceAll(string(p), "**", "*"))
	}
	return p
}
