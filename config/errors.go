package config

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// Error is one mistake and where it is.
type Error struct {
	File string // "" when it came from a flag or the built-in values
	Line int    // 0 when the file does not have the key
	Key  string // such as "sip.listen"; "" for syntax
	Msg  string
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		b.WriteByte(':')
		if e.Line > 0 {
			fmt.Fprintf(&b, "%d:", e.Line)
		}
		b.WriteByte(' ')
	}
	if e.Key != "" {
		b.WriteString(e.Key)
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// Errors is every mistake of a configuration, in the order of their lines.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As reach each.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// problems collects mistakes while a configuration is read and checked.
type problems struct {
	file  string
	lines map[string]int
	list  Errors
}

// addf notes a mistake at a key's path, which may carry indexes: "user[1].name".
// Its line is that of the nearest key above it that the file has.
func (p *problems) addf(path, format string, args ...any) {
	e := &Error{Key: indexes.ReplaceAllString(path, ""), Msg: fmt.Sprintf(format, args...)}
	for at := path; p.file != ""; {
		e.File, e.Line = p.file, p.lines[at]
		cut := strings.LastIndexAny(at, ".[")
		if e.Line > 0 || cut < 0 {
			break
		}
		at = at[:cut]
	}
	p.list = append(p.list, e)
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	sort.SliceStable(p.list, func(i, j int) bool { return p.list[i].Line < p.list[j].Line })
	return p.list
}

var indexes = regexp.MustCompile(`\[[0-9]+\]`)
