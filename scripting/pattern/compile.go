// Package pattern matches Lua 5.1 patterns and can be interrupted: a pattern that
// backtracks without end must not hold a server.
package pattern

import (
	"errors"
	"fmt"
)

// MaxCaptures is how many captures a pattern may have, as in Lua 5.1.
const MaxCaptures = 32

// maxQuantified bounds the recursion of a match: it goes one level down for each quantified item.
const maxQuantified = 200

type op uint8

const (
	opSet      op = iota // one byte of a set, perhaps quantified
	opOpen               // "(": capture n starts
	opClose              // ")": capture n ends
	opPosition           // "()": capture n is a position
	opBalance            // %bxy
	opFrontier           // %f[set]
	opBackref            // %1 … %9
	opEnd                // "$" as the last character
)

type item struct {
	op         op
	quantifier byte // 0, '*', '+', '-' or '?'
	n          int  // of opOpen, opClose, opPosition, opBackref
	x, y       byte // of opBalance
	set        set
}

// Pattern is a compiled pattern; it may be used by many goroutines.
type Pattern struct {
	items    []item
	captures int
	anchored bool
}

type compiler struct {
	src        string
	pos        int
	items      []item
	open       []int // captures not yet closed
	closed     [MaxCaptures]bool
	captures   int
	quantified int
}

// Compile reads a pattern. With anchors false a leading "^" is an ordinary character, as in gmatch.
func Compile(src string, anchors bool) (*Pattern, error) {
	c := &compiler{src: src, items: make([]item, 0, min(len(src), 16))}
	p := &Pattern{}
	if anchors && src != "" && src[0] == '^' {
		p.anchored = true
		c.pos = 1
	}
	for c.pos < len(src) {
		if err := c.next(); err != nil {
			return nil, err
		}
	}
	if len(c.open) > 0 {
		return nil, errors.New("unfinished capture")
	}
	p.items, p.captures = c.items, c.captures
	return p, nil
}

func (c *compiler) next() error {
	switch ch := c.src[c.pos]; ch {
	case '(':
		return c.openCapture()
	case ')':
		c.pos++
		if len(c.open) == 0 {
			return errors.New("invalid pattern capture")
		}
		n := c.open[len(c.open)-1]
		c.open = c.open[:len(c.open)-1]
		c.closed[n] = true
		c.items = append(c.items, item{op: opClose, n: n})
		return nil
	case '$':
		if c.pos == len(c.src)-1 {
			c.pos++
			c.items = append(c.items, item{op: opEnd})
			return nil
		}
	case '%':
		if c.pos+1 < len(c.src) {
			switch e := c.src[c.pos+1]; {
			case e == 'b':
				return c.balance()
			case e == 'f':
				return c.frontier()
			case e >= '0' && e <= '9':
				return c.backref(int(e - '1'))
			}
		}
	}
	return c.single()
}

func (c *compiler) openCapture() error {
	if c.captures == MaxCaptures {
		return errors.New("too many captures")
	}
	n := c.captures
	c.captures++
	if c.pos+1 < len(c.src) && c.src[c.pos+1] == ')' {
		c.pos += 2
		c.closed[n] = true
		c.items = append(c.items, item{op: opPosition, n: n})
		return nil
	}
	c.pos++
	c.open = append(c.open, n)
	c.items = append(c.items, item{op: opOpen, n: n})
	return nil
}

func (c *compiler) balance() error {
	if c.pos+3 >= len(c.src) {
		return errors.New("unbalanced pattern: %b needs two characters")
	}
	c.items = append(c.items, item{op: opBalance, x: c.src[c.pos+2], y: c.src[c.pos+3]})
	c.pos += 4
	return nil
}

func (c *compiler) frontier() error {
	c.pos += 2
	if c.pos >= len(c.src) || c.src[c.pos] != '[' {
		return errors.New("missing '[' after '%f' in pattern")
	}
	s, err := c.bracket()
	if err != nil {
		return err
	}
	c.items = append(c.items, item{op: opFrontier, set: s})
	return nil
}

func (c *compiler) backref(n int) error {
	if n < 0 || n >= c.captures || !c.closed[n] {
		return fmt.Errorf("invalid capture index %%%d", n+1)
	}
	c.pos += 2
	c.items = append(c.items, item{op: opBackref, n: n})
	return nil
}

// single reads one set and its quantifier.
func (c *compiler) single() error {
	var s set
	var err error
	switch ch := c.src[c.pos]; ch {
	case '.':
		s.invert()
		c.pos++
	case '[':
		s, err = c.bracket()
	case '%':
		s, err = c.class()
	default:
		s.add(ch)
		c.pos++
	}
	if err != nil {
		return err
	}
	it := item{op: opSet, set: s}
	if c.pos < len(c.src) {
		switch q := c.src[c.pos]; q {
		case '*', '+', '-', '?':
			it.quantifier = q
			c.pos++
			if c.quantified++; c.quantified > maxQuantified {
				return errors.New("pattern too complex")
			}
		}
	}
	c.items = append(c.items, it)
	return nil
}

// class reads "%a" and its kin, or an escaped character.
func (c *compiler) class() (set, error) {
	var s set
	if c.pos+1 >= len(c.src) {
		return s, errors.New("malformed pattern (ends with '%')")
	}
	s.addClass(c.src[c.pos+1])
	c.pos += 2
	return s, nil
}

// bracket reads "[…]"; a "]" that comes first is an ordinary character.
func (c *compiler) bracket() (set, error) {
	var s set
	c.pos++
	inverted := c.pos < len(c.src) && c.src[c.pos] == '^'
	if inverted {
		c.pos++
	}
	for first := true; ; first = false {
		if c.pos >= len(c.src) {
			return s, errors.New("malformed pattern (missing ']')")
		}
		ch := c.src[c.pos]
		if ch == ']' && !first {
			c.pos++
			break
		}
		switch {
		case ch == '%':
			class, err := c.class()
			if err != nil {
				return s, err
			}
			s.union(class)
		case c.pos+2 < len(c.src) && c.src[c.pos+1] == '-' && c.src[c.pos+2] != ']':
			s.addRange(ch, c.src[c.pos+2])
			c.pos += 3
		default:
			s.add(ch)
			c.pos++
		}
	}
	if inverted {
		s.invert()
	}
	return s, nil
}
