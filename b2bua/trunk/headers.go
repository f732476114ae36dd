package trunk

import "strings"

// Header is a header field to send.
type Header struct{ Name, Value string }

// HeaderPolicy says which headers of an INVITE go on between a trunk and the other side.
type HeaderPolicy struct {
	Pass []string // names that are carried over, "*" for any run of characters
	Drop []string // of these, the ones that are not; it also keeps back those that are carried over anyway
	Set  []Header // added to each INVITE to the trunk
}

// Passes tells whether a header is carried over.
func (p *HeaderPolicy) Passes(name string) bool { return anyMatches(p.Pass, name) && !p.Drops(name) }

// Drops tells whether a header is kept back.
func (p *HeaderPolicy) Drops(name string) bool { return anyMatches(p.Drop, name) }

func anyMatches(patterns []string, name string) bool {
	for _, p := range patterns {
		if matches(strings.ToLower(p), strings.ToLower(name)) {
			return true
		}
	}
	return false
}

// matches compares a name with a pattern in which "*" stands for any run of characters.
func matches(pattern, name string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], after
	}
}
