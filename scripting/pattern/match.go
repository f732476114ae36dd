package pattern

import "errors"

// ErrInterrupted says that the interrupt function ended a match.
var ErrInterrupted = errors.New("pattern matching interrupted")

// pollEvery is how many steps pass between two questions to the interrupt function.
const pollEvery = 1 << 12

// Capture is what a pair of parentheses held: src[Start:End], or the position Start when End is negative.
type Capture struct{ Start, End int }

// Match is where a pattern was found: src[Start:End].
type Match struct {
	Start, End int
	Captures   []Capture // valid until the next Find of the same Matcher
}

// Matcher looks for a pattern in one string.
type Matcher struct {
	pattern   *Pattern
	src       string
	interrupt func() bool
	steps     int
	stopped   bool
	captures  [MaxCaptures]Capture
}

// NewMatcher prepares to look for p in src; interrupt, which may be nil, is asked now and
// then whether to give up.
func NewMatcher(p *Pattern, src string, interrupt func() bool) *Matcher {
	return &Matcher{pattern: p, src: src, interrupt: interrupt}
}

// Find looks for the first match at from or after it; ErrInterrupted is its only error.
func (m *Matcher) Find(from int) (Match, bool, error) {
	for start := from; start <= len(m.src); start++ {
		end := m.match(0, start)
		if m.stopped {
			return Match{}, false, ErrInterrupted
		}
		if end >= 0 {
			return Match{Start: start, End: end, Captures: m.captures[:m.pattern.captures]}, true, nil
		}
		if m.pattern.anchored {
			break
		}
	}
	return Match{}, false, nil
}

// step counts work done and tells whether to go on.
func (m *Matcher) step(n int) bool {
	if m.steps += n; m.steps >= pollEvery {
		m.steps = 0
		if m.interrupt != nil && m.interrupt() {
			m.stopped = true
		}
	}
	return !m.stopped
}

// match returns where a match of items[pc:] at s ends, or -1. Captures need no undoing when a
// branch fails: the path that succeeds passes every item and sets them all again.
func (m *Matcher) match(pc, s int) int {
	for ; pc < len(m.pattern.items); pc++ {
		if !m.step(1) {
			return -1
		}
		it := &m.pattern.items[pc]
		if it.op == opSet && it.quantifier != 0 {
			return m.repeat(it, pc, s)
		}
		if s = m.one(it, s); s < 0 {
			return -1
		}
	}
	return s
}

// one matches an item that has a single way to match.
func (m *Matcher) one(it *item, s int) int {
	switch it.op {
	case opSet:
		if s >= len(m.src) || !it.set.has(m.src[s]) {
			return -1
		}
		return s + 1
	case opOpen:
		m.captures[it.n].Start = s
	case opClose:
		m.captures[it.n].End = s
	case opPosition:
		m.captures[it.n] = Capture{s, -1}
	case opEnd:
		if s != len(m.src) {
			return -1
		}
	case opBalance:
		return m.balance(it, s)
	case opFrontier:
		var before, here byte
		if s > 0 {
			before = m.src[s-1]
		}
		if s < len(m.src) {
			here = m.src[s]
		}
		if it.set.has(before) || !it.set.has(here) {
			return -1
		}
	case opBackref:
		return m.backref(m.captures[it.n], s)
	}
	return s
}

func (m *Matcher) repeat(it *item, pc, s int) int {
	switch it.quantifier {
	case '-':
		for {
			if end := m.match(pc+1, s); end >= 0 || m.stopped {
				return end
			}
			if s >= len(m.src) || !it.set.has(m.src[s]) {
				return -1
			}
			s++
		}
	case '?':
		if s < len(m.src) && it.set.has(m.src[s]) {
			if end := m.match(pc+1, s+1); end >= 0 || m.stopped {
				return end
			}
		}
		return m.match(pc+1, s)
	}
	last := s
	for last < len(m.src) && it.set.has(m.src[last]) {
		last++
	}
	if !m.step(last - s) {
		return -1
	}
	if it.quantifier == '+' {
		s++
	}
	for ; last >= s; last-- {
		if end := m.match(pc+1, last); end >= 0 || m.stopped {
			return end
		}
	}
	return -1
}

func (m *Matcher) balance(it *item, s int) int {
	if s >= len(m.src) || m.src[s] != it.x {
		return -1
	}
	depth := 1
	for i := s + 1; i < len(m.src); i++ {
		if !m.step(1) {
			return -1
		}
		switch m.src[i] {
		case it.y:
			if depth--; depth == 0 {
				return i + 1
			}
		case it.x:
			depth++
		}
	}
	return -1
}

func (m *Matcher) backref(c Capture, s int) int {
	if c.End < 0 {
		return -1
	}
	text := m.src[c.Start:c.End]
	if !m.step(len(text)) || len(m.src)-s < len(text) || m.src[s:s+len(text)] != text {
		return -1
	}
	return s + len(text)
}
