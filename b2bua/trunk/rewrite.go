package trunk

import (
	"fmt"
	"regexp"
	"strings"
)

// Rule replaces what a pattern finds in a number.
type Rule struct {
	pattern *regexp.Regexp
	with    string
}

// Rules are tried in order; the first whose pattern matches is applied.
type Rules []Rule

// NewRule reads a pattern (RE2) and what replaces each match: \1 to \9 stand for groups.
func NewRule(match, replace string) (Rule, error) {
	re, err := regexp.Compile(match)
	if err != nil {
		return Rule{}, err
	}
	var with strings.Builder
	for i := 0; i < len(replace); i++ {
		switch c := replace[i]; {
		case c == '$':
			with.WriteString("$$")
		case c == '\\' && i+1 < len(replace) && replace[i+1] >= '0' && replace[i+1] <= '9':
			i++
			if int(replace[i]-'0') > re.NumSubexp() {
				return Rule{}, fmt.Errorf("\\%c: the pattern has %d groups", replace[i], re.NumSubexp())
			}
			with.WriteString("${" + replace[i:i+1] + "}")
		case c < ' ' || c == 0x7f:
			return Rule{}, fmt.Errorf("%q holds a control character", replace)
		default:
			with.WriteByte(c)
		}
	}
	return Rule{re, with.String()}, nil
}

// Apply rewrites a number.
func (rs Rules) Apply(number string) string {
	for _, r := range rs {
		if r.pattern.MatchString(number) {
			return r.pattern.ReplaceAllString(number, r.with)
		}
	}
	return number
}
